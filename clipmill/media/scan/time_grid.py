"""The instants of a time grid, counted exactly."""

from fractions import Fraction
from math import lcm

MAX_SLACK_S = Fraction(1, 2000)
"""Half a millisecond: what Matroska's clock may round a timestamp by."""


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
