"""Times of a few frames of a video, in which two files with the same packets may differ."""

from collections.abc import Iterable
from fractions import Fraction

MOST = 64
"""So many times at most are kept; with one more, every second one goes."""


class TimeMarks:
    """Keeps the times of every ``every``-th frame, a power of two that grows with the video."""

    def __init__(self, pts: Iterable[int] = ()) -> None:
        self.every = 1
        self._pts: list[int] = []
        self._until_next = 0
        for each in pts:
            self.see(each)

    def see(self, pts: int) -> None:
        """The next frame, in ticks."""
        if self._until_next:
            self._until_next -= 1
            return
        if len(self._pts) == MOST:
            self._pts = self._pts[::2]
            self.every *= 2
        self._pts.append(pts)
        self._until_next = self.every - 1

    def times_s(self, time_base: Fraction) -> tuple[float, ...]:
        """Returns the times in seconds, from the first frame on, to the millisecond."""
        return tuple(round(float((pts - self._pts[0]) * time_base), 3) for pts in self._pts)
