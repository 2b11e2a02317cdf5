"""What the class of a stage says of it, as lines of a page: what it reads, writes and rejects."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from clipmill.planning.graph import Siblings
from clipmill.planning.registry import BUILT_IN, stage_class
from clipmill.stages.base import Column, Frames, Reads, Stage

ITEMS = {"run": "the run", "video": "videos", "clip": "clips", "window": "windows"}
TABLES = {"clip": "clips", "window": "windows", "video": "nowhere"}


def facts_of(kind: type[Stage]) -> Iterator[str]:
    """Yields what a built-in stage is, reads and writes; nothing for one that only holds settings."""
    stage = next(one for one in examples() if type(one) is kind)
    yield f"{' '.join(_sentences(stage))}"
    if kind.writes:
        yield ""
        yield "| column | type | meaning | where |"
        yield "|---|---|---|---|"
        yield from (_column(kind, column) for column in kind.writes)


@cache
def examples() -> tuple[Stage, ...]:
    """Returns one stage of each built-in class, with its defaults, bound to each other."""
    made = tuple(_example(stage_class(path)) for path in BUILT_IN)
    return tuple(stage.bind(Siblings(made)) for stage in made)


def _example(kind: type) -> Stage:
    assert issubclass(kind, Stage)
    required = {name: field for name, field in kind.model_fields.items() if field.is_required()}
    return kind.model_validate({name: _some(field) for name, field in required.items()})


def _some(field: FieldInfo) -> object:
    if get_origin(field.annotation) is Literal:
        return get_args(field.annotation)[0] if "siglip2" not in get_args(field.annotation) else "siglip2"
    return False if field.annotation is bool else "any"


def _sentences(stage: Stage) -> Iterator[str]:
    kind = type(stage)
    environment = "" if kind.environment == "core" else f", in the environment `{kind.environment}`"
    yield f"Stage `{kind.name}`, version {kind.version}, of {ITEMS[kind.grain]}{environment}."
    if read := ", ".join(_reads(stage.reads())):
        yield f"It reads {read}."
    if stage.requires():
        yield f"It adds {_names(type(one).__name__ for one in stage.requires())} where that is missing."
    if kind.runs_on == "all":
        yield "It also runs for clips that a filter rejected."
    if kind.on_failure == "drop":
        yield f"A clip that it fails on is filtered as `{kind.failure_reason}`."
    if kind.artifacts:
        yield f"It writes {_names(one.path for one in kind.artifacts)}."


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _reads(reads: Reads) -> Iterator[str]:
    for frames in (*((reads.frames,) if reads.frames else ()), *reads.more_frames):
        yield _frames(frames)
    if reads.thumbnails:
        yield "the small stream of every frame"
    if reads.motion:
        yield f"motion at {float(reads.motion.fps):g} instants a second"
    for measure in reads.measures:
        yield f"`{measure.function.rpartition(':')[2]}` of full frames, {float(measure.fps):g} a second"
    if reads.sound:
        yield f"sound at {reads.sound.rate_hz} Hz"
    if reads.source:
        yield "the source file"
    yield from (f"column `{name}`" for name in reads.columns)
    yield from (f"files of `{name}`" for name in reads.artifacts)


def _frames(frames: Frames) -> str:
    return f"frames at {float(frames.fps):g} a second, {frames.height_px} pixels high"


def _column(kind: type[Stage], column: Column) -> str:
    place = TABLES[kind.grain] if column.table == "own_grain" else column.table
    where = {"state": "state only", "embeddings": "embedding files"}.get(place, f"table `{place}`")
    return f"| `{column.name}` | {column.type} | {column.doc} | {where} |"
