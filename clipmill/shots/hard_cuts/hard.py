"""Hard cuts: steps between frames that are far larger than the steps around them, and that nothing undoes."""

import numpy as np

from clipmill.shots.changes import MAX_LAG, Changes, compare, looks_of
from clipmill.shots.detector_frames import reach_s
from clipmill.shots.hard_cuts.jolts import is_jolt
from clipmill.shots.hard_cuts.jump_cuts import CONTEXT_FRAMES, MIN_CHANGE, is_jump_cut, may_be_jump_cuts
from clipmill.shots.hard_cuts.steps import NEIGHBOURS, Steps, steps_of
from clipmill.shots.mixed_frames import CONTEXT
from clipmill.shots.strip import Strip

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


SECOND_LOOK = 0.75
"""Probability of cuts that only a second look finds: they stay in doubt."""

MIN_MOTION, MAX_CALM = 0.25, 0.25
"""Change of structure at a cut into fast motion, and steps on its calmer side over that change."""

MIN_COLOUR, MIN_COLOUR_RATIO = 0.17, 1.3
"""Change of colour at such a cut, at the least, and over the largest near it."""


class HardCuts:
    """Finds the hard cuts of a stream of frames, block by block.

    ``num_final``: no cut below this frame is still to come.
    """

    def __init__(self, *, threshold: float, min_shot_frames: int) -> None:
        self._threshold, self._min_shot_frames = threshold, min_shot_frames
        self._looks = looks_of(np.empty((0, 27, 48, 3), np.uint8), np.empty(0))
        self._num_compared = 0  # of those held
        self._thumbnails, self._shown_s = Strip(), Strip(self._looks.times_s)
        self._changes = compare(self._looks)
        self._changes_start = 0
        self._probabilities, self._times_s = np.empty(0, np.float32), np.empty(0)
        self.num_final = 0

    def feed(self, thumbnails: np.ndarray, times_s: np.ndarray) -> list[int]:
        """The cuts that the next frames, uint8 ``(n, 27, 48, 3)``, make final; ``times_s`` is ``(n,)``."""
        looks = looks_of(thumbnails, times_s)
        self._thumbnails.append(thumbnails)
        self._shown_s.append(times_s)
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
        structure, colour = (steps[new] for steps in steps_of(self._changes))
        probabilities = _probabilities(structure, colour)
        if not rated:
            probabilities[:1] = 0
        unlikely = np.flatnonzero((probabilities <= self._threshold) & (structure.across >= MIN_CHANGE))
        for frame in self._in_doubt(probabilities, structure):
            if self._is_jolt(rated + frame):
                probabilities[frame] = 0
        if len(unlikely):
            is_cut = self._second_look(rated + unlikely, structure[unlikely], colour[unlikely])
            probabilities[unlikely[is_cut]] = SECOND_LOOK
        self._thumbnails.drop_before(before - CONTEXT_FRAMES)
        self._shown_s.drop_before(before - CONTEXT_FRAMES)
        self._probabilities = np.concatenate([self._probabilities, probabilities])
        self._times_s = np.concatenate([self._times_s, self._changes.times_s[new]])
        keep_from = max(0, before - NEIGHBOURS - 1)
        self._changes = self._changes[max(0, keep_from - self._changes_start) :]
        self._changes_start = max(self._changes_start, keep_from)

    def _in_doubt(self, probabilities: np.ndarray, structure: Steps) -> list[int]:
        """Frames that are a cut, though not surely, while the camera moves."""
        is_doubtful = (probabilities > self._threshold) & (probabilities < SURE)
        return np.flatnonzero(is_doubtful & (structure.second > SHAKEN)).tolist()

    def _second_look(self, frames: np.ndarray, structure: Steps, colour: Steps) -> np.ndarray:
        """Which of these frames, ``(n,)``, are cuts all the same; with the steps around each."""
        is_cut = lead_into_motion(structure, colour)
        for place in np.flatnonzero(may_be_jump_cuts(structure, colour) & ~is_cut).tolist():
            is_cut[place] = self._is_jump_cut(int(frames[place]))
        return is_cut

    def _is_jolt(self, frame: int) -> bool:
        return is_jolt(*looks_of(*self._between(frame - 1, frame + 1)).structure)

    def _is_jump_cut(self, frame: int) -> bool:
        first, end = frame - CONTEXT_FRAMES, frame + CONTEXT_FRAMES
        if first < 0 or end > self._thumbnails.num_frames:
            return False
        return is_jump_cut(*self._between(first, end)) and not self._is_jolt(frame)

    def _between(self, first: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        """Thumbnails and times of frames ``[first, end)``."""
        return self._thumbnails.between(first, end), self._shown_s.between(first, end)

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
    """How likely each frame is the first of a new shot, float32 ``(N,)`` in [0, 1]; 0 for the first frame."""
    probabilities = _probabilities(*steps_of(changes))
    probabilities[:1] = 0
    return probabilities


def _probabilities(structure: Steps, colour: Steps) -> np.ndarray:
    """Rounded to 6 digits, so that another order of summation moves nothing across a threshold."""
    logit = (
        OFFSET
        + _evidence(structure, STRUCTURE_EXPONENTS, STRUCTURE_FLOOR)
        + _evidence(colour, COLOUR_EXPONENTS, COLOUR_FLOOR)
    )
    return np.round(1 / (1 + np.exp(-np.clip(logit, -50, 50))), 6).astype(np.float32)


def lead_into_motion(structure: Steps, colour: Steps) -> np.ndarray:
    """Which frames lie at a cut into fast motion or out of it, bool ``(N,)``.

    One side is calm, so that such a step of structure is no part of a movement, and colours change more than
    in any step near it. A camera that starts to race, or an object that enters, changes them bit by bit.
    """
    is_calm = structure.calmer <= MAX_CALM * structure.across
    least = np.maximum(MIN_COLOUR, MIN_COLOUR_RATIO * colour.largest)
    return is_calm & (structure.across >= MIN_MOTION) & (colour.across >= least)


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


def _evidence(steps: Steps, exponents: tuple[float, float, float], floor: float) -> np.ndarray:
    values = np.stack([steps.across, steps.largest, steps.second])
    return np.array(exponents, np.float32) @ np.log(values + np.float32(floor))
