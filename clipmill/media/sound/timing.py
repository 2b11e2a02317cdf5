"""Times of sound packets: which of them are wrong, and where packets are missing. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

JITTER_S = Fraction(1, 50)
"""Packets of containers with coarse times overlap or leave gaps of less than this; they follow each other."""

ROUNDING_S = Fraction(2, 1000)
"""What a time in whole milliseconds may be wrong by."""

SHORTEST_HOLE_S = Fraction(1, 10)
"""Less than this without sound is no hole: streams do not begin and end at the same instant."""

LOOK_AHEAD = 6
"""If one of so many packets lies where the packets before it end, the times between are wrong."""

Interval = tuple[Fraction, Fraction]
"""Half-open, in seconds."""


@dataclass(frozen=True)
class Timed:
    """A sound packet by its place in a list: heard from ``start`` for ``length``, in seconds.

    ``part`` differs between recordings that were joined.
    """

    index: int
    start: Fraction
    length: Fraction
    part: int = 0

    @property
    def end(self) -> Fraction:
        """Where the packet ends, in seconds."""
        return self.start + self.length


@dataclass(frozen=True)
class Timing:
    """Packets with mended times, ascending.

    ``num_moved`` had a wrong time, ``num_overlapping`` were left out because others are heard at their time.
    ``gaps`` are the stretches between packets in which none is heard. ``num_joins`` packets lie where one
    recording ends and another begins, a little apart or one over the other.
    """

    packets: tuple[Timed, ...]
    num_moved: int = 0
    num_overlapping: int = 0
    gaps: tuple[Interval, ...] = ()
    num_joins: int = 0

    @property
    def is_plain(self) -> bool:
        """True if every packet follows the one before, as its time says."""
        return not (self.num_moved or self.num_overlapping or self.gaps)


def timing_of(packets: Sequence[Timed], *, start: Fraction, end: Fraction) -> Timing:
    """Returns the times at which packets, in the order of the file, are heard, and the gaps in a span.

    A packet that does not begin where the one before ends, while one of the next does, has a wrong time. If
    none does, packets are missing, or come twice. Where recordings meet, the first one is heard to its end.
    """
    if not packets:
        return Timing(())
    slack = slack_of([packet.length for packet in packets])
    if _follow_each_other(packets, float(slack)):
        return Timing(tuple(packets))
    timing = _placed(packets, slack)
    gaps = [
        (max(one.end, start), min(later.start, end))
        for one, later in pairwise(timing.packets)
        if not _is_join(one, later)
    ]
    return replace(timing, gaps=tuple(gap for gap in gaps if gap[1] - gap[0] > slack))


def _placed(packets: Sequence[Timed], slack: Fraction) -> Timing:
    """The packets at mended times, gaps not looked for."""
    placed: list[Timed] = []
    num_moved = num_overlapping = num_joins = 0
    for rank, packet in enumerate(packets):
        if placed and _is_stray(placed, packets[rank : rank + 2], slack):
            placed.pop()
            num_overlapping += 1
        expected = placed[-1].end if placed else packet.start
        if abs(packet.start - expected) <= slack and not (placed and packet.start <= placed[-1].start):
            placed.append(packet)
        elif placed and _is_join(placed[-1], packet):
            placed += [packet] if packet.start > placed[-1].start else []
            num_joins += 1
        elif _is_met_again(packets[rank:], expected, slack):
            placed.append(replace(packet, start=expected))
            num_moved += 1
        elif packet.start > expected:
            placed.append(packet)
        else:
            num_overlapping += 1
    return Timing(tuple(placed), num_moved, num_overlapping, num_joins=num_joins)


def _is_join(one: Timed, later: Timed) -> bool:
    """Whether one recording ends and another begins, as exactly as recordings do."""
    return one.part != later.part and abs(later.start - one.end) <= SHORTEST_HOLE_S


def _is_stray(placed: Sequence[Timed], following: Sequence[Timed], slack: Fraction) -> bool:
    """Whether the packet placed last lies alone and late, while two behind it lie earlier and together."""
    if len(following) < 2 or following[0].start >= placed[-1].start - slack:
        return False
    if abs(following[1].start - following[0].end) > slack:
        return False
    return len(placed) == 1 or placed[-1].start - placed[-2].end > slack


def _follow_each_other(packets: Sequence[Timed], slack_s: float) -> bool:
    """Whether every packet begins where the one before ends: numbers of ordinary size tell that quickly."""
    starts = [float(packet.start) for packet in packets]
    ends = [start + float(packet.length) for start, packet in zip(starts, packets, strict=True)]
    return all(
        abs(start - end) < slack_s - 1e-6 and start > before
        for start, end, before in zip(starts[1:], ends, starts, strict=False)
    )


def slack_of(lengths: Sequence[Fraction]) -> Fraction:
    """Returns how far a packet may be from the end of the one before, in seconds."""
    return max(min(JITTER_S, max(lengths) * 3 / 4), ROUNDING_S) if lengths else JITTER_S


def _is_met_again(packets: Sequence[Timed], end: Fraction, slack: Fraction) -> bool:
    """Whether packets that follow each other from ``end`` on soon agree with their own times."""
    for before, packet in pairwise(packets[:LOOK_AHEAD]):
        end += before.length
        if abs(packet.start - end) <= slack:
            return True
    return False
