"""Dissolves and fades: runs of frames that look like mixtures of the picture before and the picture after.

In a dissolve every frame lies on the straight line between its two ends; what moves through a picture leaves
that line. And a mixture is flatter than what it mixes, while a picture that moves on is not. A fade is a
dissolve from or to a blank picture.
"""

from dataclasses import dataclass

import numpy as np

from clipmill.shots.changes import LUMA_CHROMA, MIN_CONTRAST, inner_products
from clipmill.shots.detector_frames import reach_s

SPANS = (8, 12, 18, 28, 42, 60)
"""Lengths looked for, in frames; in between, the nearest fits well enough to be refined."""

STEPS_PER_SPAN = 12
GRID_FRAMES = 2048
"""Steps count anew from each multiple of this."""

INNER_POINTS = (0.25, 0.5, 0.75)

MIN_DISTANCE = 4.0
"""Grey levels, root mean square, between the ends; below, one black frame is compared with another."""

# A logistic model, fitted to stretches of drawn films of every kind that are a dissolve or half a fade, and
# to such as are not. Of the logarithms of the change of structure between the ends, of the contrast within
# over that of a mixture (where it is more), of the largest of the four steps between the points over the
# distance of the ends, and of that distance in grey levels; and of its part that is a change of brightness.
WEIGHTS = np.array([3.2, -10.5, -7.9, 1.4, 3.6], dtype=np.float32)
OFFSET = np.float32(-12.7)
_STRUCTURE_FLOOR = np.float32(0.05)


