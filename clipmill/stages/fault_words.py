"""What is wrong with values that a user gave, in plain words and one line."""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import TypeVar, get_origin, get_type_hints

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from clipmill.errors import SpecError
from clipmill.stages.spec import Mark, marks_of
from clipmill.stages.value_kinds import kinds

Place = tuple[int | str, ...]
M = TypeVar("M", bound=BaseModel)

_SHOWN = 12
_OFFERED = 3
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")


def nearest(word: str, words: Iterable[str]) -> str:
    """Returns ``; did you mean X?`` for the word that is most like ``word``; empty where none is."""
    by_lower = {one.lower(): one for one in words}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return f"; did you mean {by_lower[close[0]]}?" if close else ""


def known_or_nearest(word: str, words: Iterable[str]) -> str:
    """Returns what ``nearest`` does; where no word is like it ``; there are A, B and 3 more``."""
    every = list(words)
    return nearest(word, every) or f"; there are {listed(every)}"


def listed(words: Sequence[str]) -> str:
    """Returns ``A, B and 3 more``, or ``none``."""
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more or "none"


def checked(model: type[M], values: Mapping[str, object], name: str = "") -> M:
    """Returns a group of values. SpecError with its faults in one line, which begins with ``name``."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        faults = faults_in_words(error, model)
        raise SpecError(f"{name}: {faults}" if name else faults) from error


def faults_in_words(error: ValidationError, model: type[BaseModel]) -> str:
    """Returns the faults of values for ``model`` in one line: ``threshold must be a number, got 'x'``.

    A value that fits none of several kinds is one fault.
    """
    found: dict[Place, list[ErrorDetails]] = {}
    for fault in error.errors(include_url=False):
        is_unknown = fault["type"] in _UNKNOWN
        place = (*_place(model, fault["loc"][:-1]).names, fault["loc"][-1]) if is_unknown else ()
        found.setdefault(place or _place(model, fault["loc"]).names, []).append(fault)
    return "; ".join(_in_words(model, place, faults) for place, faults in found.items())


def _in_words(model: type[BaseModel], place: Place, faults: list[ErrorDetails]) -> str:
    first = faults[0]
    name = ".".join(map(str, place))
    if first["type"] in _UNKNOWN:
        return _unknown(model, first["loc"], ".".join(map(str, place[:-1])))
    if first["type"] == "missing":
        return f"{name} is missing"
    if first["type"] in ("value_error", "assertion_error"):
        message = " ".join(first["msg"].partition(", ")[2].split())
        return f"{name}: {message}" if name else message
    if first["type"] == "invalid_key":
        return f"{place[-1]} is no name of a parameter: write it as a text"
    wanted = " or ".join(dict.fromkeys(_wanted(fault) for fault in faults))
    return f"{name or 'the whole'} must be {wanted}, got {first['input']!r:.80}"


def _unknown(model: type[BaseModel], loc: Place, group: str) -> str:
    name = str(loc[-1])
    place = _place(model, loc[:-1])
    known = [one for kind in place.models for one in free_fields(kind)]
    known += [one.name for kind in place.kinds if is_dataclass(kind) for one in fields(kind)]
    there = list(dict.fromkeys(_places_of(name, _Found((), (model,)))))[:_OFFERED]
    meant = f"; did you mean {' or '.join(there)}?" if there else nearest(name, known)
    said = f"there is no parameter {name}" + (meant or f"; it has {', '.join(known)}")
    return f"{group}: {said}" if group else said


def _places_of(name: str, group: "_Found") -> Iterator[str]:
    """Yields the dotted name of each parameter ``name`` in the groups below a group: ``transcode.audio``."""
    for field in dict.fromkeys(one for kind in group.models for one in free_fields(kind)):
        place = group.step(field)
        if field == name:
            yield ".".join(map(str, place.names))
        yield from _places_of(name, place)


def free_fields(model: type[BaseModel]) -> list[str]:
    """Returns the names of the fields that a user may set."""
    return [name for name, field in model.model_fields.items() if Mark.BOUND not in marks_of(field)]


@dataclass(frozen=True)
class _Found:
    """A place as people write it, and the kinds of values that may stand there."""

    names: Place
    kinds: tuple[object, ...]

    @property
    def models(self) -> list[type[BaseModel]]:
        return [one for one in self.kinds if isinstance(one, type) and issubclass(one, BaseModel)]

    def step(self, part: int | str) -> "_Found":
        """Goes into a field, an item or a key; the name of a kind of a union is no step."""
        if isinstance(part, int):
            return _Found((*self.names, part), self.kinds)
        found: list[object] = [
            one.model_fields[part].annotation for one in self.models if part in one.model_fields
        ]
        found += [get_type_hints(one)[part] for one in self.kinds if _has_field(one, part)]
        if found:
            return _Found((*self.names, part), tuple(kind for one in found for kind in kinds(one)))
        return _Found((*self.names, part), (object,)) if dict in map(get_origin, self.kinds) else self


def _has_field(kind: object, name: str) -> bool:
    return is_dataclass(kind) and name in (one.name for one in fields(kind))


def _place(model: type[BaseModel], loc: Place) -> _Found:
    found = _Found((), (model,))
    for part in loc:
        found = found.step(part)
    return found


_KINDS = {
    "float": "a number", "finite": "a finite number", "int": "a whole number", "bool": "true or false",
    "string": "text", "list": "a list", "tuple": "a list", "set": "a list", "dict": "a mapping",
    "none": "null", "model": "a group of parameters", "dataclass": "a group of parameters",
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
