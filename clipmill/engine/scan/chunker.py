"""From clips and the arrays of a pass to chunks that carry the samples their stages read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from clipmill.engine.chunk import FRAME_BUDGET_BYTES, Chunk
from clipmill.engine.scan.first_frames import FirstFrames, Pictures
from clipmill.engine.work import Work
from clipmill.media.scan.clip_samples import ClipSamples, clip_frames_bytes, clip_samples, samples_inside
from clipmill.media.types import ScanArrays
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.records import ClipSpan
from clipmill.stages.process_stage import ProcessStage
from clipmill.stages.reads import Frames, Sample


@dataclass(frozen=True)
class ChunkOffset:
    """Chunks and clips of a video that went before."""

    num_chunks: int = 0
    num_clips: int = 0


START = ChunkOffset()
_FIRST_BYTES = 6
"""Of a first frame for each pixel of a square of its height: enough for pictures twice as wide as high."""


class Chunker:
    """Makes the chunks of one video. ``first`` decodes a clip's first frame where it has no sampled one."""

    def __init__(
        self, work: Work, plan: Plan, known: Mapping[str, pa.Table], *, first: FirstFrames | None = None
    ) -> None:
        self._work = work
        self._plan = plan
        self._known = known
        self._first = first

    def chunks(
        self, clips: Sequence[ClipSpan], arrays: ScanArrays, *, before: ChunkOffset = START
    ) -> Iterator[Chunk]:
        """Yields groups of clips whose frames fit the budget; no clips are one empty chunk.

        ``arrays`` cover the clips. The groups are known before the first frame is copied, so that every chunk
        says how many there are, those ``before`` counted.
        """
        whole = self._chunk(clips)
        readers = {clip.clip_id: self._readers(whole, clip) for clip in clips}
        sizes = [_frame_bytes(arrays, readers[clip.clip_id], clip) for clip in clips]
        groups = [list(clips)] if wants_whole_videos(self._plan) else _grouped(clips, sizes)
        for index, group in enumerate(groups):
            yield Chunk(
                work=self._work,
                clips=tuple(group),
                index=before.num_chunks + index,
                num_chunks=before.num_chunks + len(groups),
                num_clips=before.num_clips + len(clips),
                samples=_samples(arrays, readers, group, self._firsts(arrays, readers, group)),
                thumbnails=_thumbnails(arrays, readers, group),
                times_s=tuple(_times_s(arrays, clip) for clip in group),
                known=self._known,
            ).judged(self._plan.nodes)

    def _firsts(self, arrays: ScanArrays, readers: "Readers", clips: Sequence[ClipSpan]) -> Pictures:
        """First frames of the clips that a stage samples frames of and that have no instant of its grid."""
        if self._first is None:
            return {}
        lacking = [(clip, read) for clip in clips for read in _unsampled(arrays, readers[clip.clip_id], clip)]
        heights = dict.fromkeys(read.height_px for _, read in lacking)
        return self._first.of(self._work, [clip for clip, _ in lacking], list(heights), arrays)

    def without_samples(self, clips: Sequence[ClipSpan]) -> Chunk:
        """Returns all clips of a video in one chunk, without samples."""
        return self._chunk(clips)

    def empty(self, *, error: str = "", before: ChunkOffset = START) -> Chunk:
        """Returns the chunk of a video without clips, but for those ``before``; ``error`` says why."""
        number = before.num_chunks
        return Chunk(self._work, (), number, number + 1, before.num_clips, known=self._known, error=error)

    def _chunk(self, clips: Sequence[ClipSpan]) -> Chunk:
        chunk = Chunk(self._work, tuple(clips), num_clips=len(clips), known=self._known)
        return chunk.judged(self._plan.nodes)

    def _readers(self, chunk: Chunk, clip: ClipSpan) -> tuple[Node, ...]:
        """The stages that run for a clip by what is known before any of them ran."""
        return tuple(node for node in self._plan.sampled if chunk.wants(node, clip.clip_id))


def wants_whole_videos(plan: Plan) -> bool:
    """Returns True if a ``process(task)`` stage must see all clips of a video in one call."""
    stages = (node.stage for node in plan.nodes)
    return any(isinstance(stage, ProcessStage) and stage.wants_whole_video for stage in stages)


Readers = Mapping[str, tuple[Node, ...]]


def _frame_bytes(arrays: ScanArrays, readers: Sequence[Node], clip: ClipSpan) -> int:
    held = sum(
        clip_frames_bytes(arrays, read, clip.frames, max_bytes=read.max_bytes_per_clip)
        for read in _frame_reads(readers)
    )
    return held + sum(_FIRST_BYTES * read.height_px**2 for read in _unsampled(arrays, readers, clip))


def _frame_reads(readers: Sequence[Node]) -> Iterable[Frames]:
    return dict.fromkeys(read for node in readers for read in node.reads.all_frames())


def _unsampled(arrays: ScanArrays, readers: Sequence[Node], clip: ClipSpan) -> Iterator[Frames]:
    """Yields the reads of frames that have no instant inside a clip."""
    for read in _frame_reads(readers):
        inside = samples_inside(arrays.samples[read].frames, clip.frames, paired=False)
        if inside.start == inside.stop:
            yield read


def _grouped(clips: Sequence[ClipSpan], sizes: Sequence[int]) -> list[list[ClipSpan]]:
    groups: list[list[ClipSpan]] = [[]]
    held_bytes = 0
    for clip, size in zip(clips, sizes, strict=True):
        if groups[-1] and held_bytes + size > FRAME_BUDGET_BYTES:
            groups.append([])
            held_bytes = 0
        groups[-1].append(clip)
        held_bytes += size
    return groups


def _samples(
    arrays: ScanArrays, readers: Readers, clips: Sequence[ClipSpan], firsts: Pictures
) -> dict[Sample, tuple[ClipSamples | None, ...]]:
    reads = dict.fromkeys(
        read for clip in clips for node in readers[clip.clip_id] for read in node.reads.samples()
    )
    return {read: tuple(_sample(arrays, read, readers, clip, firsts) for clip in clips) for read in reads}


def _sample(
    arrays: ScanArrays, read: Sample, readers: Readers, clip: ClipSpan, firsts: Pictures
) -> ClipSamples | None:
    if not any(read in set(node.reads.samples()) for node in readers[clip.clip_id]):
        return None
    if not isinstance(read, Frames):
        return clip_samples(arrays, read, clip.frames)
    found = clip_samples(arrays, read, clip.frames, max_bytes=read.max_bytes_per_clip)
    start = clip.frames.start_frame
    first = firsts.get((start, read.height_px))
    if first is None or len(found.frames):
        return found
    return ClipSamples(np.array([start]), _times_s(arrays, clip)[:1], (first,))


def _thumbnails(
    arrays: ScanArrays, readers: Readers, clips: Sequence[ClipSpan]
) -> tuple[np.ndarray | None, ...]:
    wants = [any(node.reads.thumbnails for node in readers[clip.clip_id]) for clip in clips]
    if not any(wants):
        return ()
    first = [clip.frames.start_frame - arrays.first_frame for clip in clips]
    return tuple(
        arrays.thumbnails[start : start + clip.frames.num_frames] if wanted else None
        for start, clip, wanted in zip(first, clips, wants, strict=True)
    )


def _times_s(arrays: ScanArrays, clip: ClipSpan) -> np.ndarray:
    first = clip.frames.start_frame - arrays.first_frame
    return np.array(arrays.times_s[first : first + clip.frames.num_frames + 1])
