"""Stages and workers for tests of the engine's runners."""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, ClassVar

import pyarrow as pa

from clipmill.engine.chunk import Chunk
from clipmill.engine.runners.context import Shared, WorkerContext
from clipmill.planning.nodes import Node, Placed
from clipmill.planning.plan import Plan
from clipmill.stages.base import (
    VERDICT,
    Artifact,
    Batch,
    Column,
    Grain,
    Item,
    Resources,
    Rule,
    Stage,
    StageContext,
    Worker,
)
from tests.support.hand_made import plan, span, work

KEY = "scorer"


class Scorer(Stage):
    """A stage with a column of each kind; a test gives the runner its worker."""

    name: ClassVar[str] = KEY
    grain: ClassVar[Grain] = "clip"
    writes: ClassVar[tuple[Column, ...]] = (
        Column("score", pa.float64(), "0 to 1"),
        Column("count", pa.int64(), "how many"),
        Column("label", pa.string(), "a word"),
        Column("vector", pa.list_(pa.float32(), 2), "two numbers"),
    )
    artifacts: ClassVar[tuple[Artifact, ...]] = (Artifact("note", "notes/{clip_id}.txt"),)

    threshold: Annotated[float, VERDICT] = 0.0
    batch_items: int = 4

    def resources(self) -> Resources:
        return Resources(batch_items=self.batch_items)

    def rules(self) -> tuple[Rule, ...]:
        return (Rule("score", "low_score", min=self.threshold),)

    def open(self, context: StageContext) -> Worker:
        raise NotImplementedError


def scorer_plan(stage: Stage | None = None) -> Plan:
    """A plan of one stage."""
    return plan(Placed(stage or Scorer(), KEY))


def scorer() -> Node:
    """The node of a ``Scorer``."""
    return scorer_plan().by_key[KEY]


def context_of(made: Plan) -> WorkerContext:
    """What a worker process lends to the stage; files stay in it."""
    return WorkerContext(made.by_key[KEY], Shared(), output_uri=None)


def items(count: int) -> list[Item]:
    """Clips as items, named 0, 1, 2."""
    return [Item(str(index), span(index), work().facts) for index in range(count)]


def chunk_of(num_clips: int, *, first: int = 0) -> Chunk:
    """A chunk of some clips of a video; those of others begin at another ``first``."""
    clips = tuple(span(first + index) for index in range(num_clips))
    return Chunk(work(), clips, num_clips=num_clips)


def clip_id(index: int) -> str:
    """The id of the clip of that index."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"clip {index}"))


def column(chunk: Chunk, name: str) -> list[object]:
    """A column of the stage's rows, in order of the clips."""
    rows = chunk.made[KEY]
    by_id = dict(zip(rows["id"].to_pylist(), rows[name].to_pylist(), strict=True))
    return [by_id[clip.clip_id] for clip in chunk.clips]


class FakeStream:
    """Answers by ``say``, which may raise; notes the items of each call."""

    def __init__(self, say: Callable[[str], Mapping[str, object] | None]) -> None:
        self.say = say
        self.asked: list[list[str]] = []
        self.num_closed = 0

    def stream(self, asked: Iterator[Item]) -> Iterator[tuple[str, Mapping[str, object]]]:
        """One answer after the other; none where ``say`` has none."""
        self.asked.append([])
        for item in asked:
            self.asked[-1].append(item.id)
            if (answer := self.say(item.id)) is not None:
                yield item.id, answer

    def close(self) -> None:
        self.num_closed += 1


def scores(batch: Batch) -> Mapping[str, Sequence[object]]:
    """A worker that can do all items."""
    return {"score": [0.5] * len(batch)}
