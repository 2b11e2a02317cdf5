"""Parameters of a stage as a spec gives them; every fault becomes one readable line."""

from collections.abc import Mapping
from itertools import groupby
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from clipmill.errors import SpecError
from clipmill.planning.registry import nearest
from clipmill.stages.base import BOUND, StageSpec

S = TypeVar("S", bound=StageSpec)


def parameters_of(cls: type[StageSpec]) -> tuple[str, ...]:
    """Returns the names of the parameters that a spec may set, in their order."""
    free = cls.fields_without(BOUND)
    return tuple(name for name in cls.model_fields if name in free)


def make_stage(cls: type[S], parameters: Mapping[str, object], *, key: str = "") -> S:
    """Returns a stage with the parameters that a spec gives.

    SpecError in one line that begins with ``stage`` and the key, else the name: for unknown parameters, for
    values that are impossible, and for parameters that other stages set (BOUND).
    """
    stage = f"stage {key or getattr(cls, 'name', '') or cls.stage_name}"
    if unknown := [fault for name in parameters if (fault := _refusal(cls, name))]:
        raise SpecError(f"{stage}: {'; '.join(unknown)}")
    try:
        return cls.model_validate(dict(parameters))
    except ValidationError as error:
        raise SpecError(f"{stage}: {faults_in_words(error)}") from error


def _refusal(cls: type[StageSpec], name: str) -> str:
    """Returns why a spec may not set a parameter; empty where it may."""
    allowed = parameters_of(cls)
    if name in allowed:
        return ""
    if name in cls.model_fields:
        return f"{name} follows from other stages and cannot be set"
    return f"there is no parameter {name}" + (nearest(name, allowed) or f"; it has {', '.join(allowed)}")


def faults_in_words(error: ValidationError) -> str:
    """Returns the faults of values in one line, such as ``threshold must be a number, got 'x'``."""
    faults = error.errors(include_url=False)
    groups = (list(group) for _, group in groupby(faults, lambda fault: fault["loc"][:1]))
    return "; ".join(_in_words(group) for group in groups)


def _in_words(faults: list[ErrorDetails]) -> str:
    """Returns one phrase for the faults of one parameter: several where each kind of a union failed."""
    first = faults[0]
    place = first["loc"] if len(faults) == 1 else first["loc"][:1]
    name = ".".join(map(str, place))
    if first["type"] == "missing":
        return f"{name} is missing"
    if first["type"] in ("value_error", "assertion_error"):
        message = " ".join(first["msg"].partition(", ")[2].split())
        return f"{name}: {message}" if name else message
    wanted = " or ".join(dict.fromkeys(_wanted(fault) for fault in faults))
    return f"{name} must be {wanted}, got {first['input']!r:.80}"


_KINDS = {
    "float": "a number", "finite": "a finite number", "int": "a whole number", "bool": "true or false",
    "string": "text", "list": "a list", "tuple": "a list", "set": "a list", "dict": "a mapping",
    "none": "null",
}  # fmt: skip
_BOUNDS = {"greater_than": ("above", "gt"), "greater_than_equal": ("at least", "ge"),
           "less_than": ("below", "lt"), "less_than_equal": ("at most", "le"),
           "multiple_of": ("a multiple of", "multiple_of")}  # fmt: skip


def _wanted(fault: ErrorDetails) -> str:
    """Returns what a value must be, as it follows ``must be``."""
    kind, context = fault["type"], fault.get("ctx", {})
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return f"{words} {context[bound]:g}"
    if "expected" in context:
        return str(context["expected"])
    word = _KINDS.get(kind.partition("_")[0])
    is_kind = kind.endswith(("_type", "_parsing", "_number", "_from_float", "_required"))
    return word if word and is_kind else _reworded(fault["msg"])


def _reworded(message: str) -> str:
    for start, words in (
        ("Input should be ", ""),
        ("String should have ", "text with "),
        ("List should have ", "a list with "),
    ):
        if message.startswith(start):
            return words + message.removeprefix(start)
    return f"valid ({message})"
