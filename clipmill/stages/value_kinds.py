"""Groups of parameters that take no value of another kind: a number is no text, true or false no number."""

from collections.abc import Iterator
from dataclasses import is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Literal, Union, cast, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError, PydanticKnownError

LARGEST = 2.0**53
"""Numbers beyond it are no parameter of anything, and JSON readers do not hold them exactly."""

_PLAIN = frozenset({bool, int, float, str, NoneType})
_NUMBERS = frozenset({int, float})


class CheckedModel(BaseModel):
    """A frozen group of values: no unknown name, no value of another kind, no number beyond all reason."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)

    @field_validator("*", mode="before")
    @classmethod
    def _of_its_kind(cls, value: object, info: ValidationInfo) -> object:
        _check_all(value, cls.model_fields[str(info.field_name)].annotation)
        return value


def _check_all(value: object, annotation: object) -> None:
    """Refuse values of another kind, also in a group that is a dataclass; an error there names the value."""
    plain = frozenset(one for kind in kinds(annotation) for one in _plain(kind))
    for one in _flat(value):
        _check(one, plain)
    for group in kinds(annotation):
        if isinstance(group, type) and is_dataclass(group) and isinstance(value, dict):
            for name, inner in get_type_hints(group).items():
                if name in value:
                    _check_named(name, cast("dict[str, object]", value)[name], inner)


def _check_named(name: str, value: object, annotation: object) -> None:
    try:
        _check_all(value, annotation)
    except (PydanticCustomError, PydanticKnownError) as error:
        raise PydanticCustomError(
            "group", "{name}: {said}", {"name": name, "said": error.message()}
        ) from error


def kinds(annotation: object) -> Iterator[object]:
    """Yields what an annotation takes: unions, lists and tuples stand for what is in them."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from kinds(get_args(annotation)[0])
    elif origin in (Union, UnionType, list, tuple):
        for one in get_args(annotation):
            yield from kinds(one)
    else:
        yield annotation


def _plain(kind: object) -> Iterator[type]:
    """Yields the types of plain values that a kind takes; ``object`` stands for anything else."""
    if get_origin(kind) is Literal:
        yield from (type(one) for one in get_args(kind))
    elif isinstance(kind, type):
        yield str if issubclass(kind, Enum) else kind if kind in _PLAIN else object
    else:
        yield object


def _flat(value: object) -> Iterator[object]:
    if isinstance(value, list | tuple):
        for one in value:
            yield from _flat(one)
    else:
        yield value


def _check(value: object, plain: frozenset[type]) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(value, int | float) and LARGEST < abs(value) < float("inf"):
        raise PydanticCustomError("beyond_reason", "Input should be a number between -2^53 and 2^53")
    if object in plain or plain.isdisjoint({bool, *_NUMBERS}):
        return
    wanted = "bool_type" if plain.isdisjoint(_NUMBERS) else "float_type" if float in plain else "int_type"
    is_other = (
        (isinstance(value, bool) and bool not in plain)
        or (isinstance(value, str) and str not in plain)
        or (is_number and plain.isdisjoint(_NUMBERS))
    )
    if is_other:
        raise PydanticKnownError(wanted)
