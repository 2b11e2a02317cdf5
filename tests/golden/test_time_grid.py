"""The grid of sampled instants is exact: it gives the frames that bf3cd47 counted in floats."""

from fractions import Fraction
from math import ceil

import pytest

from clipmill.media.frames.time_grid import MAX_SLACK_S, Grid
from clipmill.stages.reads import rate

RATES = (0.05, 0.1, 1 / 3, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 12.5, 15.0, 23.976, 25.0, 29.97, 59.94)
FRAME_RATES = {
    "24": Fraction(24),
    "25": Fraction(25),
    "30": Fraction(30),
    "60": Fraction(60),
    "23.976": Fraction(24000, 1001),
    "29.97": Fraction(30000, 1001),
    "59.94": Fraction(60000, 1001),
    "12.5": Fraction(25, 2),
}
TIME_BASES = (
    Fraction(1, 1000), Fraction(1, 12_288), Fraction(1, 90_000), Fraction(1, 25), Fraction(1001, 24_000),
    Fraction(1001, 30_000), Fraction(1, 10**9),
)  # fmt: skip
NUM_FRAMES = 1500


def sampled_by_floats(ticks: list[int], fps: float, time_base: Fraction) -> list[int]:
    """How many instants each frame is shown for, as bf3cd47 counted them."""
    slack_s = min(0.0005, float(time_base) / 2)
    times_s = [tick * time_base.numerator / time_base.denominator for tick in ticks]
    before = [max(0, ceil((time_s - slack_s) * fps)) for time_s in times_s]
    return [now - then for then, now in zip([0, *before], before, strict=False)]


def sampled_exactly(ticks: list[int], fps: float, time_base: Fraction) -> list[int]:
    """The same by the grid of the scan."""
    grid = Grid(rate(fps), time_base=time_base)
    return [grid.take_before(tick) for tick in ticks]


@pytest.mark.parametrize("time_base", TIME_BASES, ids=str)
@pytest.mark.parametrize("name", FRAME_RATES)
def test_the_grid_is_exact(name: str, time_base: Fraction) -> None:
    ticks = sorted({max(1, round(k / FRAME_RATES[name] / time_base)) for k in range(1, NUM_FRAMES)})
    for fps in RATES:
        assert sampled_by_floats(ticks, fps, time_base) == sampled_exactly(ticks, fps, time_base), fps


def test_an_instant_at_the_very_end_of_a_frame_belongs_to_the_next() -> None:
    """Where a frame ends exactly when the slack behind an instant does, rounding of floats decided."""
    time_base, fps, end = Fraction(1001, 24_000), Fraction(25, 2), 3372
    assert (end * time_base - MAX_SLACK_S) * fps == 1758
    assert Grid(fps, time_base=time_base).take_before(end) == 1758
    assert sum(sampled_by_floats([end], float(fps), time_base)) == 1759
