"""Runs an object with ``process(task)`` over chunks: a view in, rows of what it decided out."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from clipmill.engine.chunk import Chunk
from clipmill.engine.runners.context import WorkerContext
from clipmill.engine.runners.node_runner import SYSTEMATIC_ITEMS
from clipmill.engine.runners.node_runner import failure_of as failure_of_stage
from clipmill.engine.runners.process_call import ProcessCall
from clipmill.engine.runners.process_changes import Kept, Settled, Snapshot, settle
from clipmill.engine.runners.process_inputs import Lender
from clipmill.engine.runners.result_rows import checked, rows_of
from clipmill.errors import SpecError, StageBroken, StoreError, foreign
from clipmill.outcomes.failures import failure_of
from clipmill.planning.judgement import RETRYABLE
from clipmill.planning.missing import shown_to
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.planning.process_stages import clips_digest
from clipmill.records import ClipSpan
from clipmill.stages.base import Failed, Item, Results
from clipmill.stages.process_stage import KEPT_BYTES, SEEN_CLIPS, ProcessStage, TaskProcessor
from clipmill.tasks.row import packed
from clipmill.tasks.view import task_of

logger = logging.getLogger(__name__)

PROCESS_ERROR = "process_error"
"""Reason of clips whose call raised an error: the clips stay, and the next run calls again."""
NOT_WHOLE = Failed("retryable", "not_whole", "the stage needs all clips of the video in one call")


class ProcessRunner:
    """Calls ``process`` once for each chunk that has clips without rows.

    A clip for which an earlier stage failed in a way that the next run tries again is shown, and gets no row.
    """

    def __init__(self, node: Node, plan: Plan, context: WorkerContext) -> None:
        del context  # users' objects bring what they need
        assert isinstance(node.stage, ProcessStage)
        self.node = node
        self._stage = node.stage
        self._processor: TaskProcessor = node.stage.processor
        self._call = ProcessCall(node.key, self._processor)
        self._plan = plan
        self._lender = Lender(node.stage, plan)
        self._num_raised = 0
        self._has_warned = False

    def __call__(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Returns the chunks with the stage's rows.

        SpecError for an object that returns anything but the task of the same clips; StageBroken when many
        calls in a row raise an error.
        """
        return [self._one(chunk) for chunk in chunks]

    def _one(self, chunk: Chunk) -> Chunk:
        if self._stage.wants_whole_video:
            chunk = self._without_own_rows(chunk)
        items = [
            Item(clip.clip_id, clip, chunk.work.facts, chunk.work.source.uri) for clip in self._wanted(chunk)
        ]
        if not items:
            return chunk
        rows = rows_of(self.node, checked(self.node, items, self._answer(chunk, items)), {})
        return chunk.with_rows(self.node.key, rows, self._plan.nodes)

    def _wanted(self, chunk: Chunk) -> list[ClipSpan]:
        held = _ids(chunk.rows.get(self.node.key), retryable=False) | self._waiting(chunk)
        clips = [clip for clip in chunk.clips if chunk.wants(self.node, clip.clip_id)]
        return [clip for clip in clips if clip.clip_id not in held]

    def _without_own_rows(self, chunk: Chunk) -> Chunk:
        """A stage for whole videos judges afresh: its rows of another set of clips count for nothing."""
        known = {key: rows for key, rows in chunk.known.items() if key != self.node.key}
        return replace(chunk, known=known).judged(self._plan.nodes)

    def _waiting(self, chunk: Chunk) -> set[str]:
        """Clips of which an earlier stage's row is to be tried again."""
        waiting: set[str] = set()
        for node in self._plan.nodes[: self._plan.place(self.node.key)]:
            if not isinstance(node.stage, ProcessStage) and node.stage.grain in ("clip", "window"):
                waiting |= _ids(chunk.rows.get(node.key), retryable=True)
        return waiting

    def _answer(self, chunk: Chunk, items: Sequence[Item]) -> Results:
        if self._stage.wants_whole_video and chunk.num_chunks > 1:
            return _all_failed(items, NOT_WHOLE)
        task = task_of(chunk, self._plan)
        try:
            failed_windows = self._lender.lend(task, chunk)
        except StoreError as error:
            return _all_failed(items, failure_of(error, uri=chunk.work.source.uri))
        before = Snapshot.of(task)
        for clip in task.data.clips:
            clip.errors |= failed_windows[str(clip.uuid)]
        try:
            returned = self._call(task)
        except SpecError:
            raise
        except foreign() as error:
            logger.warning("stage %s failed on %s: %s", self._processor.name, chunk.work.source.uri, error)
            return _all_failed(items, self._failure(error))
        self._num_raised = 0
        settled = settle(returned.data, before, self._processor.name)
        self._warn_of(settled)
        return Results(self._columns(chunk, items, settled))

    def _columns(
        self, chunk: Chunk, items: Sequence[Item], settled: Settled
    ) -> Mapping[str, Sequence[object]]:
        kept = [settled.clips.get(item.id, Kept()) for item in items]
        names = {name for one in kept for name in one.overrides}
        ids = [clip.clip_id for clip in chunk.clips]
        shown = shown_to(self._plan, self.node, chunk.rejected, ids)
        seen = clips_digest(shown) if self._stage.wants_whole_video else None
        return {
            "dropped": [one.reason for one in kept],
            "drop_message": [one.message for one in kept],
            "errors": [_as_json(one.errors) for one in kept],
            KEPT_BYTES: [None if one.egomotion is None else packed(one.egomotion) for one in kept],
            "video_errors": [_as_json(settled.video_errors)] * len(items),
            SEEN_CLIPS: [seen] * len(items),
            **{name: [one.overrides.get(name) for one in kept] for name in names},
        }

    def _failure(self, error: BaseException) -> Failed:
        why = replace(failure_of_stage(self.node.key, error), reason=PROCESS_ERROR)
        self._num_raised += 1
        if self._num_raised >= SYSTEMATIC_ITEMS:
            text = f"{self._num_raised} calls in a row failed; the last: {why.message}"
            raise StageBroken(self.node.key, text) from error
        return why

    def _warn_of(self, settled: Settled) -> None:
        if settled.lost and not self._has_warned:
            self._has_warned = True
            names = ", ".join(sorted(settled.lost))
            logger.warning(
                "stage %s changed %s: no later stage sees it, and it is not written; "
                "Clip.egomotion keeps bytes and arrays by name",
                self.node.key, names,
            )  # fmt: skip


def _ids(rows: pa.Table | None, *, retryable: bool) -> set[str]:
    """Ids of the clips whose rows are to be tried again, or are not."""
    if rows is None:
        return set()
    name = "clip_id" if "clip_id" in rows.column_names else "id"
    pairs = zip(rows[name].to_pylist(), rows["outcome"].to_pylist(), strict=True)
    return {clip_id for clip_id, outcome in pairs if (outcome == RETRYABLE) == retryable}


def _all_failed(items: Sequence[Item], why: Failed) -> Results:
    return Results({}, dict.fromkeys(range(len(items)), why))


def _as_json(texts: Mapping[str, str]) -> str | None:
    return json.dumps(texts, sort_keys=True) if texts else None
