"""Hard cuts: steps between frames that are far larger than the steps around them, and that nothing undoes."""

import numpy as np

from clipmill.shots.changes import MAX_LAG, Changes, compare, looks_of
from clipmill.shots.detector_frames import reach_s
from clipmill.shots.jolts import is_jolt
from clipmill.shots.mixed_frames import CONTEXT
from clipmill.shots.strip import Strip

NEIGHBOURS = 6
"""Frame steps on each side that say how much change is usual here.

Those beyond ``reach_s`` do not count, but for the nearest ``FEWEST_NEIGHBOURS``.
"""

FEWEST_NEIGHBOURS = 2

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

SURE = 0.995
"""Probability from which on a cut needs no second look."""

SHAKEN = 0.004
"""Second largest usual change of structure from which on the camera moves."""


class HardCuts:
    """Finds the hard cuts of a stream of frames, block by block.

    ``num_final``: no cut below this frame is still to come.
    """

    def __init__(self, *, threshold: float, min_shot_frames: int) -> None:
        self._threshold, self._min_shot_frames = threshold, min_shot_frames
        self._looks = looks_of(np.empty((0, 27, 48, 3), np.uint8), np.empty(0))
        self._num_compared = 0  # of those held
        self._pictures = Strip(self._looks.structure)
        self._changes = compare(self._looks)
        self._changes_start = 0
        self._probabilities, self._times_s = np.empty(0, np.float32), np.empty(0)
        self.num_final = 0

    def feed(self, thumbnails: np.ndarray, times_s: np.ndarray) -> list[int]:
        """The cuts that the next frames, uint8 ``(n, 27, 48, 3)``, make final; ``times_s`` is ``(n,)``."""
        looks = looks_of(thumbnails, times_s)
        self._pictures.append(looks.structure)
        self._looks = self._looks.then(looks)
        end = max(self._num_compared, len(self._looks) - MAX_LAG - CONTEXT)  # others need frames to come
        self._changes = self._changes.then(compare(self._looks)[self._num_compared : end])
        first = max(0, end - CONTEXT)
        self._looks, self._num_compared = self._looks[first:], end - first
        self._rate(before=self._changes_start + len(self._changes) - (NEIGHBOURS - 1))
        return self._peaks()

    def finish(self) -> list[int]:
        """The cuts among the last frames."""
        self._changes = self._changes.then(compare(self._looks)[self._num_compared :])
        self._looks, self._num_compared = self._looks[:0], 0
        self._rate(before=self._changes_start + len(self._changes))
        cuts = self._peaks()
        last = self._peaks_so_far()
        self.num_final += len(self._probabilities)
        return cuts + last

    def _rate(self, *, before: int) -> None:
        """Probabilities of the frames below ``before``, of which the surroundings are known."""
        rated = self.num_final + len(self._probabilities)
        if before <= rated:
            return
        new = slice(rated - self._changes_start, before - self._changes_start)
        probabilities = cut_probabilities(self._changes)[new]
        for frame in self._in_doubt(probabilities, new):
            if is_jolt(*self._pictures.between(rated + frame - 1, rated + frame + 1)):
                probabilities[frame] = 0
        self._pictures.drop_before(before - 1)
        self._probabilities = np.concatenate([self._probabilities, probabilities])
        self._times_s = np.concatenate([self._times_s, self._changes.times_s[new]])
        keep_from = max(0, before - NEIGHBOURS - 1)
        self._changes = self._changes[max(0, keep_from - self._changes_start) :]
        self._changes_start = max(self._changes_start, keep_from)

    def _in_doubt(self, probabilities: np.ndarray, new: slice) -> list[int]:
        """Of the new frames those that are a cut, though not surely, while the camera moves."""
        doubtful = np.flatnonzero((probabilities > self._threshold) & (probabilities < SURE))
        if not len(doubtful):
            return []
        usual = _usual(self._changes.structure[:, 0], _near_steps(self._changes.times_s))[1][new]
        return [frame for frame in doubtful.tolist() if usual[frame] > SHAKEN]

    def _peaks(self) -> list[int]:
        """Peaks that no later frame can replace; what follows the last of them stays."""
        cuts = self._peaks_so_far()
        rated = self.num_final + len(self._probabilities)
        open_cuts = [cut for cut in cuts[-1:] if rated - cut < self._min_shot_frames]
        num_final = open_cuts[0] if open_cuts else rated
        self._probabilities = self._probabilities[num_final - self.num_final :]
        self._times_s = self._times_s[num_final - self.num_final :]
        self.num_final = num_final
        return cuts[: len(cuts) - len(open_cuts)]

    def _peaks_so_far(self) -> list[int]:
        peaks = find_peaks(
            self._probabilities,
            self._times_s,
            threshold=self._threshold,
            min_shot_frames=self._min_shot_frames,
        )
        return [self.num_final + peak for peak in peaks]


