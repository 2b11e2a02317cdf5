"""Times of sound packets. A packet lasts 20 ms; times are in whole packets."""

from fractions import Fraction

import pytest

from clipmill.media.sound.timing import Timed, Timing, timing_of

PACKET_S = Fraction(20, 1000)


def found(*starts: float, end: float = 100) -> Timing:
    packets = [Timed(place, Fraction(start) * PACKET_S, PACKET_S) for place, start in enumerate(starts)]
    return timing_of(packets, start=Fraction(0), end=Fraction(end) * PACKET_S)


def starts_of(timing: Timing) -> list[float]:
    return [float(packet.start / PACKET_S) for packet in timing.packets]


def test_packets_that_follow_each_other_stay_where_they_are() -> None:
    timing = found(0, 1, 2.25, 2.75, 4)
    assert timing.is_plain
    assert starts_of(timing) == [0, 1, 2.25, 2.75, 4]


@pytest.mark.parametrize(
    ("starts", "num_moved"),
    [((0, 1, 1, 3, 4), 1), ((0, 2, 2, 3), 1), ((0, 1, 1, 1, 4), 2), ((0, 1, 0, 3), 1), ((0, 9, 2, 3), 1)],
    ids=["repeated", "too early by one", "twice repeated", "descending", "far ahead"],
)
def test_a_wrong_time_between_right_ones_is_mended(starts: tuple[float, ...], num_moved: int) -> None:
    timing = found(*starts)
    assert starts_of(timing) == list(range(len(starts)))
    assert (timing.num_moved, timing.gaps) == (num_moved, ())


def test_missing_packets_leave_a_gap() -> None:
    timing = found(0, 1, 5, 6, 7, 8, 9, 10)
    assert starts_of(timing) == [0, 1, 5, 6, 7, 8, 9, 10]
    assert timing.gaps == ((2 * PACKET_S, 5 * PACKET_S),)


def test_packets_that_come_twice_are_left_out() -> None:
    timing = found(0, 1, 2, 3, 0, 1, 2, 3, 4, 5)
    assert starts_of(timing) == [0, 1, 2, 3, 4, 5]
    assert timing.num_overlapping == 4


def test_a_packet_that_lies_alone_among_later_ones_is_left_out() -> None:
    assert starts_of(found(0, 40, 10, 11, 12)) == [0, 10, 11, 12]
    assert starts_of(found(40, 10, 11, 12)) == [10, 11, 12]


def test_a_gap_outside_of_the_span_is_none() -> None:
    assert found(-9, 0, 1, 2, 50, end=3).is_plain


def test_no_packets() -> None:
    assert found().packets == ()


@pytest.mark.parametrize(
    ("later", "expected"),
    [((5.0, 6.0), [0, 1, 5, 6]), ((1.2, 2.2, 3.2), [0, 1, 1.2, 2.2, 3.2]), ((0.5, 1.5), [0, 1, 1.5])],
    ids=["apart", "over each other", "begins before the last packet"],
)
def test_recordings_that_meet_are_not_mended(later: tuple[float, ...], expected: list[float]) -> None:
    starts = [(0.0, 0), (1.0, 0), *((start, 1) for start in later)]
    packets = [
        Timed(place, Fraction(start) * PACKET_S, PACKET_S, part) for place, (start, part) in enumerate(starts)
    ]
    timing = timing_of(packets, start=Fraction(0), end=Fraction(8) * PACKET_S)
    assert timing.is_plain
    assert timing.num_joins
    assert starts_of(timing) == pytest.approx(expected)
