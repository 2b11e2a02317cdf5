"""How long a run will still take, from what was looked at and what was finished so far. Pure."""

from collections import deque
from dataclasses import dataclass

WINDOW_S = 60.0
"""What was done in this time says how fast the rest will be; start-up is soon forgotten."""
MIN_ELAPSED_S = 2.0
MIN_SHARE = 0.02
"""Below it, start-up and not the work would decide."""
MIN_BACKLOG = 0.05
"""Share looked at and not finished, from which on it is the later stages that a run waits for."""


@dataclass(frozen=True)
class _Point:
    at_s: float
    seen: float
    finished: float


class TimeLeft:
    """Keeps what was done when; shares are of the work of the whole run."""

    def __init__(self) -> None:
        self._points: deque[_Point] = deque([_Point(0.0, 0.0, 0.0)])

    def observe(self, at_s: float, *, seen: float, finished: float) -> float | None:
        """Returns the seconds left; None where too little is done to tell."""
        now = _Point(at_s, seen, finished)
        self._points.append(now)
        while len(self._points) > 2 and self._points[1].at_s <= at_s - WINDOW_S:
            self._points.popleft()
        before = self._points[0]
        if at_s < MIN_ELAPSED_S or seen < MIN_SHARE:
            return None
        scan = _left(1.0 - seen, seen - before.seen, at_s - before.at_s)
        if seen - finished < MIN_BACKLOG:
            return scan
        rest = _left(1.0 - finished, finished - before.finished, at_s - before.at_s)
        return None if scan is None or rest is None else max(scan, rest)


def _left(share: float, done: float, took_s: float) -> float | None:
    if share <= 0.0:
        return 0.0
    return share * took_s / done if done > 0.0 else None