def cut_probabilities(changes: Changes) -> np.ndarray:
    """How likely each frame is the first of a new shot, float32 ``(N,)`` in [0, 1]; 0 for the first frame.

    Rounded to 6 digits, so that another order of summation moves nothing across a threshold.
    """
    near = _near_steps(changes.times_s)
    logit = (
        OFFSET
        + _evidence(changes.structure, near, STRUCTURE_EXPONENTS, STRUCTURE_FLOOR)
        + _evidence(changes.colour, near, COLOUR_EXPONENTS, COLOUR_FLOOR)
    )
    probabilities = np.round(1 / (1 + np.exp(-np.clip(logit, -50, 50))), 6).astype(np.float32)
    probabilities[:1] = 0
    return probabilities


def find_peaks(
    probabilities: np.ndarray, times_s: np.ndarray, *, threshold: float, min_shot_frames: int
) -> list[int]:
    """Frames above ``threshold`` that are the largest among those fewer than ``min_shot_frames`` away and
    within ``reach_s`` of as many, ascending."""
    cuts: list[int] = []
    shortest_s = reach_s(min_shot_frames)
    for frame in np.flatnonzero(probabilities > threshold).tolist():
        is_apart = not cuts or times_s[frame] - times_s[cuts[-1]] >= shortest_s
        if is_apart or frame - cuts[-1] >= min_shot_frames:
            cuts.append(frame)
        elif probabilities[frame] > probabilities[cuts[-1]]:
            cuts[-1] = frame
    return cuts


def _evidence(
    change: np.ndarray, near: np.ndarray, exponents: tuple[float, float, float], floor: float
) -> np.ndarray:
    values = np.stack([_across(change), *_usual(change[:, 0], near)])
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


def _near_steps(times_s: np.ndarray) -> np.ndarray:
    """Weights of the steps around each frame, float32 ``(2, N, NEIGHBOURS)``; 0 for those out of reach."""
    framed = np.pad(times_s, NEIGHBOURS + 1, mode="edge") if len(times_s) else times_s
    far_ends = np.arange(NEIGHBOURS) + np.array([0, NEIGHBOURS + 2])[:, None, None]
    frames = np.arange(len(times_s))[:, None]
    near_ends = frames + np.array([NEIGHBOURS, NEIGHBOURS + 1])[:, None, None]
    is_near = np.abs(framed.take(far_ends + frames) - framed.take(near_ends)) <= reach_s(NEIGHBOURS)
    is_near[0, :, -FEWEST_NEIGHBOURS:] = is_near[1, :, :FEWEST_NEIGHBOURS] = True
    return is_near * _SIDE_WEIGHTS


def _usual(steps: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Largest and second largest weighted change of a frame step near t; the larger side of t counts.

    ``steps[t]`` is the change from frame t to t + 1, ``near`` what ``_near_steps`` gives. The step into t
    itself is left out. The second largest
    keeps a neighbouring cut from hiding this one, and is not fooled by drawings that are held for two or
    three frames.
    """
    into = np.zeros(len(steps) + 2 * NEIGHBOURS + 1, np.float32)
    into[NEIGHBOURS + 1 : NEIGHBOURS + len(steps)] = steps[:-1]
    sides = into.take(_SIDES + np.arange(len(steps))[:, None]) * near
    sides.sort(axis=2)
    largest = np.maximum(sides[0], sides[1])
    return largest[:, -1], largest[:, -2]
