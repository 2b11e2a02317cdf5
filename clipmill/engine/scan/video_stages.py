"""Stages of whole videos: they are fed the pieces of a pass, in order."""

from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa

from clipmill.engine.chunk import Chunk
from clipmill.engine.runners.context import Shared, WorkerContext
from clipmill.engine.runners.node_runner import failure_of
from clipmill.engine.runners.result_rows import Answered, BadResults, bad_result, checked, rows_of
from clipmill.engine.scan.failed_clips import whole_video
from clipmill.engine.scan.frame_buffer import FrameBuffer
from clipmill.engine.work import Work
from clipmill.errors import foreign
from clipmill.media.scan.clip_samples import clip_samples
from clipmill.media.scan.spool import ScanSegment
from clipmill.media.types import ScanArrays, ScanFacts
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.records import FrameSpan
from clipmill.stages.base import Failed, FrameSamples, Item, VideoPart, VideoWorker


class VideoStages:
    """The workers of the stages that see whole videos, opened anew for each video.

    What a stage raises is its own failure for this video; the others go on.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._nodes = [node for node in plan.rowed if node.stage.grain == "video"]
        self._shared = Shared()
        self._workers: dict[str, VideoWorker] = {}
        self._contexts: dict[str, WorkerContext] = {}
        self._failed: dict[str, Failed] = {}
        self._buffer = FrameBuffer()
        self._num_shown = 0

    def begin(self, work: Work) -> None:
        """Opens the workers that a video lacks."""
        self._workers, self._failed = {}, {}
        self._buffer, self._num_shown = FrameBuffer(), 0
        for node in self._nodes:
            if node.key in work.video_lacks or work.lacks_split:
                context = WorkerContext(node, self._shared, output_uri=self._plan.output_uri)
                context.expect([whole_video(work)])
                self._contexts[node.key] = context
                self._guarded(node, lambda node=node, context=context: self._open(node, context, work))

    def _open(self, node: Node, context: WorkerContext, work: Work) -> None:
        worker: VideoWorker = node.stage.without_verdicts().open(context)  # pyright: ignore[reportAssignmentType] by its grain
        worker.begin(work.video_id, work.facts)
        self._workers[node.key] = worker

    def feed(self, piece: ScanSegment) -> None:
        """Shows every worker the frames of which all is known; samples of the last ones come later."""
        if self._workers:
            self._buffer.append(piece.arrays)
            self._show(self._buffer.num_complete)

    def _show(self, end_frame: int) -> None:
        """Shows every worker the frames up to ``end_frame``."""
        if end_frame <= self._num_shown:
            return
        span = FrameSpan(self._num_shown, end_frame)
        arrays = self._buffer.part(span.start_frame, span.end_frame)
        for node in self._nodes:
            if worker := self._workers.get(node.key):
                part = _part(node, arrays, span)
                self._guarded(node, lambda worker=worker, part=part: worker.feed(part))
        self._buffer.drop_before(end_frame)
        self._num_shown = end_frame

    def finish(self, chunk: Chunk, facts: ScanFacts) -> Chunk:
        """Returns the last chunk of a video with the rows of its stages."""
        self._show(self._buffer.num_frames)
        for node in self._nodes:
            if node.key in self._workers or node.key in self._failed:
                chunk = self._with_row(chunk, node, facts)
        return chunk

    def _with_row(self, chunk: Chunk, node: Node, facts: ScanFacts) -> Chunk:
        rows = self._rows(node, whole_video(chunk.work), facts)
        files = {**chunk.files, **self._contexts[node.key].take_files()}
        return replace(chunk, files=files).with_rows(node.key, rows, self._plan.nodes)

    def _rows(self, node: Node, item: Item, facts: ScanFacts) -> pa.Table:
        """The row of a stage: what it answers, or why it failed."""
        if worker := self._workers.get(node.key):
            try:
                found = worker.finish(facts.num_frames, facts.duration_s)
                answer = {name: [value] for name, value in found.items()}
                return rows_of(node, checked(node, [item], answer), {})
            except BadResults as error:
                self._failed[node.key] = bad_result(node, error)
            except foreign() as error:
                self._failed[node.key] = failure_of(node.key, error)
        nothing = Answered((), checked(node, [], {}).columns, {})
        return rows_of(node, nothing, {item.id: (item, self._failed[node.key])})

    def _guarded(self, node: Node, work: Callable[[], object]) -> None:
        try:
            work()
        except foreign() as error:
            self._failed.setdefault(node.key, failure_of(node.key, error))
            self._workers.pop(node.key, None)


def _part(node: Node, arrays: ScanArrays, span: FrameSpan) -> VideoPart:
    samples = [clip_samples(arrays, read, span) for read in node.reads.all_frames()]
    return VideoPart(
        times_s=arrays.times_s[: span.num_frames],
        frames=tuple(FrameSamples(one.values[0], one.frames, one.times_s) for one in samples),
        thumbnails=arrays.thumbnails if node.reads.thumbnails else None,
    )
