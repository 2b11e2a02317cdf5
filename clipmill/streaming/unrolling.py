"""One video on its way from pieces of arrays to chunks of clips: what is certain goes out at once."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from clipmill.media.contracts import ScanFacts
from clipmill.media.decoders import is_cpu
from clipmill.media.spool import Piece, let_go
from clipmill.models.shot_network import ShotNetwork
from clipmill.plan import RunPlan
from clipmill.records import ClipSpan, WorkItem
from clipmill.streaming.chunks import Given, chunks_of
from clipmill.streaming.parcel import Parcel, SplitOutcome
from clipmill.streaming.passes import WHOLE
from clipmill.streaming.reel import Reel
from clipmill.streaming.splitting import Splitting

PIECE_FRAMES = 1500
"""About a minute: little beside what a worker holds anyway, and much beside what a chunk costs."""


def piece_frames(plan: RunPlan, item: WorkItem, *, cuts: bool) -> int:
    """How many frames of a video are looked at at a time.

    All of them where something needs the video as a whole: clips cut in the pass, frames of the whole video,
    a stage of the user's own, or a caller who is given tasks that say of how many chunks they are one; and
    where NVDEC may give up in the middle, for FFmpeg's decoder need not count the same frames before.
    """
    needs_whole = cuts or plan.customs or plan.writer is None or "video_frames" in item.missing
    return WHOLE if needs_whole or not is_cpu(plan.reader.decoder) else PIECE_FRAMES


class Unrolling:
    """Takes the pieces of one video in order, gives its parcels.

    Clips of a piece are given when the next one comes: a video of one piece is given at once.
    """

    def __init__(self, item: WorkItem, plan: RunPlan, *, network: ShotNetwork | None) -> None:
        self._item, self._plan = item, plan
        self._splitting = None
        if item.clips is None:
            self._splitting = Splitting(item.video_id, plan.extractor, network=network)
        self._waiting: list[ClipSpan] = list(item.clips or ())
        self._next: Piece | None = None
        self._share = 0.0
        self._has_dropped = False
        self.reel = Reel()
        self.given = Given()

    @property
    def is_whole(self) -> bool:
        """Whether all of the video is still on the reel."""
        return not self._has_dropped

    @property
    def share_left(self) -> float:
        """Share of the video's work that no parcel has ended."""
        return 1.0 - self._share

    def take(self, piece: Piece) -> Iterator[Parcel]:
        """The chunks of clips that are certain without the piece."""
        before, self._next = self._next, piece
        if before is None:
            return
        self._look_at(before)
        ready = [span for span in self._waiting if span.frames.end_frame <= self.reel.num_complete]
        self._waiting = self._waiting[len(ready) :]
        if ready:
            item = replace(self._item, repaired_times=before.repaired_times)
            yield from self._chunks(item, ready, reached=self._reached())
        self.reel.drop_before(self._needed_from())
        self._has_dropped = True

    def finish(self, facts: ScanFacts) -> Iterator[Parcel]:
        """The chunks of the other clips; the last one carries the split, where it was missing."""
        if self._next is not None:
            self._look_at(self._next)
        outcome = self._splitting.finish(facts, self.reel) if self._splitting else None
        if outcome is not None and self._splitting is not None:
            self._waiting += outcome.clips[self._splitting.num_told :]
        item = replace(self._item, repaired_times=facts.repaired_times)
        for parcel in self._chunks(item, self._waiting, reached=1.0):
            video = parcel.task.data
            is_last = video.clip_chunk_index == video.num_clip_chunks - 1
            yield replace(parcel, outcome=self._said(outcome)) if is_last else parcel

    def _look_at(self, piece: Piece) -> None:
        self.reel.append(piece.arrays)
        if self._splitting:
            self._waiting += self._splitting.take(piece.arrays, self.reel)
        let_go(piece.arrays)

    def _said(self, outcome: SplitOutcome | None) -> SplitOutcome | None:
        if outcome is None or not outcome.reason:
            return outcome
        return replace(outcome, message=f"{self._item.source.uri}: {outcome.message}")

    def _chunks(self, item: WorkItem, spans: Sequence[ClipSpan], *, reached: float) -> Iterator[Parcel]:
        start = min((span.frames.start_frame for span in spans), default=0)
        end = max((span.frames.end_frame for span in spans), default=0)
        arrays = self.reel.part(start, end)
        share, self._share = max(0.0, reached - self._share), max(reached, self._share)
        before = self.given
        for task in chunks_of(item, spans, arrays, self._plan, before=before):
            num_chunks = task.data.num_clip_chunks
            self.given = Given(num_chunks, task.data.num_total_clips)
            yield Parcel(item, task, share=share / (num_chunks - before.num_chunks))
            let_go(arrays)

    def _reached(self) -> float:
        """Share of the video that was looked at, as its headers have it."""
        return min(1.0, self.reel.num_frames / max(1, self._item.facts.num_frames))

    def _needed_from(self) -> int:
        starts = [span.frames.start_frame for span in self._waiting]
        if self._splitting:
            starts.append(self._splitting.needed_from)
        return min(starts, default=self.reel.num_frames)
