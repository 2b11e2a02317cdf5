"""Stretches of a timeline: what a jump of the clock shifts, for the sound beside the pictures."""

from collections.abc import Sequence
from fractions import Fraction

import pytest

from clipmill.media.frames.timestamps import Stretch, Timeline


@pytest.mark.parametrize(
    ("stored", "stretches"),
    [
        ([0, 1, 2, 3], [Stretch(0, 0)]),
        ([7, 8, 8, 10], [Stretch(7, 0)]),
        ([5, 6, None, 8], [Stretch(5, 0)]),
        ([100, 101, 20, 21], [Stretch(100, 0), Stretch(20, 82, 101)]),
        ([0, 1, 9000, 9001, 4], [Stretch(0, 0), Stretch(9000, -8998, 1), Stretch(4, 0, 9001)]),
    ],
    ids=["plain", "repeated", "missing", "jumps back", "jumps ahead and back"],
)
def test_stretches(stored: Sequence[int | None], stretches: list[Stretch]) -> None:
    timeline = Timeline(Fraction(1, 10))
    placed = [timeline.place(pts, 1) for pts in stored]
    assert list(timeline.stretches) == stretches
    assert placed == list(range(placed[0], placed[0] + len(stored)))


def test_one_frame_that_is_late_is_no_jump() -> None:
    """A decoder gives it behind those that follow damage."""
    timeline = Timeline(Fraction(1, 100))
    placed = [timeline.place(pts, 4) for pts in (0, 4, 8, 160, 164, 12, 168, 172)]
    assert placed == [0, 4, 8, 160, 164, 168, 169, 172]
    assert timeline.repairs == "2 frames with a timestamp not after the one before"
    assert not timeline.has_jumped


def test_another_stream_is_named() -> None:
    timeline = Timeline(Fraction(1, 10))
    timeline.place(0, 1)
    timeline.begin_part()
    assert timeline.place(1, 1) == 1
    assert timeline.repairs == "1 frames behind which another stream goes on"
