"""Puts frames on a grid of equal steps: for every k, the frame shown at ``k / fps`` seconds of the clip."""

from collections.abc import Iterator
from fractions import Fraction
from math import ceil

MAX_RATE_DENOMINATOR = 1001


def grid_rate(fps: float) -> Fraction:
    """The rate as a fraction: 29.97 becomes 30000/1001."""
    near = Fraction(fps).limit_denominator(MAX_RATE_DENOMINATOR)
    ntsc = Fraction(round(fps * 1001 / 1000) * 1000, 1001)
    return ntsc if near.denominator > 1 and abs(float(ntsc) - fps) < 0.005 else near


def instants(start: Fraction, end: Fraction, *, rate: Fraction) -> Iterator[int]:
    """Every k with ``start <= k / rate < end``, both in seconds of the clip."""
    yield from range(ceil(start * rate), ceil(end * rate))
