"""Packets of sound with the time at which the pictures' clock hears them."""

from __future__ import annotations  # PyAV's Packet[...] exists for type checkers only

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.codec import CodecContext
from av.error import FFmpegError
from av.packet import Packet

from clipmill.media.sound.timing import SHORTEST_HOLE_S, Interval

EQUAL_PACKETS = frozenset({"aac", "mp3", "mp2", "ac3", "eac3", "s302m"})
"""Codecs whose packets all have the same number of samples, but for the last one."""


@dataclass(frozen=True)
class Heard:
    """A packet of ``stream``, heard from ``start`` for ``length``, in seconds of the pictures' clock.

    ``is_late`` is of a stream that the beginning of the file does not show. ``is_moved`` if the clock of the
    sound jumped away from that of the pictures. ``part`` counts recordings that were joined.
    """

    packet: Packet[AudioStream]
    stream: AudioStream
    start: Fraction
    length: Fraction
    is_late: bool = False
    is_moved: bool = False
    part: int = 0

    @property
    def key(self) -> tuple[int, int]:
        """Which stream of the file it is of; the second number is 0 of those that its beginning shows."""
        return self.stream.index, self.part + 1 if self.is_late else 0

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


class StoredTimes:
    """Packets at the times that the file says.

    FFmpeg does not look into a stream that begins far behind the head of a file: it gives its packets no
    length, and of several in one packet of the container only the first has a time.
    """

    def __init__(self) -> None:
        self._lengths: dict[int, Fraction] = {}
        self._ends: dict[int, Fraction] = {}

    def heard(self, packet: Packet[AudioStream], stream: AudioStream) -> Heard | None:
        """Returns a packet of a stream, read in the order of the file; None where its time is unknown."""
        index, length = stream.index, (packet.duration or 0) * packet.time_base
        if not packet.duration and stream.codec_context.codec.canonical_name in EQUAL_PACKETS:
            if not self._lengths.get(index):
                self._lengths[index] = _decoded_length(packet, stream.codec_context.name)
            length = self._lengths[index]
        start = self._ends.get(index) if packet.pts is None else packet.pts * packet.time_base
        if start is None or not packet.size:
            return None
        self._ends[index] = start + length
        return Heard(packet, stream, start, length)


def _decoded_length(packet: Packet[AudioStream], decoder: str) -> Fraction:
    """Seconds of sound in a packet, decoded by itself; 0 where that fails."""
    context = CodecContext.create(decoder, "r")
    assert isinstance(context, AudioCodecContext)
    try:
        frames = [*context.decode(packet), *context.decode(None)]
    except FFmpegError as error:
        if isinstance(error, MemoryError):
            raise MemoryError(str(error)) from error
        return Fraction(0)
    return sum((Fraction(frame.samples, frame.sample_rate) for frame in frames), Fraction(0))


def with_own_times(packets: Sequence[Heard]) -> list[Heard]:
    """Returns packets that each have a time of their own, in the order of the file.

    A packet of a program stream has one time. FFmpeg gives it to two packets of sound in it, the first of
    which began before: it ends where the second begins.
    """
    own = [
        replace(one, start=later.start - one.length)
        if one.start == later.start and one.packet.pos == later.packet.pos is not None
        else one
        for one, later in pairwise(packets)
    ]
    return [*own, *packets[-1:]]


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
