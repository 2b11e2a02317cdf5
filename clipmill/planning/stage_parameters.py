"""Parameters of a stage as a spec gives them; every fault becomes one readable line."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import ValidationError

from clipmill.errors import SpecError
from clipmill.stages.base import StageSpec
from clipmill.stages.fault_words import faults_in_words, free_fields, nearest

S = TypeVar("S", bound=StageSpec)

PLACING = ("use", "key", "after")
"""What an entry of ``stages:`` says beside parameters."""


def parameters_of(cls: type[StageSpec]) -> tuple[str, ...]:
    """Returns the names of the parameters that a spec may set, in their order."""
    return tuple(free_fields(cls))


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
        raise SpecError(f"{stage}: {faults_in_words(error, cls)}") from error


def _refusal(cls: type[StageSpec], name: str) -> str:
    """Returns why a spec may not set a parameter; empty where it may."""
    allowed = parameters_of(cls)
    if name in allowed:
        return ""
    if name in cls.model_fields:
        return f"{name} follows from other stages and cannot be set"
    advice = nearest(name, (*allowed, *PLACING)) or f"; it has {', '.join(allowed)}"
    return f"there is no parameter {name}{advice}"
