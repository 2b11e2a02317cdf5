"""What the source of a module says: the digest of its code, its imports, and its classes."""

import ast
import hashlib
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from clipmill.planning.code.source_tokens import Place, result_tokens


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
    """Digest of a module's tokens, its imports, and the names of its classes."""

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
    text = text if text.endswith("\n") else text + "\n"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in strings are their author's concern
        nodes = list(ast.walk(ast.parse(text)))
        digest = hashlib.sha256()
        for kind, token in result_tokens(text, _string_statements(nodes, text.split("\n"))):
            digest.update(f"{kind}\0{token}\0".encode())
    classes = frozenset(node.name for node in nodes if isinstance(node, ast.ClassDef))
    return Source(digest.hexdigest(), tuple(_imports(nodes)), classes)


def _string_statements(nodes: list[ast.AST], lines: list[str]) -> dict[Place, Place]:
    """Returns start -> end of the statements that are only a string: docstrings, and those of attributes."""
    values = (node.value for node in nodes if isinstance(node, ast.Expr))
    texts = (value for value in values if isinstance(value, ast.Constant) and isinstance(value.value, str))
    return {
        _place(lines, text.lineno, text.col_offset): _place(lines, text.end_lineno, text.end_col_offset)
        for text in texts
    }


def _place(lines: list[str], line: int | None, column_bytes: int | None) -> Place:
    """Returns a place of the parser, which counts bytes, as the tokenizer counts it."""
    line, column_bytes = line or 1, column_bytes or 0
    return line, len(lines[line - 1].encode()[:column_bytes].decode())


def _imports(nodes: list[ast.AST]) -> Iterator[ImportStatement]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (ImportStatement(one.name, binds_parents=not one.asname) for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = tuple(one.name for one in node.names if one.name != "*")
            yield ImportStatement(node.module or "", names, node.level)
