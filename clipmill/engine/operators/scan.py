"""The scan: one pass over a video, its split, and the stages that need neither weights nor a GPU."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace

from clipmill.engine.attempts.notes import WorkerNotes
from clipmill.engine.chunk import Chunk, Mark, WholeVideo
from clipmill.engine.groups import Group, behind
from clipmill.engine.metrics import Stopwatch
from clipmill.engine.operators.encode import with_cuts
from clipmill.engine.runners.context import Shared, WorkerContext
from clipmill.engine.runners.stage_group import StageGroup
from clipmill.engine.scan.chunker import START, Chunker, ChunkOffset
from clipmill.engine.scan.failed_clips import with_failures
from clipmill.engine.scan.scan_driver import WHOLE, Done, Passes
from clipmill.engine.scan.single_pass import IN_THE_PASS
from clipmill.engine.scan.span_pass import AGAIN, PARTIAL, is_inside, wanted_spans
from clipmill.engine.scan.splitter import Splitting
from clipmill.engine.scan.video_chunker import VideoChunker
from clipmill.engine.scan.video_stages import VideoStages
from clipmill.engine.work import Work
from clipmill.errors import StoreError, foreign
from clipmill.media.cut.single_pass import SamePassClips
from clipmill.media.decode.backends import is_cpu
from clipmill.media.scan.span_scan import SourceSpan
from clipmill.media.scan.spool import ScanSegment
from clipmill.media.types import ScanArrays, ScanFacts, ScanPlan
from clipmill.outcomes.failures import failure_of, is_of_item
from clipmill.planning.nodes import DecodeReads, Node, decode_reads
from clipmill.planning.plan import Plan
from clipmill.scratch import ScratchFolder
from clipmill.stages.base import Failed
from clipmill.stages.process_stage import ProcessStage
from clipmill.stages.roles import ExtractorStage
from clipmill.state.split_outcome import SplitOutcome

logger = logging.getLogger(__name__)

SCAN = "scan"
NOTHING_DECODED = "nothing decoded"
"""Of a video whose clips lack only what is made of other columns, or files."""
PIECE_FRAMES = 1500
"""About a minute: little beside what a worker holds anyway, and much beside what a chunk costs."""


class ScanOperator:
    """Takes chunks without clips, one for each video; gives at least one for each, rejected videos too.

    ``width`` is how many codec processes may work on one long video. With a ``notes_uri`` each worker notes
    the videos that it takes.
    """

    def __init__(self, plan: Plan, groups: Sequence[Group], width: int = 1, notes_uri: str = "") -> None:
        assert isinstance(plan.extractor.stage, ExtractorStage)
        self._plan = plan
        self._extractor = plan.extractor.stage
        self._passes = Passes(plan, width=width)
        self._later = behind(groups, 0)
        self._stages = StageGroup(groups[0].nodes, plan)
        self._video_stages = VideoStages(plan)
        nodes = groups[0].nodes
        self._shows_source = any(isinstance(n.stage, ProcessStage) and n.stage.sees_source for n in nodes)
        self._notes = WorkerNotes(notes_uri)
        self._context = WorkerContext(plan.extractor, Shared(), output_uri=plan.output_uri)

    def __call__(self, chunks: Sequence[Chunk]) -> Iterator[Chunk]:
        """Scans each video. Its failures are values."""
        for chunk in chunks:
            self._notes.take(chunk.work.video_id)
            watch, self._passes.detail = Stopwatch(SCAN, self._passes), ""
            for found in self._one(chunk):
                if found.mark:
                    yield found
                    continue
                lap = watch.lap(found.work.video_id, found.index, detail=self._passes.detail)
                for done in self._stages([found.measured(lap)]):
                    done = replace(done, whole=None)
                    yield done if self._plan.output is None else done.without_samples(self._later)
                watch = Stopwatch(SCAN, self._passes)  # the stages have laps of their own

    def _one(self, chunk: Chunk) -> Iterator[Chunk]:
        work = chunk.work
        reads = self._reads(work)
        if work.clips is not None and reads.is_empty:
            self._passes.detail = NOTHING_DECODED
            yield Chunker(work, self._plan, chunk.known).without_samples(work.clips)
            return
        splitting = (
            Splitting(work.video_id, self._plan.extractor, self._context) if work.lacks_split else None
        )
        video = VideoChunker(
            work, self._plan, chunk.known, splitting=splitting, first=self._passes.first_frames
        )
        try:
            yield from self._partial(chunk, reads) or self._scanned(work, reads, video)
        except foreign() as error:  # it costs this video
            if not is_of_item(error):
                raise
            failed = failure_of(error, uri=work.source.uri, limits=self._plan.limits)
            logger.warning("%s", failed.message.splitlines()[0])
            yield self._failed(chunk, failed, video)

    def _scanned(self, work: Work, reads: DecodeReads, video: VideoChunker) -> Iterator[Chunk]:
        with ScratchFolder("scan") as spool:
            for found in self._pieces(work, reads, spool.path):
                if isinstance(found, Mark):
                    yield Chunk(Work(work.source, work.video_id, work.facts), mark=found)
                elif isinstance(found, ScanSegment):
                    self._video_stages.feed(found)
                    yield from video.take(found)
                else:
                    yield from self._last_chunks(work, video, *found)

    def _partial(self, chunk: Chunk, reads: DecodeReads) -> list[Chunk]:
        """The chunks of a video of which only some spans are decoded; none where it takes a whole pass.

        A ``process(task)`` stage may look at all of the video.
        """
        work = chunk.work
        options = self._plan.source
        plan = ScanPlan(
            reads.thumbnails,
            reads.samples,
            options.decoder,
            deinterlace=options.deinterlace,
            quality=options.decoder_quality,
        )
        sees_all = any(isinstance(node.stage, ProcessStage) for node in self._lacking(work))
        spans = [] if sees_all else wanted_spans(work, plan)
        if not spans:
            return []
        with ScratchFolder("scan") as spool:
            try:
                parts = self._passes.spans(work, plan, spans, spool.path)
            except StoreError:
                raise  # a pass over the whole video would ask the same store
            except Exception as error:  # noqa: BLE001 - a demuxer may raise anything; the whole video may do
                logger.info("%s is decoded as a whole: %s", work.source.uri, error)
                return []
            self._passes.detail = PARTIAL
            return list(self._of_spans(chunk, spans, parts))

    def _of_spans(
        self, chunk: Chunk, spans: Sequence[SourceSpan], parts: Sequence[ScanArrays]
    ) -> Iterator[Chunk]:
        first = self._passes.first_frames
        chunker, before = Chunker(chunk.work, self._plan, chunk.known, first=first), START
        for span, arrays in zip(spans, parts, strict=True):
            inside = [clip for clip in chunk.work.clips or () if is_inside(clip, span)]
            for made in chunker.chunks(inside, arrays, before=before):
                before = ChunkOffset(made.num_chunks, made.num_clips)
                yield replace(made, share=1 / len(spans) / (made.num_chunks - made.index))

    def _reads(self, work: Work) -> DecodeReads:
        detects = work.lacks_split and self._extractor.reads().thumbnails
        return decode_reads(self._lacking(work), thumbnails=detects)

    def _lacking(self, work: Work) -> list[Node]:
        """The nodes that the video or any of its clips lacks."""
        keys = work.keys | work.video_lacks
        return [node for node in self._plan.sampled if work.lacks_split or node.key in keys]

    def _pieces(self, work: Work, reads: DecodeReads, spool_dir: str) -> Iterator[ScanSegment | Mark | Done]:
        """The pieces of a pass and marks, then what it counted."""
        plan = ScanPlan(
            thumbnails=reads.thumbnails,
            samples=reads.samples,
            decoder=self._plan.source.decoder,
            piece_frames=self._piece_frames(work),
            sound_levels=work.lacks_split and self._extractor.clip_rules().snap_to_silence,
            sound_track=self._plan.encode_options and self._plan.encode_options.pauses_track,
            deinterlace=self._plan.source.deinterlace,
            quality=self._plan.source.decoder_quality,
        )
        self._video_stages.begin(work)
        yield (yield from self._passes.pieces(work, plan, spool_dir))

    def _piece_frames(self, work: Work) -> int:
        """How many frames of a video are looked at at a time.

        All of them where something needs the video as a whole: clips encoded in the pass, a ``process(task)``
        stage, or a caller that is given tasks that say of how many chunks they are one; and where NVDEC may
        give up in the middle, because FFmpeg's decoder need not count the same frames before.
        """
        has_tasks = any(isinstance(node.stage, ProcessStage) for node in self._plan.nodes)
        needs_whole = self._passes.cuts(work) or has_tasks or self._plan.output is None
        return WHOLE if needs_whole or not is_cpu(self._plan.source.decoder) else PIECE_FRAMES

    def _last_chunks(
        self, work: Work, video: VideoChunker, facts: ScanFacts, cut: SamePassClips
    ) -> Iterator[Chunk]:
        second = "" if work.lacks_split else AGAIN
        self._passes.detail = IN_THE_PASS if cut.clips else cut.gave_up or second
        for chunk in video.finish(facts):
            if chunk.split and chunk.split.failed:
                chunk = replace(chunk, error=chunk.split.failed.message)
            if self._shows_source and video.is_whole:
                chunk = replace(chunk, whole=WholeVideo(video.buffer.part(0, facts.num_frames).thumbnails))
            chunk = self._with_files(chunk, cut)
            if chunk.split or chunk.index == chunk.num_chunks - 1:
                chunk = self._video_stages.finish(chunk, facts)
            yield chunk

    def _with_files(self, chunk: Chunk, cut: SamePassClips) -> Chunk:
        """Stores those of the clips that were encoded in the pass."""
        encoder = self._plan.encoder
        made = {one.clip_id: one for one in cut.clips}
        clips = [clip for clip in chunk.clips if clip.clip_id in made]
        if encoder is None or not clips:
            return chunk
        return with_cuts(chunk, encoder, clips, [made[clip.clip_id] for clip in clips], self._plan)

    def _failed(self, chunk: Chunk, failed: Failed, video: VideoChunker) -> Chunk:
        """The last chunk of a video that failed: of one that was split before, its clips lack their rows."""
        work = chunk.work
        last = Chunker(work, self._plan, chunk.known).empty(error=failed.message, before=video.given)
        last = replace(last, share=video.share_left)
        if work.lacks_split:
            return replace(last, split=SplitOutcome(failed=failed))
        clips = video.left
        last = replace(last, clips=clips, num_clips=last.num_clips + len(clips)).judged(self._plan.nodes)
        return with_failures(last, self._lacking(work), self._plan, failed)