@dataclass(frozen=True, order=True)
class Candidate:
    """A transition of roughly this span; ``score`` is 0..1."""

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
        self._small, self._times_s = NO_CELLS, np.empty(0)
        self.num_scanned = 0

    def feed(self, small: np.ndarray, times_s: np.ndarray) -> list[Candidate]:
        """Candidates that the next frames show, ascending by start.

        ``small`` is what ``shrink`` gives of n frames, ``times_s`` ``(n,)`` in seconds.
        """
        self._small = np.concatenate([self._small, small])
        self._times_s = np.concatenate([self._times_s, times_s])
        num_new = max(0, len(self._small) - max(SPANS))
        found = self._candidates(dict.fromkeys(SPANS, num_new))
        self._small, self._times_s = self._small[num_new:], self._times_s[num_new:]
        self.num_scanned += num_new
        return found

    def finish(self) -> list[Candidate]:
        """Candidates among the last frames, of which the shorter lengths are still to be looked for."""
        found = self._candidates({span: max(0, len(self._small) - span) for span in SPANS})
        self.num_scanned += len(self._small)
        return found

    def _candidates(self, num_starts: dict[int, int]) -> list[Candidate]:
        """Those that start at the first so many frames held, for each length."""
        points = np.concatenate([self._points(span, number) for span, number in num_starts.items()], axis=1)
        if not points.size:
            return []
        scores = mixture_scores(self._small, points)
        likely = np.flatnonzero(scores > self._threshold)
        ends = points[:, likely] + self.num_scanned
        spans = zip(scores[likely].tolist(), (ends[0] + 1).tolist(), ends[-1].tolist(), strict=True)
        found = [Candidate(*span) for span in spans]
        return sorted(found, key=lambda candidate: (candidate.start_frame, candidate.end_frame))

    def _points(self, span: int, num_starts: int) -> np.ndarray:
        """``(5, n)``: start, inner points and end of each stretch, as indices into the frames held.

        No stretch is longer than the longest of ``SPANS`` at the slowest rate.
        """
        numbers = np.arange(self.num_scanned, self.num_scanned + num_starts)
        first = np.flatnonzero(numbers % GRID_FRAMES % max(1, span // STEPS_PER_SPAN) == 0)
        offsets = [0, *(round(point * span) for point in INNER_POINTS), span]
        lengths_s = self._times_s[first + span] - self._times_s[first]
        return first[lengths_s <= reach_s(max(SPANS))] + np.array(offsets)[:, None]


def shrink(thumbnails: np.ndarray) -> np.ndarray:
    """Means over 3 x 3 pixels, so that small movements weigh less: float32 ``(N, 432)``.

    Luma, less that of a medium grey, and both colour differences of 9 x 16 cells, cell by cell: around 0, so
    that little is lost where large numbers nearly cancel out.
    """
    rows = thumbnails.reshape(len(thumbnails), 9, 3, 48 * 3)
    sums = rows[:, :, 0].astype(np.float32)
    sums += rows[:, :, 1]
    sums += rows[:, :, 2]
    small = (sums @ _CELLS).reshape(len(thumbnails), 9 * 16 * 3)
    small[:, ::3] -= 128
    return small


_CELLS = np.kron(np.eye(16), np.tile(LUMA_CHROMA.T / 9, (3, 1))).astype(np.float32)
"""``(144, 48)``: from the sums of three rows of RGB to 16 cells."""

NO_CELLS = np.empty((0, 9 * 16 * 3), np.float32)


def mixture_scores(small: np.ndarray, points: np.ndarray) -> np.ndarray:
    """How likely each of n stretches is a dissolve or half a fade, ``(n,)`` in [0, 1].

    ``small`` is what ``shrink`` gives, ``points`` ``(5, n)`` the start, inner points and end of each stretch
    in it. Rounded to 6 digits, so that another order of summation moves nothing across a threshold.
    """
    start, end = points[0], points[-1]
    apart = _distances(small)
    distance = np.maximum(apart[start, end], MIN_DISTANCE)
    largest = np.maximum.reduce(apart[points[:-1], points[1:]], axis=0)
    means, spread = _luma_moments(small)
    features = [
        np.log(_structure_change(spread, start, end) + _STRUCTURE_FLOOR),
        np.log(np.maximum(_contrast(spread, points), 1)),
        np.log(np.maximum(largest / distance, 1 / len(points))),  # four steps cannot all be shorter
        np.log(distance),
        np.abs(means[start] - means[end]) / distance,
    ]
    logit = np.clip(OFFSET + WEIGHTS @ np.stack(features).astype(np.float32), -50, 50)
    scores = np.round(1 / (1 + np.exp(-logit)), 6)
    return np.where(apart[start, end] > MIN_DISTANCE, scores, 0)


def _distances(small: np.ndarray) -> np.ndarray:
    """Root mean square difference of each picture and later ones in levels, ``(N, N)`` above the diagonal."""
    products = inner_products(small, reach=max(SPANS))
    lengths = products.diagonal()
    squares = lengths[:, None] + lengths - 2 * products
    return np.sqrt(np.maximum(squares, 0) / np.float32(small.shape[1]))


def _luma_moments(small: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean luma of each picture, ``(N,)``, and its covariances with later ones, ``(N, N)`` likewise."""
    luma = small[:, ::3]
    num_cells = np.float32(luma.shape[1])
    means = np.add.reduce(luma, axis=1) / num_cells
    luma = luma - means[:, None]
    return means, inner_products(luma, reach=max(SPANS)) / num_cells


def _structure_change(spread: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """``clipmill.shots.changes.structure_change`` of the ends, from covariances."""
    variance = spread.diagonal()
    contrast = np.maximum(np.sqrt(variance), np.float32(MIN_CONTRAST))
    lengths = variance / np.square(contrast)
    change = (lengths[start] + lengths[end]) / 2 - spread[start, end] / (contrast[start] * contrast[end])
    return np.maximum(change, 0)


def _contrast(spread: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Contrast at the inner points over the contrast that mixtures of the ends would have there."""
    variance = spread.diagonal()
    start, inner, end = points[0], points[1:-1], points[-1]
    share = (inner - start) / (end - start).astype(np.float32)
    mixed = (1 - share) ** 2 * variance[start] + share**2 * variance[end]
    mixed += 2 * share * (1 - share) * spread[start, end]
    inside = np.add.reduce(variance[inner], axis=0)
    return np.sqrt(inside / np.maximum(np.add.reduce(mixed, axis=0), 1))
