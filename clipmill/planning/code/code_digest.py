"""Digest of the code of a user's stage: results are computed again when the code changes."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import PurePath

from clipmill.errors import SpecError
from clipmill.planning.code.module_source import LIBRARY, locate, reach
from clipmill.stages.base import Stage
from clipmill.stages.process_stage import ProcessStage


def code_digest(stage: Stage) -> str:
    """Returns the digest of a stage's code, 32 hex digits; empty where ``version`` alone is trusted.

    It covers the code of the stage's module, of the modules of its measures, and of what these import within
    their package or, for a script, their folder; and name and version of every stage class that it extends.
    Comments, docstrings and layout do not count. Built-in stages, and those with ``code = "version"``, have
    an empty digest. Of an object with ``process(task)`` it covers the object's class and attributes.
    SpecError for a stage without source.
    """
    if isinstance(stage, ProcessStage):
        return _object_digest(stage.wrapped)
    if stage.code == "version" or is_library(type(stage).__module__):
        return ""
    return _hashed([_ancestry(type(stage)), sorted(set(_sources(stage)))])


def _object_digest(wrapped: object) -> str:
    """Returns the digest of a user's object: classes with their ``STAGE_VERSION``, code, attributes."""
    cls = type(wrapped)
    classes = [
        (one.__qualname__, getattr(one, "STAGE_VERSION", 1)) for one in cls.__mro__ if one is not object
    ]
    trusts_version = getattr(cls, "code", "source") == "version" or is_library(cls.__module__)
    sources = [] if trusts_version else sorted(_class_sources(cls))
    return _hashed([classes, sources, attributes_of(wrapped)])


def _hashed(value: object) -> str:
    text = json.dumps(value, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def is_library(module: str) -> bool:
    """True for a module of this library."""
    return module.partition(".")[0] == LIBRARY


def _ancestry(cls: type[Stage]) -> list[tuple[str, str, int]]:
    """Returns qualified name, name and version of the stage's class and of those that it extends."""
    classes = (one for one in cls.__mro__ if issubclass(one, Stage))
    return [(one.__qualname__, one.name, one.version) for one in classes]


def _sources(stage: Stage) -> Iterator[tuple[str, str]]:
    """Yields (module, digest of its syntax tree) of everything that the code of a stage is made of."""
    yield from _class_sources(type(stage))
    for measure in stage.reads().measures:
        module = measure.function.partition(":")[0]
        if not is_library(module):
            yield from _measure_sources(stage, module)


def _class_sources(cls: type) -> Iterator[tuple[str, str]]:
    remedy = _REMEDY if issubclass(cls, Stage) else _OBJECT_REMEDY
    located = locate(cls.__module__)
    if located is None:
        raise SpecError(f"{cls.__name__} has no source file: {remedy}")
    module, scope = located
    sources = reach(module, scope)
    if cls.__module__ == "__main__" and cls.__name__ not in sources[module.name].classes:
        raise SpecError(f"{cls.__name__} is not in {module.path.name}, so its source is unknown: {remedy}")
    yield from ((name, source.digest) for name, source in sources.items())


def _measure_sources(stage: Stage, module: str) -> Iterator[tuple[str, str]]:
    located = locate(module)
    if located is None:
        cls = type(stage).__name__
        raise SpecError(f"{cls} reads a measure of {module}, which has no source file: {_REMEDY}")
    yield from ((name, source.digest) for name, source in reach(*located).items())


_REMEDY = 'add `code: ClassVar = "version"` to the class, and raise `version` when its code changes'
_OBJECT_REMEDY = (
    'add `code = "version"` and a `STAGE_VERSION` to the class, and raise it when its code changes'
)


Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]
"""A JSON value."""


def attributes_of(one: object) -> dict[str, Plain]:
    """Returns the attributes of an object as JSON values; a value that is none stands for its type."""
    attributes: Mapping[str, object] = getattr(one, "__dict__", {})
    return {name: plain(value) for name, value in sorted(attributes.items())}


def plain(value: object) -> Plain:
    """Returns a value as a JSON value: functions and classes by their names, anything else by its type."""
    if value is None or (isinstance(value, bool | int | float | str) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, PurePath):
        return str(value)
    return _collection(value)


def _collection(value: object) -> Plain:
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in sorted(value.items(), key=lambda item: str(item[0]))}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(one) for one in value), key=repr)
    return _name_of(value if hasattr(value, "__qualname__") else type(value))


def _name_of(value: object) -> str:
    return f"{getattr(value, '__module__', '')}:{getattr(value, '__qualname__', '')}"
