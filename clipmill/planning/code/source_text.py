"""What the source of a module says: the digest of its code, its imports, and its classes."""

import ast
import hashlib
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast


@dataclass(frozen=True)
class ImportStatement:
    """One import. ``level`` counts the leading dots; ``names`` is empty for ``import module``.

    ``binds_parents`` is True for ``import a.b``, which gives access to ``a`` too.
    """

    module: str
    names: tuple[str, ...] = ()
    level: int = 0
    binds_parents: bool = False


@dataclass(frozen=True)
class Source:
    """Digest of a module's syntax tree, its imports, and the names of its classes."""

    digest: str
    imports: tuple[ImportStatement, ...] = ()
    classes: frozenset[str] = frozenset()


def read_source(path: Path) -> Source:
    """Returns what a file says; parsed once for each state of the file."""
    stat = path.stat()
    return _read_file(path, stat.st_mtime_ns, stat.st_size, stat.st_ino)


@lru_cache(maxsize=4096)
def _read_file(path: Path, *state: int) -> Source:
    del state  # part of the cache's key
    try:
        with tokenize.open(path) as file:
            return source_of(file.read())
    except (SyntaxError, UnicodeDecodeError):
        return Source(hashlib.sha256(path.read_bytes()).hexdigest())


def source_of(text: str) -> Source:
    """Returns what source text says. SyntaxError where it is no Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in strings are their author's concern
        tree = ast.parse(text)
    nodes = list(ast.walk(tree))
    digest = hashlib.sha256("\0".join(_said(tree)).encode()).hexdigest()
    classes = frozenset(node.name for node in nodes if isinstance(node, ast.ClassDef))
    return Source(digest, tuple(_imports(nodes)), classes)


def _said(tree: ast.AST) -> Iterator[str]:
    """Yields the parts of a syntax tree, equal in Python 3.11 and 3.12.

    Comments and layout are in no tree. Left out are statements that are only a string, as docstrings are, and
    empty texts of f-strings, which 3.12 adds.
    """
    waiting: list[object] = [tree]
    while waiting:
        one = waiting.pop()
        if isinstance(one, ast.AST):
            fields = [(name, value) for name, value in ast.iter_fields(one) if value not in (None, [])]
            yield f"{type(one).__name__} {' '.join(name for name, _ in fields)}"
            waiting.extend(_counted(one, value) for _, value in reversed(fields))
        elif isinstance(one, list):
            yield f"[{len(cast('list[object]', one))}]"
            waiting.extend(reversed(cast("list[object]", one)))
        else:
            yield repr(one)


def _counted(node: ast.AST, value: object) -> object:
    """A field of a node, without the strings in it that change nothing."""
    if not isinstance(value, list):
        return value
    values = cast("list[object]", value)
    if isinstance(node, ast.JoinedStr):
        return [one for one in values if not (isinstance(one, ast.Constant) and one.value == "")]
    return [one for one in values if not (isinstance(one, ast.Expr) and _is_text(one.value))]


def _is_text(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _imports(nodes: list[ast.AST]) -> Iterator[ImportStatement]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (ImportStatement(one.name, binds_parents=not one.asname) for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = tuple(one.name for one in node.names if one.name != "*")
            yield ImportStatement(node.module or "", names, node.level)
