"""What the class of a stage says of itself, for pages and the command line: parameters, reads and columns."""

import inspect
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal, cast, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from clipmill.planning.graph import Siblings
from clipmill.planning.registry import BUILT_IN, parameters_of, stage_class
from clipmill.stages.base import IGNORED, LIMIT, SPEED, VERDICT, Column, Frames, Reads, Stage, marks_of
from clipmill.stages.spec import affects_of

GRAINS = {"run": "the run", "video": "videos", "clip": "clips", "window": "windows"}
_CORE = "core"


@dataclass(frozen=True)
class Parameter:
    """One parameter: its values in words, its default as JSON, and what a change of it does.

    ``changes`` is ``results``, ``results of`` videos with a trait, ``results that it cut``, ``verdict`` or
    ``speed``.
    """

    name: str
    values: str
    default: str
    changes: str


@dataclass(frozen=True)
class Described:
    """One stage. ``use`` is how a spec names it; ``environment`` is empty where the core suffices."""

    name: str
    cls: str
    use: str
    version: int
    grain: str
    summary: str
    environment: str = ""
    reads: tuple[str, ...] = ()
    adds: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    columns: tuple[Column, ...] = ()
    files: tuple[str, ...] = ()


def describe(use: str) -> Described:
    """Returns what the class that ``use`` names says of itself. SpecError where there is none."""
    cls = stage_class(use)
    if not issubclass(cls, Stage):
        name = str(getattr(cls, "name", cls.__name__))
        return Described(name, cls.__name__, use, 1, "videos, as process(task)", _summary(cls))
    if built_in := next((one for one in examples() if type(one) is cls), None):
        return _described(built_in, cls.__name__)
    return _described(_example(cls).bind(Siblings(())), use)


def describe_all() -> Iterator[Described]:
    """Yields the built-in stages in the order in which they run."""
    for stage in examples():
        yield _described(stage, type(stage).__name__)


@cache
def examples() -> tuple[Stage, ...]:
    """Returns one stage of each built-in class, with its defaults, bound to each other."""
    made = tuple(_example(stage_class(path)) for path in BUILT_IN)
    return tuple(stage.bind(Siblings(made)) for stage in made)


def _described(stage: Stage, use: str) -> Described:
    cls = type(stage)
    return Described(
        name=cls.name,
        cls=cls.__name__,
        use=use,
        version=cls.version,
        grain=GRAINS[cls.grain],
        summary=_summary(cls),
        environment="" if cls.environment == _CORE else cls.environment,
        reads=tuple(reads_in_words(stage.reads())),
        adds=tuple(type(one).__name__ for one in stage.requires()),
        parameters=parameters_in_words(cls, parameters_of(cls)),
        columns=tuple(cls.writes),
        files=tuple(one.path for one in cls.artifacts),
    )


def _summary(cls: type) -> str:
    return (inspect.getdoc(cls) or "").partition("\n\n")[0].replace("\n", " ")


def _example(kind: type) -> Stage:
    assert issubclass(kind, Stage)
    required = {name: field for name, field in kind.model_fields.items() if field.is_required()}
    return kind.model_validate({name: _some(field) for name, field in required.items()})


def _some(field: FieldInfo) -> object:
    """A value for a parameter without a default."""
    if get_origin(field.annotation) is Literal:
        choices = get_args(field.annotation)
        return next((one for one in choices if one == "siglip2"), choices[0])
    return {bool: False, int: 1, float: 1.0}.get(cast(type, field.annotation), "any")


def parameters_in_words(model: type[BaseModel], names: Iterable[str]) -> tuple[Parameter, ...]:
    """Returns what a user may set of a group."""
    properties = cast("Mapping[str, Mapping[str, object]]", model.model_json_schema()["properties"])
    fields = model.model_fields
    return tuple(
        Parameter(name, _values(properties[name]), _default(fields[name]), _changes(fields[name]))
        for name in names
    )


def _changes(field: FieldInfo) -> str:
    words = {SPEED: "speed", VERDICT: "verdict", LIMIT: "results that it cut", IGNORED: "nothing"}
    if affects := affects_of(field):
        return f"results of `{affects.trait}`"
    return next((words[mark] for mark in marks_of(field) if mark in words), "results")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return ""
    return json.dumps(to_jsonable_python(field.get_default(call_default_factory=True)))


def _values(schema: Mapping[str, object]) -> str:
    """A JSON schema in words; values that are meant literally stand between backticks."""
    if "anyOf" in schema:
        choices = cast("list[Mapping[str, object]]", schema["anyOf"])
        return " or ".join(map(_values, choices))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in cast("list[object]", schema["enum"]))
    if "const" in schema:
        return f"`{schema['const']}`"
    if "$ref" in schema:
        return "bounds" if str(schema["$ref"]).endswith("Bounds") else "names"
    if schema.get("type") == "array":
        items = cast("Mapping[str, object]", schema.get("items") or {})
        return f"list of {_values(items)}" if items else "pair"
    return f"{schema.get('type', 'any')}{_range(schema)}".replace("null", "`null`")


def _range(schema: Mapping[str, object]) -> str:
    signs = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    bounds = [f"{sign} {_plain(schema[key])}" for key, sign in signs.items() if key in schema]
    return f" {', '.join(bounds)}" if bounds else ""


def _plain(number: object) -> str:
    return f"{number:g}" if isinstance(number, float) else str(number)


def reads_in_words(reads: Reads) -> Iterator[str]:
    """Yields what a stage reads, each in a few words."""
    for frames in (*((reads.frames,) if reads.frames else ()), *reads.more_frames):
        yield _frames(frames)
    if reads.thumbnails:
        yield "the small stream of every frame"
    if reads.motion:
        yield f"motion at {float(reads.motion.fps):g} instants a second"
    for measure in reads.measures:
        yield f"`{measure.function.rpartition(':')[2]}` of full frames, {float(measure.fps):g} a second"
    if reads.sound:
        yield f"sound at {reads.sound.rate_hz} Hz, {reads.sound.channels} channels"
    if reads.source:
        yield "the source file"
    yield from (f"column `{name}`" for name in reads.columns)
    yield from (f"files of `{name}`" for name in reads.artifacts)


def _frames(frames: Frames) -> str:
    return f"frames at {float(frames.fps):g} a second, {frames.height_px} pixels high"
