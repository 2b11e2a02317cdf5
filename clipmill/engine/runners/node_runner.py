"""Runs one stage over chunks: items in, checked rows out; what a stage raises is its own failure."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeGuard

import pyarrow as pa

from clipmill.engine.chunk import Chunk
from clipmill.engine.runners.context import WorkerContext
from clipmill.engine.runners.items import Wanted, wanted_items
from clipmill.engine.runners.result_rows import (
    BAD_RESULT,
    STAGE_ERROR,
    Answered,
    BadResults,
    bad_result,
    checked,
    rows_of,
)
from clipmill.engine.runners.sound_reader import SoundReader
from clipmill.errors import (
    DISK_ERRNOS,
    ClipmillError,
    CodecChildDied,
    CodecChildTimeout,
    StageBroken,
    StoreError,
    foreign,
    said_by,
)
from clipmill.outcomes import failures
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.records import VideoReason
from clipmill.stages.base import Batch, Failed, Item, StreamWorker, Worker

logger = logging.getLogger(__name__)

SYSTEMATIC_ITEMS = 20
"""Items in a row that may fail before it is the stage that is broken."""


class NodeRunner:
    """Calls the worker of a node with batches of items."""

    def __init__(self, node: Node, plan: Plan, context: WorkerContext, worker: Worker) -> None:
        self.node = node
        self._plan = plan
        self._context = context
        self._worker = worker
        self._sound = SoundReader(node, plan, context)
        self._streak = FailureStreak(node.key)
        self._batch_items = max(1, node.stage.resources().batch_items)

    def __call__(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Returns the chunks with the stage's rows. Items of all chunks share the worker's batches.

        StageBroken when every one of many items fails.
        """
        wanted = [self._sound(one.work, wanted_items(one, self.node, self._plan)) for one in chunks]
        answers = self._answers([item for one in wanted for item in one.items])
        return [
            self._with_rows(chunk, one, [next(answers) for _ in one.items])
            for chunk, one in zip(chunks, wanted, strict=True)
        ]

    def _with_rows(self, chunk: Chunk, wanted: Wanted, answers: Sequence[pa.Table]) -> Chunk:
        failed = rows_of(self.node, Answered((), self._no_columns(), {}), wanted.failed)
        rows = pa.concat_tables([*answers, failed])
        if not len(rows):
            return chunk
        files = {**chunk.files, **self._context.take_files()}
        return replace(chunk, files=files).with_rows(self.node.key, rows, self._plan.nodes)

    def _no_columns(self) -> dict[str, pa.Array]:
        return {column.name: pa.nulls(0, column.type) for column in self.node.stored}

    def _answers(self, items: Sequence[Item]) -> Iterator[pa.Table]:
        """One row for each item, in order. An output that failed is not tried for each item that follows."""
        lost: Failed | None = None
        for start in range(0, len(items), self._batch_items):
            batch = items[start : start + self._batch_items]
            rows = self._failed(batch, lost) if lost else self._batch(batch)
            lost = lost or _output_fault(rows)
            yield from (rows.slice(index, 1) for index in range(len(rows)))

    def _batch(self, items: Sequence[Item]) -> pa.Table:
        """The rows of one call; where it fails, those of a call for each item."""
        rows = self._rows(items)
        if rows is None:
            return pa.concat_tables([self._batch([item]) for item in items])
        self._streak.saw(rows)
        return rows

    def _rows(self, items: Sequence[Item]) -> pa.Table | None:
        """The rows of one call; None where a call for several items raised an error."""
        try:
            return self._called(items)
        except BadResults as error:
            return self._failed(items, bad_result(self.node, error))
        except StageBroken:
            raise
        except foreign() as error:
            is_shared = isinstance(error, StoreError)  # the store would fail for each of them
            if len(items) > 1 and not is_shared:
                return None
            return self._failed(items, failure_of(self.node.key, error))

    def _called(self, items: Sequence[Item]) -> pa.Table:
        self._context.expect(items)
        answer = self._worker(Batch(tuple(items)))
        return rows_of(self.node, checked(self.node, items, answer), {})

    def _failed(self, items: Sequence[Item], failed: Failed) -> pa.Table:
        logger.warning("%s", failed.message.splitlines()[0])
        return rows_of(
            self.node, Answered((), self._no_columns(), {}), {item.id: (item, failed) for item in items}
        )


def open_worker(node: Node, context: WorkerContext) -> Worker | StreamWorker:
    """Returns the worker of a node's stage. StageBroken for anything that cannot be called or asked."""
    try:
        opened = node.stage.without_verdicts().open(context)
    except (ClipmillError, MemoryError):
        raise
    except foreign() as error:
        raise StageBroken(node.key, f"open() raised {said_by(error)}") from error
    if not (callable(opened) or is_stream(opened)):
        raise StageBroken(node.key, f"open() returned {type(opened).__name__}, which cannot be called")
    return opened


def is_stream(worker: object) -> TypeGuard[StreamWorker]:
    """Returns True for a worker that answers item by item."""
    return callable(getattr(worker, "stream", None))


def failure_of(key: str, error: BaseException) -> Failed:
    """Returns what an exception of a stage's own means: the next run tries again."""
    if isinstance(error, _PASSED_ON) or (isinstance(error, OSError) and error.errno in DISK_ERRNOS):
        return failures.failure_of(error, uri=f"stage {key}")
    text = f"stage {key}: {said_by(error)}"
    return Failed("retryable", STAGE_ERROR, f"{text}\n{failures.last_frames(error)}")


_PASSED_ON = (StoreError, CodecChildDied, CodecChildTimeout)
"""Errors that a stage passes on and that are not its own."""


def _output_fault(rows: pa.Table) -> Failed | None:
    columns = (rows[name].to_pylist() for name in ("reason", "message"))
    found = (text for reason, text in zip(*columns, strict=True) if reason == VideoReason.OUTPUT_ERROR)
    text = next(found, None)
    return None if text is None else Failed("retryable", VideoReason.OUTPUT_ERROR, text)


class FailureStreak:
    """Counts failures of a stage's own in a row."""

    def __init__(self, key: str, *, most: int = SYSTEMATIC_ITEMS) -> None:
        self._key = key
        self._most = most
        self._num_failed = 0

    def saw(self, rows: pa.Table) -> None:
        """Counts rows. StageBroken when the last ``most`` items all failed by the stage's own fault."""
        own = {STAGE_ERROR, BAD_RESULT}
        for outcome, reason, message in zip(
            *(rows[name].to_pylist() for name in ("outcome", "reason", "message")), strict=True
        ):
            is_own = outcome == "retryable" and reason in own
            self._num_failed = self._num_failed + 1 if is_own else 0
            if self._num_failed >= self._most:
                raise StageBroken(self._key, f"{self._num_failed} items in a row failed; the last: {message}")
