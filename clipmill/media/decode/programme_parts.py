"""Packets of videos that go on in another stream, as in recordings put one behind the other."""

from __future__ import annotations  # PyAV's Packet[...] exists for type checkers only

from collections.abc import Generator, Iterator

from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from clipmill.media.io.container import has_decoder

PARTED_FORMATS = frozenset({"mpegts", "mpeg"})
"""Formats whose files can be put one behind the other, each with streams of its own."""

ENOUGH_PACKETS = 50
"""A stream goes on in another one if so many packets of that come before one of its own.

A demuxer holds back the last two pictures of a stream until the end of the file: these are lost, unless that
is near.
"""


def parts_of(container: InputContainer, first: VideoStream) -> list[VideoStream]:
    """The video streams in which ``first`` may go on, itself included."""
    if container.format.name not in PARTED_FORMATS:
        return [first]
    cover = Disposition.attached_pic
    others = [each for each in container.streams.video if not each.disposition & cover and has_decoder(each)]
    return [first, *(each for each in others if each.index != first.index)]


def in_turn(
    packets: Iterator[Packet[Stream]], first: VideoStream, parts: list[VideoStream]
) -> Generator[Packet[Stream]]:
    """Packets of ``first``, of the stream that goes on behind it, and so on; those that are no video stay.

    A stream that runs beside another one is left out. Up to ``ENOUGH_PACKETS`` packets wait for this to be
    known.
    """
    if len(parts) == 1:
        yield from packets
        return
    current, beside, begun = first.index, set[int](), {first.index}
    videos = {part.index for part in parts}
    waiting: list[Packet[Stream]] = []
    is_begun = False
    for packet in packets:
        index = packet.stream_index
        if index not in videos or packet.size == 0:
            yield packet
        elif index == current:
            is_begun = True
            beside |= _overtaken(waiting, packet)
            yield packet
        elif is_begun and index not in beside:
            waiting.append(packet)
            if len(waiting) >= ENOUGH_PACKETS:
                current = index
                begun.add(index)
                yield from _taken(waiting, current)
    if waiting and waiting[0].stream_index not in begun:
        yield from _taken(waiting, waiting[0].stream_index)


def _overtaken(waiting: list[Packet[Stream]], packet: Packet[Stream]) -> set[int]:
    """The streams of waiting packets beside which that of a packet goes on; none of them waits any more.

    They go on waiting for a packet that lies before them in the file: it was held back.
    """
    first = waiting[0].pos if waiting else None
    if first is not None and packet.pos is not None and 0 <= packet.pos < first:
        return set()
    found = {each.stream_index for each in waiting}
    waiting.clear()
    return found


def _taken(waiting: list[Packet[Stream]], index: int) -> list[Packet[Stream]]:
    """Those of the waiting packets that are of a stream; none wait any more."""
    taken = [packet for packet in waiting if packet.stream_index == index]
    waiting.clear()
    return taken
