"""One video on its way from pieces of arrays to chunks of clips: what is certain goes out at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from clipmill.engine.chunk import Chunk
from clipmill.engine.scan.chunker import START, Chunker, ChunkOffset
from clipmill.engine.scan.first_frames import FirstFrames
from clipmill.engine.scan.frame_buffer import FrameBuffer
from clipmill.engine.scan.splitter import Splitting
from clipmill.engine.work import Work
from clipmill.media.scan.spool import ScanSegment, release_pages
from clipmill.media.types import ScanFacts
from clipmill.planning.plan import Plan
from clipmill.records import ClipSpan
from clipmill.state.split_outcome import SplitOutcome
from clipmill.state.split_rows import traits_of


class VideoChunker:
    """Takes the pieces of one video in order, gives its chunks.

    Clips of a piece are given when the next one comes: a video of one piece is given at once. ``splitting``
    is None for a video that was split in an earlier run.
    """

    def __init__(
        self,
        work: Work,
        plan: Plan,
        known: Mapping[str, pa.Table],
        *,
        splitting: Splitting | None,
        first: FirstFrames | None = None,
    ) -> None:
        self._work, self._plan, self._known, self._first = work, plan, known, first
        self._splitting = splitting
        self._waiting: list[ClipSpan] = list(work.clips or ())
        self._next: ScanSegment | None = None
        self._share = 0.0
        self._has_dropped = False
        self.buffer = FrameBuffer()
        self.given = START

    @property
    def is_whole(self) -> bool:
        """True while all of the video is still in the buffer."""
        return not self._has_dropped

    @property
    def share_left(self) -> float:
        """Share of the video's work that no chunk has ended."""
        return 1.0 - self._share

    @property
    def left(self) -> tuple[ClipSpan, ...]:
        """Clips that are known and that no chunk was given for."""
        return tuple(self._waiting)

    def take(self, piece: ScanSegment) -> Iterator[Chunk]:
        """Yields the chunks of clips that are certain without the piece."""
        before, self._next = self._next, piece
        if before is None:
            return
        self._look_at(before)
        ready = [clip for clip in self._waiting if clip.frames.end_frame <= self.buffer.num_complete]
        self._waiting = self._waiting[len(ready) :]
        if ready:
            work = _scanned(self._work, before)
            yield from self._chunks(work, ready, reached=self._reached())
        self.buffer.drop_before(self._needed_from())
        self._has_dropped = True

    def finish(self, facts: ScanFacts) -> Iterator[Chunk]:
        """Yields the chunks of the other clips; the last one carries the split, where it was missing."""
        if self._next is not None:
            self._look_at(self._next)
        outcome = self._splitting.finish(facts, self.buffer) if self._splitting else None
        if outcome is not None and self._splitting is not None:
            self._waiting += outcome.clips[self._splitting.num_told :]
        work = _scanned(self._work, facts)
        if self._splitting:
            work = replace(work, traits=traits_of(facts))
        for chunk in self._chunks(work, self._waiting, reached=1.0):
            is_last = chunk.index == chunk.num_chunks - 1
            yield replace(chunk, split=self._named(outcome)) if is_last else chunk

    def _look_at(self, piece: ScanSegment) -> None:
        self.buffer.append(piece.arrays)
        if self._splitting:
            self._waiting += self._splitting.take(piece.arrays, self.buffer)
        release_pages(piece.arrays)

    def _named(self, outcome: SplitOutcome | None) -> SplitOutcome | None:
        if outcome is None or outcome.failed is None:
            return outcome
        message = f"{self._work.source.uri}: {outcome.failed.message}"
        return replace(outcome, failed=replace(outcome.failed, message=message))

    def _chunks(self, work: Work, clips: Sequence[ClipSpan], *, reached: float) -> Iterator[Chunk]:
        start = min((clip.frames.start_frame for clip in clips), default=0)
        end = max((clip.frames.end_frame for clip in clips), default=0)
        arrays = self.buffer.part(start, end)
        share, self._share = max(0.0, reached - self._share), max(reached, self._share)
        before = self.given
        chunker = Chunker(work, self._plan, self._known, first=self._first)
        for chunk in chunker.chunks(clips, arrays, before=before):
            self.given = ChunkOffset(chunk.num_chunks, chunk.num_clips)
            yield replace(chunk, share=share / (chunk.num_chunks - before.num_chunks))
            release_pages(arrays)

    def _reached(self) -> float:
        """Share of the video that was looked at, as its headers have it."""
        return min(1.0, self.buffer.num_frames / max(1, self._work.facts.num_frames))

    def _needed_from(self) -> int:
        starts = [clip.frames.start_frame for clip in self._waiting]
        if self._splitting:
            starts.append(self._splitting.needed_from)
        return min(starts, default=self.buffer.num_frames)


def _scanned(work: Work, so_far: ScanSegment | ScanFacts) -> Work:
    """A video with what its pass said of its times and of the functions that measure its frames."""
    failed = {read.function: message for read, message in so_far.failed_measures.items()}
    return replace(work, repaired_times=so_far.repaired_times, failed_measures=failed)
