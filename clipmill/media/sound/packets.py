"""Packets of sound with the time at which the pictures' clock hears them."""

from __future__ import annotations  # PyAV's Packet[...] exists for type checkers only

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from av.audio.stream import AudioStream
from av.packet import Packet

from clipmill.media.sound.timing import Interval

SHORTEST_HOLE_S = Fraction(1, 10)
"""Less than this without sound is no hole: streams do not begin and end at the same instant."""


@dataclass(frozen=True)
class Heard:
    """A packet of ``stream``, heard from ``start`` for ``length``, in seconds of the pictures' clock.

    ``is_late`` is of a stream that the beginning of the file does not show.
    """

    packet: Packet[AudioStream]
    stream: AudioStream
    start: Fraction
    length: Fraction
    is_late: bool = False

    @property
    def key(self) -> tuple[int, bool]:
        """Which stream of the file it is of."""
        return self.stream.index, self.is_late

    def timed(self, start: Fraction) -> Packet[AudioStream]:
        """The packet, shown at ``start`` of another clock; what a muxer or an earlier clip set is undone."""
        ticks_s = Fraction(self.stream.time_base or 1)
        self.packet.time_base, self.packet.duration = ticks_s, round(self.length / ticks_s)
        self.packet.pts = self.packet.dts = round(start / ticks_s)
        return self.packet

    @cached_property
    def end(self) -> Fraction:
        """Where the packet ends, in seconds."""
        return self.start + self.length


def heard_as_stored(packet: Packet[AudioStream], stream: AudioStream) -> Heard:
    """Returns a packet at the time that the file says."""
    length = (packet.duration or 0) * packet.time_base
    return Heard(packet, stream, (packet.pts or 0) * packet.time_base, length)


def overlapping(packets: Sequence[Heard], start: Fraction, end: Fraction) -> list[Heard]:
    """Returns the packets that are heard at any time in ``[start, end)``."""
    return [each for each in packets if each.end > start and each.start < end]


def holes(packets: Sequence[Heard], start: Fraction, end: Fraction) -> list[Interval]:
    """Returns the stretches of ``[start, end)`` without a packet, but for a stream's usual delay."""
    found: list[Interval] = []
    at = start
    for packet in sorted(packets, key=lambda each: each.start):
        if min(packet.start, end) - at > SHORTEST_HOLE_S:
            found.append((at, min(packet.start, end)))
        at = max(at, packet.end)
        if at >= end:
            return found
    return [*found, (at, end)] if end - at > SHORTEST_HOLE_S else found
