"""Which samples of a pass lie inside a clip, and how much memory they take. Pure."""

from dataclasses import dataclass

import numpy as np

from clipmill.media.types import ScanArrays
from clipmill.records import FrameSpan
from clipmill.stages.reads import Frames, Measure, Motion, Sample


@dataclass(frozen=True)
class ClipSamples:
    """What one read sees of a clip: T instants.

    ``frames`` is int64 ``(T,)``, numbers from the video's first frame; ``times_s`` float64 ``(T,)``, from its
    time. ``values`` are as in ``Samples``, and for Frames uint8 ``(T, h, w, 3)``; without a row where a
    Measure's function failed inside the clip, which ``has_failed`` says.
    """

    frames: np.ndarray
    times_s: np.ndarray
    values: tuple[np.ndarray, ...]
    has_failed: bool = False


def clip_samples(
    arrays: ScanArrays, read: Sample, span: FrameSpan, *, max_bytes: int | None = None
) -> ClipSamples:
    """Returns the samples of one read inside a clip that the arrays cover.

    Motion counts where both of the frames that it compares lie inside. A frame that is shown at several
    instants comes as often. Frames beyond ``max_bytes`` thin out evenly.
    """
    inside = samples_inside(arrays.samples[read].frames, span, paired=isinstance(read, Motion))
    if isinstance(read, Frames):
        return _clip_frames(arrays, read, inside, max_bytes)
    frames = arrays.samples[read].frames[inside]
    values = tuple(value[inside] for value in arrays.samples[read].values)
    has_failed = isinstance(read, Measure) and bool(np.isnan(values[0]).any())
    if has_failed:
        values = tuple(value[:0] for value in values)
    return ClipSamples(frames, _times_s(arrays, frames), values, has_failed)


def _clip_frames(arrays: ScanArrays, read: Frames, inside: slice, max_bytes: int | None) -> ClipSamples:
    frames = arrays.samples[read].frames[inside]
    if max_bytes is not None:
        frames = frames[:: step_within(len(frames) * frame_bytes(arrays, read), max_bytes)]
    pictures = arrays.pictures[read.height_px]
    rows = np.searchsorted(pictures.frames, frames)
    return ClipSamples(frames, _times_s(arrays, frames), (np.asarray(pictures.values[0][rows]),))


def clip_frames_bytes(arrays: ScanArrays, read: Frames, span: FrameSpan, *, max_bytes: int) -> int:
    """Returns the most bytes that ``clip_samples`` takes with ``max_bytes``."""
    inside = samples_inside(arrays.samples[read].frames, span, paired=False)
    return min(max_bytes, (inside.stop - inside.start) * frame_bytes(arrays, read))


def frame_bytes(arrays: ScanArrays, read: Frames) -> int:
    """Returns the bytes of one picture of a read."""
    return int(np.prod(arrays.pictures[read.height_px].values[0].shape[1:]))


def samples_inside(frames: np.ndarray, span: FrameSpan, *, paired: bool) -> slice:
    """Returns which samples lie in a clip; ``paired`` ones compare it with the frame before, also inside."""
    first_frame = span.start_frame + 1 if paired else span.start_frame
    first, last = np.searchsorted(frames, [first_frame, span.end_frame])
    return slice(int(first), int(last))


def step_within(num_bytes: int, max_bytes: int) -> int:
    """Returns the smallest n for which every n-th of even parts fits."""
    return max(1, -(-num_bytes // max_bytes))


def _times_s(arrays: ScanArrays, frames: np.ndarray) -> np.ndarray:
    return arrays.times_s[frames - arrays.first_frame]
