"""The grid of sampled instants is exact: counted in floats it gives the frames that it gives in fractions."""

from fractions import Fraction
from math import ceil

import pytest

from clipmill.media.sampling import Grid

RATES = (0.1, 0.7, 1.0, 2.0, 3.0, 12.5, 23.976, 29.97, 59.94)
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
TIME_BASES = (Fraction(1, 1000), Fraction(1, 12_288), Fraction(1, 90_000))
NUM_FRAMES = 1500
MOST_SLACK_S = Fraction(1, 2000)


def sampled_by_floats(times: list[Fraction], fps: float, slack: Fraction) -> list[int]:
    """How many instants each frame is shown for, by the grid of the scan."""
    grid = Grid(fps, slack_s=float(slack))
    return [grid.take_before(float(time)) for time in times]


def sampled_exactly(times: list[Fraction], fps: float, slack: Fraction) -> list[int]:
    """The same by the instants ``k / fps``, ``fps`` a fraction of at most three decimals."""
    rate = Fraction(fps).limit_denominator(1000)
    before = [max(0, ceil((time - slack) * rate)) for time in times]
    return [now - then for then, now in zip([0, *before], before, strict=False)]


@pytest.mark.parametrize("time_base", TIME_BASES, ids=str)
@pytest.mark.parametrize("name", FRAME_RATES)
def test_the_grid_is_exact(name: str, time_base: Fraction) -> None:
    ends = [round(k / FRAME_RATES[name] / time_base) * time_base for k in range(1, NUM_FRAMES)]
    slack = min(MOST_SLACK_S, time_base / 2)
    for fps in RATES:
        assert sampled_by_floats(ends, fps, slack) == sampled_exactly(ends, fps, slack), fps
