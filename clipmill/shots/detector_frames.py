"""Which frames of a video the detector compares, so that it sees the same at any frame rate.

The detector counts in frames of films of 20 to 36 a second. Of a faster video it leaves frames out. In a
slower one a reach of n frames ends after n / 20 seconds.
"""

from array import array
from math import ceil, inf

import numpy as np

SLOWEST_FPS = 20
"""From this rate on a reach is so many frames; below it, so many seconds."""

MIN_STEP_S = 0.0275
"""Least time between frames that are compared: every other one of 48 to 72 a second, every fourth of 120."""

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
        self._largest = _NONE

    def choose(self, thumbnails: np.ndarray, times_s: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Returns the chosen ones of the next frames, and their times in seconds, float64 ``(m,)``.

        Without ``times_s`` they are ``1 / NOMINAL_FPS`` apart.
        """
        end = self._num_seen + len(thumbnails)
        times_s = np.arange(self._num_seen, end) / NOMINAL_FPS if times_s is None else times_s
        if not len(thumbnails):
            return thumbnails, times_s
        if self._largest == _NONE and (np.diff(times_s, prepend=self._last_s) >= MIN_STEP_S).all():
            numbers = range(self._num_seen, end)
            self._numbers.extend(numbers)
            self._cuts.extend(numbers)
            self._last_s, chosen = float(times_s[-1]), slice(None)
        else:
            chosen = self._thinned(self._steps(thumbnails), times_s)
        self._num_seen, self._last = end, np.array(thumbnails[-1])
        return thumbnails[chosen], times_s[chosen]

    def cut_at(self, chosen: int) -> int:
        """Returns the first frame of the new shot where a cut lies before a chosen frame."""
        return self._cuts[chosen - self._first]

    def frame_of(self, chosen: int) -> int:
        """Returns the number of a chosen frame in the video; of one still to come, the next frame's."""
        place = chosen - self._first
        return self._numbers[place] if place < len(self._numbers) else self._num_seen

    def frame_behind(self, chosen: int) -> int:
        """Returns the frame of the video behind the chosen frame before ``chosen``."""
        return self._numbers[chosen - 1 - self._first] + 1 if chosen else 0

    def drop_before(self, chosen: int) -> None:
        """Chosen frames before this one, and the one before it, are not asked for again."""
        num_dropped = max(0, chosen - 1 - self._first)
        del self._numbers[:num_dropped], self._cuts[:num_dropped]
        self._first += num_dropped

    def _steps(self, thumbnails: np.ndarray) -> list[float]:
        """How much each frame differs from the one before."""
        before = thumbnails[:1] if self._last is None else self._last[None]
        pictures = np.concatenate([before, thumbnails]).astype(np.int16)
        return np.abs(np.diff(pictures, axis=0)).sum(axis=(1, 2, 3)).tolist()

    def _thinned(self, steps: list[float], times_s: np.ndarray) -> list[int]:
        """Indices of the frames that come late enough; a cut lies at the largest step since the last one."""
        chosen: list[int] = []
        for index, (time_s, step) in enumerate(zip(times_s.tolist(), steps, strict=True)):
            self._largest = max(self._largest, (step, self._num_seen + index))
            if time_s - self._last_s >= MIN_STEP_S:
                chosen.append(index)
                self._numbers.append(self._num_seen + index)
                self._cuts.append(self._largest[1])
                self._last_s, self._largest = time_s, _NONE
        return chosen


_NONE = (-1.0, 0)
