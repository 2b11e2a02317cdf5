"""Digest of the code of a user's stage: results are computed again when the code changes."""

import hashlib
import json
from collections.abc import Iterator

from clipmill.errors import SpecError
from clipmill.planning.module_source import LIBRARY, locate, reach
from clipmill.stages.base import Stage


def code_digest(stage: Stage) -> str:
    """Returns the digest of a stage's code, 32 hex digits; empty where ``version`` alone is trusted.

    It covers the code of the stage's module, of the modules of its measures, and of what these import within
    their package or, for a script, their folder; and name and version of every stage class that it extends.
    Comments, docstrings and layout do not count. Built-in stages, and those with ``code = "version"``, have
    an empty digest. SpecError for a stage without source.
    """
    if stage.code == "version" or is_library(type(stage).__module__):
        return ""
    text = json.dumps([_ancestry(type(stage)), sorted(set(_sources(stage)))], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def is_library(module: str) -> bool:
    """True for a module of this library."""
    return module.partition(".")[0] == LIBRARY


def _ancestry(cls: type[Stage]) -> list[tuple[str, str, int]]:
    """Returns qualified name, name and version of the stage's class and of those that it extends."""
    classes = (one for one in cls.__mro__ if issubclass(one, Stage))
    return [(one.__qualname__, one.name, one.version) for one in classes]


def _sources(stage: Stage) -> Iterator[tuple[str, str]]:
    """Yields (module, digest of its tokens) of everything that the code of a stage is made of."""
    yield from _class_sources(type(stage))
    for measure in stage.reads().measures:
        module = measure.function.partition(":")[0]
        if not is_library(module):
            yield from _measure_sources(stage, module)


def _class_sources(cls: type[Stage]) -> Iterator[tuple[str, str]]:
    located = locate(cls.__module__)
    if located is None:
        raise SpecError(f"{cls.__name__} has no source file: {_REMEDY}")
    module, scope = located
    sources = reach(module, scope)
    if cls.__module__ == "__main__" and cls.__name__ not in sources[module.name].classes:
        raise SpecError(f"{cls.__name__} is not in {module.path.name}, so its source is unknown: {_REMEDY}")
    yield from ((name, source.digest) for name, source in sources.items())


def _measure_sources(stage: Stage, module: str) -> Iterator[tuple[str, str]]:
    located = locate(module)
    if located is None:
        cls = type(stage).__name__
        raise SpecError(f"{cls} reads a measure of {module}, which has no source file: {_REMEDY}")
    yield from ((name, source.digest) for name, source in reach(*located).items())


_REMEDY = 'add `code: ClassVar = "version"` to the class, and raise `version` when its code changes'
