"""Source files of modules: where they lie, and which others they reach by static imports."""

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from clipmill.planning.code.source_text import ImportStatement, Source, read_source

LIBRARY = "clipmill"
_INSTALLED = ("site-packages", "dist-packages", "lib-dynload")


@dataclass(frozen=True)
class SourceModule:
    """A module by its name and its file."""

    name: str
    path: Path

    @property
    def package(self) -> str:
        """The package that relative imports of the module count from."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]


@dataclass(frozen=True)
class Scope:
    """Modules whose source counts: those of one top-level package, or those under a script's folder.

    ``package`` is empty for a script or a top-level module.
    """

    package: str
    folders: tuple[Path, ...]

    def find(self, name: str) -> SourceModule | None:
        """Returns the module of that name, or None for one outside or without a Python file."""
        top, _, rest = name.partition(".")
        if not top or top == LIBRARY or (self.package and top != self.package):
            return None
        parts = (rest if self.package else name).split(".") if rest or not self.package else []
        files = (path for folder in self.folders for path in _files_of(folder, parts))
        return next((SourceModule(name, path) for path in files if path.is_file()), None)


def _files_of(folder: Path, parts: list[str]) -> Iterator[Path]:
    """Yields the files that a module may have, in the order in which Python looks."""
    yield folder.joinpath(*parts, "__init__.py")
    if parts:
        yield folder.joinpath(*parts[:-1], f"{parts[-1]}.py")


def reach(module: SourceModule, scope: Scope) -> dict[str, Source]:
    """Returns the sources of a module and of what it imports within the scope, recursively, by name."""
    found: dict[str, Source] = {}
    waiting = [module]
    while waiting:
        one = waiting.pop()
        if one.name not in found:
            found[one.name] = source = read_source(one.path)
            named = {name for statement in source.imports for name in _imported(statement, one.package)}
            waiting.extend(other for name in named - found.keys() if (other := scope.find(name)))
    return found


def _imported(statement: ImportStatement, package: str) -> Iterator[str]:
    """Yields the names of all modules that an import may load; some of them are no modules."""
    base = statement.module
    if statement.level:
        above = package.split(".")
        above = above[: len(above) - statement.level + 1]
        base = ".".join([*above, *filter(None, [base])])
    yield base
    yield from (f"{base}.{name}" for name in statement.names)
    if statement.binds_parents:
        parts = base.split(".")
        yield from (".".join(parts[:count]) for count in range(1, len(parts)))


def locate(name: str) -> tuple[SourceModule, Scope] | None:
    """Returns a module and the scope of what it imports; None for one without a Python file.

    A script has the name of its file, so that it counts the same when it is imported. A module that is not
    loaded is looked up, not imported.
    """
    loaded = sys.modules.get(name)
    file = getattr(loaded, "__file__", None)
    if name == "__main__":
        spec = getattr(loaded, "__spec__", None)
        if spec is None:
            return _in_its_folder(Path(file).stem, Path(file)) if file else None
        name = spec.name
    top = name.partition(".")[0]
    folders = _package_folders(top) if top else ()
    if not folders:
        file = file or (_origin(top) if top else None)
        return _in_its_folder(name, Path(file)) if file and name == top else None
    scope = Scope(top, folders)
    module = SourceModule(name, Path(file)) if file else scope.find(name)
    return (module, scope) if module and _is_source(module.path) else None


def _in_its_folder(name: str, path: Path) -> tuple[SourceModule, Scope] | None:
    path = path.absolute()
    folders = () if path.parent.name in _INSTALLED else (path.parent,)
    return (SourceModule(name, path), Scope("", folders)) if _is_source(path) else None


def _is_source(path: Path) -> bool:
    return path.suffix == ".py" and path.is_file()


def _package_folders(top: str) -> tuple[Path, ...]:
    if top in sys.modules:
        return tuple(map(Path, getattr(sys.modules[top], "__path__", ())))
    spec = importlib.util.find_spec(top)
    return tuple(map(Path, (spec.submodule_search_locations if spec else None) or ()))


def _origin(top: str) -> str | None:
    spec = None if top in sys.modules else importlib.util.find_spec(top)
    return spec.origin if spec and spec.has_location else None
