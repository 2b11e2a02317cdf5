"""Jumps of the clock of sound alone, and steps of sound that are none."""

from collections.abc import Callable, Sequence

import pytest

from clipmill.media.frames.sound_clock import SoundClock, SoundJump

PACKET_S = 0.02
NUM_PACKETS = 500
JUMP_AT = 200
"""Packet at 4 s of 10."""

Times = Callable[[float], float]


def found(
    sound: Times, pictures: Times, *, is_heard: Callable[[float], bool] = lambda at_s: True
) -> SoundClock:
    """A file whose sound and pictures of one instant lie side by side; both clocks may be wrong."""
    clock = SoundClock()
    for number in range(NUM_PACKETS):
        at_s = number * PACKET_S
        if is_heard(at_s):
            clock.see(sound(at_s), PACKET_S, beside_s=pictures(at_s))
    clock.end(pictures(NUM_PACKETS * PACKET_S))
    return clock


def right(at_s: float) -> float:
    return at_s


def jumped(by_s: float) -> Times:
    return lambda at_s: at_s + (by_s if at_s >= JUMP_AT * PACKET_S else 0.0)


def in_steps(length_s: float) -> Times:
    """Pictures are shown for so long each."""
    return lambda at_s: at_s // length_s * length_s


@pytest.mark.parametrize("by_s", [1.5, 3.0, 700.0, -1.5, -3.0])
def test_a_jump_is_taken_back(by_s: float) -> None:
    jumps = found(jumped(by_s), right).jumps
    assert [jump.number for jump in jumps] == [JUMP_AT]
    assert jumps[0].shift_s == pytest.approx(-by_s)


def test_sound_follows_pictures_whose_clock_jumps_by_less_than_a_repair() -> None:
    assert found(right, jumped(25.0)).jumps == [SoundJump(JUMP_AT, pytest.approx(25.0))]


def test_a_second_jump_is_added_to_the_first() -> None:
    def twice(at_s: float) -> float:
        return at_s + 5.0 * (at_s >= 4.0) + 7.0 * (at_s >= 7.0)

    shifts = [jump.shift_s for jump in found(twice, right).jumps]
    assert shifts == pytest.approx([-5.0, -12.0])


@pytest.mark.parametrize(
    ("sound", "pictures"),
    [
        (right, right),
        (jumped(0.8), right),
        (jumped(700.0), jumped(700.0)),
        (jumped(-4.0), jumped(-4.0)),
        (right, in_steps(2.5)),
        (lambda at_s: at_s + 3 * (at_s > 4 and at_s < 4.05), right),
    ],
    ids=["no jump", "less than a second", "both ahead", "both back", "slides", "single wrong times"],
)
def test_no_jump_of_the_sound_alone(sound: Times, pictures: Times) -> None:
    assert found(sound, pictures).num_jumps == 0


@pytest.mark.parametrize("pictures", [right, in_steps(2.0)], ids=["film", "slides"])
def test_missing_sound_is_no_jump(pictures: Times) -> None:
    assert found(right, pictures, is_heard=lambda at_s: not 3.0 < at_s < 6.0).num_jumps == 0


def test_sound_behind_a_jump_and_missing_sound_goes_by_its_place() -> None:
    clock = found(jumped(20.0), right, is_heard=lambda at_s: not 4.0 <= at_s < 7.0)
    assert clock.jumps == [SoundJump(JUMP_AT, pytest.approx(-20.0, abs=0.1))]


@pytest.mark.parametrize("by_s", [3.0, 700.0])
def test_sound_that_was_sorted_behind_the_pictures_goes_on_where_it_ended(by_s: float) -> None:
    clock = SoundClock()
    for number in range(NUM_PACKETS):
        at_s = jumped(by_s)(number * PACKET_S)
        clock.see(at_s, PACKET_S, beside_s=min(at_s, NUM_PACKETS * PACKET_S))
    clock.end(NUM_PACKETS * PACKET_S)
    assert clock.jumps == [SoundJump(JUMP_AT, pytest.approx(-by_s))]


def test_a_jump_just_behind_a_step_of_the_pictures_is_taken_back_exactly() -> None:
    clock = SoundClock()
    for number in range(NUM_PACKETS):
        is_sorted_behind = number >= JUMP_AT - 2
        beside_s = NUM_PACKETS * PACKET_S if is_sorted_behind else number * PACKET_S
        clock.see(jumped(700.0)(number * PACKET_S), PACKET_S, beside_s=beside_s)
    clock.end(NUM_PACKETS * PACKET_S)
    assert clock.jumps == [SoundJump(JUMP_AT, pytest.approx(-700.0))]


def test_sound_that_outlasts_its_pictures_for_another_reason_keeps_its_times() -> None:
    clock = SoundClock()
    for number in range(NUM_PACKETS):
        at_s = jumped(3.0)(number * PACKET_S)
        clock.see(at_s, PACKET_S, beside_s=min(at_s, 6.0))
    clock.end(6.0)
    assert clock.num_jumps == 0


def test_many_holes_explain_nothing() -> None:
    clock = SoundClock()
    for number in range(NUM_PACKETS):
        at_s = number * PACKET_S + number // 100 * 3.0
        clock.see(at_s, PACKET_S, beside_s=min(at_s, 19.0))
    clock.end(19.0)
    assert clock.num_jumps == 0


def test_a_long_packet_of_an_mp4_does_not_hide_a_jump() -> None:
    clock, times = SoundClock(), [jumped(5.0)(number * PACKET_S) for number in range(NUM_PACKETS)]
    lengths: Sequence[float] = [PACKET_S] * (JUMP_AT - 1) + [5.0 + PACKET_S] + [PACKET_S] * NUM_PACKETS
    for at_s, length_s in zip(times, lengths, strict=False):
        clock.see(at_s, length_s, beside_s=min(at_s, NUM_PACKETS * PACKET_S))
    clock.end(NUM_PACKETS * PACKET_S)
    assert clock.jumps == [SoundJump(JUMP_AT, pytest.approx(-5.0))]
