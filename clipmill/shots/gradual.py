"""Dissolves and fades: runs of frames that look like mixtures of the picture before and the picture after.

In a dissolve every frame lies on the straight line between its two ends; what moves through a picture leaves
that line. A fade is a dissolve from or to a blank picture.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from clipmill.shots.changes import split_luma_chroma, structure_change, structure_of

SPANS = (8, 12, 18, 28, 42, 60)
"""Lengths looked for, in frames; in between, the nearest fits well enough to be refined."""

STEPS_PER_SPAN = 12
GRID_FRAMES = 2048
"""Steps count anew from each multiple of this."""

INNER_POINTS = (0.25, 0.5, 0.75)
MAX_BEND = 0.4
"""Distance from the line, over the distance of the ends, at which nothing is left of a dissolve; two
unrelated pictures with a third between them have about 0.9, a picture that shifts by a quarter of its details
0.2."""

MIN_STRUCTURE_CHANGE = 0.36
"""Less differs a picture from itself after a change of light, a slow pan or a zoom."""

MIN_DISTANCE = 4.0
"""Grey levels, root mean square, between the ends; below, one black frame is compared with another."""


@dataclass(frozen=True, order=True)
class Candidate:
    """A transition of roughly this span; ``score`` is 0..2."""

    score: float
    start_frame: int
    end_frame: int

    @property
    def num_frames(self) -> int:
        """Frames of the span."""
        return self.end_frame - self.start_frame

    @property
    def middle_half(self) -> tuple[int, int]:
        """The frames that a neighbouring transition cannot share, first and behind the last."""
        margin = self.num_frames // 4
        return self.start_frame + margin, self.end_frame - margin


class Mixtures:
    """Looks for mixtures as frames come. ``num_scanned``: later candidates start behind this frame."""

    def __init__(self, *, threshold: float) -> None:
        self._threshold = threshold
        self._small = shrink(np.empty((0, 27, 48, 3), np.uint8))
        self._pictures = structure_of(self._small[:, 0])
        self.num_scanned = 0

    def feed(self, thumbnails: np.ndarray) -> list[Candidate]:
        """Candidates that the next frames show, ascending by start; uint8 ``(n, 27, 48, 3)``."""
        small = shrink(thumbnails)
        self._small = np.concatenate([self._small, small])
        self._pictures = np.concatenate([self._pictures, structure_of(small[:, 0])])
        num_new = max(0, len(self._small) - max(SPANS))
        found = self._candidates(dict.fromkeys(SPANS, num_new))
        self._small, self._pictures = self._small[num_new:], self._pictures[num_new:]
        self.num_scanned += num_new
        return found

    def finish(self) -> list[Candidate]:
        """Candidates among the last frames, of which the shorter lengths are still to be looked for."""
        found = self._candidates({span: max(0, len(self._small) - span) for span in SPANS})
        self.num_scanned += len(self._small)
        return found

    def _candidates(self, num_starts: dict[int, int]) -> list[Candidate]:
        found = [one for span, number in num_starts.items() for one in self._of_length(span, number)]
        return sorted(found, key=lambda candidate: (candidate.start_frame, candidate.end_frame))

    def _of_length(self, span: int, num_starts: int) -> Iterator[Candidate]:
        numbers = np.arange(self.num_scanned, self.num_scanned + num_starts)
        first = np.flatnonzero(numbers % GRID_FRAMES % max(1, span // STEPS_PER_SPAN) == 0)
        scores = mixture_scores(self._small, self._pictures, first, span)
        for index in np.flatnonzero(scores > self._threshold).tolist():
            at = self.num_scanned + int(first[index])
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
