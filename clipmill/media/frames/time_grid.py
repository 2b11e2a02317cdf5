"""Grids of equal steps in time: clips of a constant rate, and the instants at which a pass takes samples."""

from collections.abc import Iterator
from fractions import Fraction
from math import ceil, lcm

MAX_RATE_DENOMINATOR = 1001
MAX_SLACK_S = Fraction(1, 2000)
"""Half a millisecond: what Matroska's clock may round a timestamp by."""


def grid_rate(fps: float) -> Fraction:
    """The rate as a fraction: 29.97 becomes 30000/1001."""
    near = Fraction(fps).limit_denominator(MAX_RATE_DENOMINATOR)
    ntsc = Fraction(round(fps * 1001 / 1000) * 1000, 1001)
    return ntsc if near.denominator > 1 and abs(float(ntsc) - fps) < 0.005 else near


def instants(start: Fraction, end: Fraction, *, rate: Fraction) -> Iterator[int]:
    """Every k with ``start <= k / rate < end``, both in seconds of the clip."""
    yield from range(ceil(start * rate), ceil(end * rate))


class Grid:
    """The instants ``k / fps`` after the first frame, k = 0, 1, ..., each handed out once.

    Times are ticks of ``time_base`` since the first frame. ``slack_s`` forgives timestamps that a container
    rounded up; it is never more than half a tick.
    """

    def __init__(self, fps: Fraction, *, time_base: Fraction, slack_s: Fraction = MAX_SLACK_S) -> None:
        per_tick = time_base * fps
        slack = min(slack_s, time_base / 2) * fps
        self._denominator = lcm(per_tick.denominator, slack.denominator)
        self._per_tick = int(per_tick * self._denominator)
        self._slack = int(slack * self._denominator)
        self._num_taken = 0

    def take_before(self, ticks: int) -> int:
        """Returns how many instants before ``ticks`` were not taken yet, and takes them."""
        num_before = -((self._slack - ticks * self._per_tick) // self._denominator)
        num_new = max(0, num_before - self._num_taken)
        self._num_taken += num_new
        return num_new

    @property
    def due_ticks(self) -> int:
        """Every later time has an instant before it that was not taken yet."""
        return (self._num_taken * self._denominator + self._slack) // self._per_tick
