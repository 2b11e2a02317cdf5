"""Dissolves and fades: runs of frames that are mixtures of the picture before and the picture after.

In a dissolve every frame lies on the straight line between its two ends; what moves through a picture leaves
that line. A fade is a dissolve from or to a blank picture.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from clipmill.records import FrameSpan
from clipmill.shots.changes import check_thumbnails, chunks, split_luma_chroma, structure_change, structure_of

SPANS = (8, 12, 18, 28, 42, 60)
"""Lengths looked for, in frames; in between, the nearest fits well enough to be refined."""

CHUNK_FRAMES = 2048
STEPS_PER_SPAN = 12
INNER_POINTS = (0.25, 0.5, 0.75)
MAX_BEND = 0.4
"""Distance from the line, over the distance of the ends, at which nothing is left of a dissolve; two
unrelated pictures with a third between them have about 0.9, a picture that shifts by a quarter of its details
0.2."""

MIN_STRUCTURE_CHANGE = 0.36
"""Less differs a picture from itself after a change of light, a slow pan or a zoom."""

MIN_DISTANCE = 4.0
"""Grey levels, root mean square, between the ends; below, one black frame is compared with another."""

BLANK_CONTRAST = 3.0
MAX_SHARPNESS = 1.1
"""Contrast, over that of a mixture, from which on a span holds something that moves."""

MIN_FRAMES = 4
EDGE_RATE = 0.3
"""A transition ends where it advances at less than this share of its mean speed."""


@dataclass(frozen=True, order=True)
class Candidate:
    """A transition of roughly this span; ``score`` is 0..2."""

    score: float
    start_frame: int
    end_frame: int

    @property
    def middle_half(self) -> slice:
        """The frames that a neighbouring transition cannot share."""
        margin = (self.end_frame - self.start_frame) // 4
        return slice(self.start_frame + margin, self.end_frame - margin)


def find_gradual(thumbnails: np.ndarray, *, threshold: float, cuts: Sequence[int]) -> list[FrameSpan]:
    """Return the frames of each dissolve and fade, ascending and disjoint.

    ``thumbnails`` is uint8 ``(N, 27, 48, 3)`` RGB; a higher ``threshold`` (0..1) finds fewer. A range does
    not reach across a hard cut of ``cuts`` unless the cut is in its middle half, where only a mixture can
    look like one. A fade out and the fade in that follows a blank of at most 60 frames are one range.
    """
    check_thumbnails(thumbnails)
    taken = np.zeros(len(thumbnails), dtype=bool)
    spans: list[FrameSpan] = []
    for candidate in sorted(_candidates(thumbnails, threshold), reverse=True):
        if taken[candidate.middle_half].any():
            continue
        span = _refine(candidate, thumbnails, cuts)
        if span:
            spans.append(span)
            taken[span.start_frame : span.end_frame] = True
    return _joined(sorted(spans), thumbnails)


def _candidates(thumbnails: np.ndarray, threshold: float) -> Iterator[Candidate]:
    """Every place and length that looks like a mixture, chunk by chunk."""
    margin = max(SPANS)
    for start, end, frames in chunks(len(thumbnails), size=CHUNK_FRAMES, after=margin):
        small = shrink(thumbnails[frames])
        pictures = structure_of(small[:, 0])
        for span in SPANS:
            first = np.arange(0, min(end - start, len(small) - span), max(1, span // STEPS_PER_SPAN))
            scores = mixture_scores(small, pictures, first, span)
            for index in np.flatnonzero(scores > threshold).tolist():
                at = start + int(first[index])
                yield Candidate(round(float(scores[index]), 6), at + 1, at + span)


def shrink(thumbnails: np.ndarray) -> np.ndarray:
    """Means over 3 x 3 pixels, so that small movements weigh less: float32 ``(N, 3, 9, 16)`` luma and
    chroma."""
    rows = thumbnails.reshape(len(thumbnails), 9, 3, 48 * 3).sum(axis=2, dtype=np.uint16)
    cells = rows.reshape(len(thumbnails), 9, 16, 3, 3).sum(axis=3, dtype=np.uint16)
    return split_luma_chroma(cells / np.float32(9)).swapaxes(0, 1)


def mixture_scores(small: np.ndarray, pictures: np.ndarray, first: np.ndarray, span: int) -> np.ndarray:
    """How much each stretch from frame ``first`` to ``first + span`` looks like a dissolve, ``(n,)`` from 0.

    The change of structure between its ends, less the more the frames between bend off the line. ``small`` is
    what ``shrink`` gives, ``pictures`` the ``structure_of`` its luma; ``first`` are indices into both.
    """
    change = structure_change(pictures[first], pictures[first + span])
    scores = np.zeros(len(first))
    promising = np.flatnonzero(change > MIN_STRUCTURE_CHANGE)
    if len(promising):
        scores[promising] = change[promising] * _straightness(small, first[promising], span)
    return scores


def _straightness(small: np.ndarray, first: np.ndarray, span: int) -> np.ndarray:
    """1 where all frames of a span lie on the line between its ends, 0 where they are ``MAX_BEND`` or more
    off."""
    before = small[first]
    way = small[first + span] - before
    bend = np.zeros(len(first))
    for point in INNER_POINTS:
        step = round(point * span)
        bend = np.maximum(bend, _length(small[first + step] - before - way * np.float32(step / span)))
    distance = _length(way)
    straightness = 1 - bend / (np.maximum(distance, MIN_DISTANCE) * MAX_BEND)
    return np.where(distance > MIN_DISTANCE, np.maximum(straightness, 0), 0)


def _length(pictures: np.ndarray) -> np.ndarray:
    """Root mean square of each picture, in grey levels."""
    flat = pictures.reshape(len(pictures), -1)
    return np.sqrt(np.einsum("ij,ij->i", flat, flat) / flat.shape[1])


def _refine(candidate: Candidate, thumbnails: np.ndarray, cuts: Sequence[int]) -> FrameSpan | None:
    """Move both ends to where the mixture starts and stops to advance; None where nothing is left."""
    length = candidate.end_frame - candidate.start_frame
    low, high = _room(candidate, length, cuts, len(thumbnails))
    small = shrink(thumbnails[low:high]).reshape(high - low, -1)
    first, last = max(candidate.start_frame - 1, low) - low, min(candidate.end_frame, high - 1) - low
    if last - first < MIN_FRAMES or _sharpness(thumbnails[low + first : low + last + 1]) > MAX_SHARPNESS:
        return None
    line = small[last] - small[first]
    advance = np.diff(small @ line) / max(float(line @ line), 1e-6)
    moving = np.convolve(advance, np.full(3, 1 / 3), mode="same") * length > EDGE_RATE
    middle = (first + last) // 2
    still_before = np.flatnonzero(~moving[:middle])
    still_after = np.flatnonzero(~moving[middle:])
    start = int(still_before[-1]) + 2 if len(still_before) else 0
    end = middle + int(still_after[0]) if len(still_after) else high - low
    return FrameSpan(low + start, low + end) if end - start >= MIN_FRAMES else None


def _sharpness(thumbnails: np.ndarray) -> float:
    """Contrast within a span over the contrast that mixtures of its ends would have.

    A mixture of two pictures is flatter than either; a picture on its way from one side to the other is not.
    """
    ends = split_luma_chroma(thumbnails[[0, -1]])[0].reshape(2, -1)
    covariance = np.cov(ends)
    steps = [round(point * (len(thumbnails) - 1)) for point in INNER_POINTS]
    inside = split_luma_chroma(thumbnails[steps])[0].reshape(len(steps), -1).var(axis=1)
    shares = np.array(steps) / (len(thumbnails) - 1)
    mixture = [np.array([1 - share, share]) @ covariance @ np.array([1 - share, share]) for share in shares]
    return float(np.sqrt(inside.sum() / max(sum(mixture), 1.0)))


def _room(candidate: Candidate, length: int, cuts: Sequence[int], num_frames: int) -> tuple[int, int]:
    """Frames ``[low, high)`` in which the transition must lie: its surroundings up to the next hard cuts."""
    low, high = candidate.start_frame - 1 - 2 * length, candidate.end_frame + 1 + 2 * length
    for cut in cuts:
        if cut <= candidate.start_frame + length // 4:
            low = max(low, cut)
        elif cut >= candidate.end_frame - length // 4:
            high = min(high, cut)
    return max(0, low), min(num_frames, high)


def _joined(spans: list[FrameSpan], thumbnails: np.ndarray) -> list[FrameSpan]:
    """Spans that overlap, and those with nothing but blank pictures between them, made one."""
    joined = spans[:1]
    for _, span in pairwise(spans):
        last = joined[-1]
        gap = thumbnails[last.end_frame : span.start_frame]
        if len(gap) <= max(SPANS) and _is_blank(gap):
            end = max(last.end_frame, span.end_frame)
            joined[-1] = FrameSpan(min(last.start_frame, span.start_frame), end)
        else:
            joined.append(span)
    return joined


def _is_blank(thumbnails: np.ndarray) -> bool:
    if not len(thumbnails):
        return True
    return bool((split_luma_chroma(thumbnails)[0].std(axis=(1, 2)) < BLANK_CONTRAST).all())
