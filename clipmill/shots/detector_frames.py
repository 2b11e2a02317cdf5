"""Which frames of a video the detector compares, so that it sees the same at any frame rate.

The detector counts in frames of films of 20 to 36 a second. Of a faster video it leaves frames out. In a
slower one a reach of n frames ends after n / 20 seconds. A frame that is held is compared several times, as
in a film that repeats it: a slide may be a single frame.
"""

from array import array
from math import ceil, inf

import numpy as np

SLOWEST_FPS = 20
"""From this rate on a reach is so many frames; below it, so many seconds."""

MIN_STEP_S = 0.0275
"""Least time between frames that are compared: every other one of 48 to 72 a second, every fourth of 120."""

HELD_S, REPEATS = 2.1, 2
"""A frame that is shown for longer counts for so many more: by three a slide differs from motion."""

NOMINAL_FPS = 25
"""Rate of a stream of frames without times."""


def reach_s(num_frames: int) -> float:
    """Returns the longest time, in seconds, that a reach of so many frames spans."""
    return num_frames / SLOWEST_FPS + 1e-6


def frames_a_step(fps: float) -> int:
    """Returns how many frames of a video there are for each one that is compared."""
    return max(1, ceil(fps * MIN_STEP_S))


class DetectorFrames:
    """Chooses the frames to compare, and finds the frame of the video that each of them stands for.

    Chosen frames have numbers of their own, from 0 on.
    """

    def __init__(self) -> None:
        self._numbers = array("q")  # of the chosen frames in the video, from _first on
        self._cuts = array("q")  # where a cut lies that is found at the chosen frame
        self._first = 0
        self._num_seen = 0
        self._last: np.ndarray | None = None
        self._last_s = -inf
        self._seen_s = inf
        self._largest = _NONE

    def choose(self, thumbnails: np.ndarray, times_s: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Returns the chosen ones of the next frames, and their times in seconds, float64 ``(m,)``.

        Without ``times_s`` they are ``1 / NOMINAL_FPS`` apart.
        """
        end = self._num_seen + len(thumbnails)
        times_s = np.arange(self._num_seen, end) / NOMINAL_FPS if times_s is None else times_s
        if not len(thumbnails):
            return thumbnails, times_s
        numbers = np.arange(self._num_seen, end)
        thumbnails, times_s, numbers = self._with_repeats(thumbnails, times_s, numbers)
        if self._largest == _NONE and (np.diff(times_s, prepend=self._last_s) >= MIN_STEP_S).all():
            self._numbers.extend(numbers.tolist())
            self._cuts.extend(numbers.tolist())
            self._last_s, chosen = float(times_s[-1]), slice(None)
        else:
            chosen = self._thinned(self._steps(thumbnails), times_s, numbers.tolist())
        self._num_seen, self._last, self._seen_s = end, np.array(thumbnails[-1]), float(times_s[-1])
        return thumbnails[chosen], times_s[chosen]

    def cut_at(self, chosen: int) -> int:
        """Returns the first frame of the new shot where a cut lies before a chosen frame."""
        return self._cuts[chosen - self._first]

    def frame_of(self, chosen: int) -> int:
        """Returns the number of a chosen frame in the video; of one still to come, the next frame's."""
        place = chosen - self._first
        if place >= len(self._numbers):
            return self._num_seen
        is_repeat = place > 0 and self._numbers[place] == self._numbers[place - 1]
        return self._numbers[place] + is_repeat

    def frame_behind(self, chosen: int) -> int:
        """Returns the frame of the video behind the chosen frame before ``chosen``."""
        return self._numbers[chosen - 1 - self._first] + 1 if chosen else 0

    def drop_before(self, chosen: int) -> None:
        """Chosen frames before this one, and the one before it, are not asked for again."""
        num_dropped = max(0, chosen - 1 - self._first)
        del self._numbers[:num_dropped], self._cuts[:num_dropped]
        self._first += num_dropped

    def _with_repeats(
        self, thumbnails: np.ndarray, times_s: np.ndarray, numbers: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The frames, and ``REPEATS`` of each that is held, at equal steps up to the next."""
        gaps_s = np.diff(times_s, prepend=min(self._seen_s, times_s[0]))
        (behind,) = np.nonzero(gaps_s > HELD_S)
        if not len(behind):
            return thumbnails, times_s, numbers
        before = self._before(thumbnails)[behind]
        steps_s = gaps_s[behind, None] * np.arange(REPEATS, 0, -1) / (REPEATS + 1)
        places = behind.repeat(REPEATS)
        return (
            np.insert(thumbnails, places, before.repeat(REPEATS, axis=0), axis=0),
            np.insert(times_s, places, (times_s[behind, None] - steps_s).ravel()),
            np.insert(numbers, places, (numbers[behind] - 1).repeat(REPEATS)),
        )

    def _before(self, thumbnails: np.ndarray) -> np.ndarray:
        """The frame before each; the first of all stands for its own."""
        last = thumbnails[:1] if self._last is None else self._last[None]
        return np.concatenate([last, thumbnails[:-1]])

    def _steps(self, thumbnails: np.ndarray) -> list[float]:
        """How much each frame differs from the one before."""
        steps = thumbnails.astype(np.int16) - self._before(thumbnails)
        return np.abs(steps).sum(axis=(1, 2, 3)).tolist()

    def _thinned(self, steps: list[float], times_s: np.ndarray, numbers: list[int]) -> list[int]:
        """Indices of the frames that come late enough; a cut lies at the largest step since the last one."""
        chosen: list[int] = []
        for index, (time_s, step) in enumerate(zip(times_s.tolist(), steps, strict=True)):
            self._largest = max(self._largest, (step, numbers[index]))
            if time_s - self._last_s >= MIN_STEP_S:
                chosen.append(index)
                self._numbers.append(numbers[index])
                self._cuts.append(self._largest[1])
                self._last_s, self._largest = time_s, _NONE
        return chosen


_NONE = (-1.0, 0)
