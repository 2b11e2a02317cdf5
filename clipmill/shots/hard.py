"""Hard cuts: steps between frames that are far larger than the steps around them, and that nothing undoes."""

import numpy as np

from clipmill.shots.changes import MAX_LAG, Changes, compare, looks_of

NEIGHBOURS = 6
"""Frame steps on each side that say how much change is usual here."""

NEIGHBOUR_WEIGHTS = (1 / (1 + 0.3 * np.arange(NEIGHBOURS))).astype(np.float32)
"""Nearer steps count for more: a cut may lead from a still shot into a camera that starts to race."""

STRUCTURE_FLOOR, COLOUR_FLOOR = 0.1, 0.03
"""Changes below these are noise and compression; they keep the ratios of still shots finite."""

# Exponents of a logistic model: of the change across the cut, and of the largest and second largest usual
# change. Fitted to drawn films and to excerpts of real ones joined at random (dark, grainy, shaken, fast, on
# twos, with flashes and whip pans), by structure and by colour. The exponents of a measure do not add up to
# 0: a change must stand out, and it must also be large.
STRUCTURE_EXPONENTS = (6.9, -3.0, -3.4)
COLOUR_EXPONENTS = (4.7, -1.6, -0.7)
OFFSET = -0.6


class HardCuts:
    """Finds the hard cuts of a stream of frames, block by block.

    ``num_final``: no cut below this frame is still to come.
    """

    def __init__(self, *, threshold: float, min_shot_frames: int) -> None:
        self._threshold, self._min_shot_frames = threshold, min_shot_frames
        self._looks = looks_of(np.empty((0, 27, 48, 3), np.uint8))
        self._changes = compare(self._looks)
        self._changes_start = 0
        self._probabilities = np.empty(0, np.float32)
        self.num_final = 0

    def feed(self, thumbnails: np.ndarray) -> list[int]:
        """The cuts that the next frames, uint8 ``(n, 27, 48, 3)``, make final."""
        self._looks = self._looks.then(looks_of(thumbnails))
        num_rows = max(0, len(self._looks) - MAX_LAG)  # the others are not yet compared with all
        self._changes = self._changes.then(compare(self._looks)[:num_rows])
        self._looks = self._looks[num_rows:]
        self._rate(before=self._changes_start + len(self._changes) - (NEIGHBOURS - 1))
        return self._peaks()

    def finish(self) -> list[int]:
        """The cuts among the last frames."""
        self._changes = self._changes.then(compare(self._looks))
        self._looks = self._looks[:0]
        self._rate(before=self._changes_start + len(self._changes))
        cuts = self._peaks()
        last = _peaks_in(self._probabilities, self.num_final, self._threshold, self._min_shot_frames)
        self.num_final += len(self._probabilities)
        return cuts + last

    def _rate(self, *, before: int) -> None:
        """Probabilities of the frames below ``before``, of which the surroundings are known."""
        rated = self.num_final + len(self._probabilities)
        if before <= rated:
            return
        found = cut_probabilities(self._changes)[rated - self._changes_start : before - self._changes_start]
        self._probabilities = np.concatenate([self._probabilities, found])
        keep_from = max(0, before - NEIGHBOURS - 1)
        self._changes = self._changes[max(0, keep_from - self._changes_start) :]
        self._changes_start = max(self._changes_start, keep_from)

    def _peaks(self) -> list[int]:
        """Peaks that no later frame can replace; what follows the last of them stays."""
        cuts = _peaks_in(self._probabilities, self.num_final, self._threshold, self._min_shot_frames)
        rated = self.num_final + len(self._probabilities)
        open_cuts = [cut for cut in cuts[-1:] if rated - cut < self._min_shot_frames]
        num_final = open_cuts[0] if open_cuts else rated
        self._probabilities = self._probabilities[num_final - self.num_final :]
        self.num_final = num_final
        return cuts[: len(cuts) - len(open_cuts)]


def _peaks_in(probabilities: np.ndarray, start: int, threshold: float, min_shot_frames: int) -> list[int]:
    peaks = find_peaks(probabilities, threshold=threshold, min_shot_frames=min_shot_frames)
    return [start + peak for peak in peaks]


def cut_probabilities(changes: Changes) -> np.ndarray:
    """How likely each frame is the first of a new shot, float32 ``(N,)`` in [0, 1]; 0 for the first frame.

    Rounded to 6 digits, so that another order of summation moves nothing across a threshold.
    """
    logit = (
        OFFSET
        + _evidence(changes.structure, STRUCTURE_EXPONENTS, STRUCTURE_FLOOR)
        + _evidence(changes.colour, COLOUR_EXPONENTS, COLOUR_FLOOR)
    )
    probabilities = np.round(1 / (1 + np.exp(-np.clip(logit, -50, 50))), 6).astype(np.float32)
    probabilities[:1] = 0
    return probabilities


def find_peaks(probabilities: np.ndarray, *, threshold: float, min_shot_frames: int) -> list[int]:
    """Frames above ``threshold`` that are the largest among those fewer than ``min_shot_frames`` away,
    ascending."""
    cuts: list[int] = []
    for frame in np.flatnonzero(probabilities > threshold).tolist():
        if not cuts or frame - cuts[-1] >= min_shot_frames:
            cuts.append(frame)
        elif probabilities[frame] > probabilities[cuts[-1]]:
            cuts[-1] = frame
    return cuts


def _evidence(change: np.ndarray, exponents: tuple[float, float, float], floor: float) -> np.ndarray:
    values = np.stack([_across(change), *_usual(change[:, 0])])
    return np.array(exponents, np.float32) @ np.log(values + np.float32(floor))


def _across(change: np.ndarray) -> np.ndarray:
    """Smallest difference between a frame before t and one from t on, at most ``MAX_LAG`` apart, ``(N,)``.

    A flash is as different from what comes before as a cut is, but what comes after it is not.
    """
    earlier = np.full((MAX_LAG, MAX_LAG), np.inf, np.float32)
    framed = np.concatenate([earlier, change])
    pairs = np.arange(len(change))[:, None] * MAX_LAG + _PAIRS_ACROSS
    smallest = np.minimum.reduce(framed.take(pairs), axis=1)
    smallest[:1] = 0
    return smallest


_PAIRS_ACROSS = np.array(
    [
        (MAX_LAG - first_before) * MAX_LAG + lag - 1
        for lag in range(1, MAX_LAG + 1)
        for first_before in range(1, lag + 1)
    ]
)
"""Where in the changes, framed by ``MAX_LAG`` frames before them, the pairs across frame 0 lie."""


_SIDES = np.arange(NEIGHBOURS) + np.array([0, NEIGHBOURS + 1])[:, None, None]
_SIDE_WEIGHTS = np.stack([NEIGHBOUR_WEIGHTS[::-1], NEIGHBOUR_WEIGHTS])[:, None]


def _usual(steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Largest and second largest weighted change of a frame step near t; the larger side of t counts.

    ``steps[t]`` is the change from frame t to t + 1. The step into t itself is left out. The second largest
    keeps a neighbouring cut from hiding this one, and is not fooled by drawings that are held for two or
    three frames.
    """
    into = np.zeros(len(steps) + 2 * NEIGHBOURS + 1, np.float32)
    into[NEIGHBOURS + 1 : NEIGHBOURS + len(steps)] = steps[:-1]
    sides = into.take(_SIDES + np.arange(len(steps))[:, None]) * _SIDE_WEIGHTS
    sides.sort(axis=2)
    largest = np.maximum(sides[0], sides[1])
    return largest[:, -1], largest[:, -2]
