"""Packets of videos that go on in another stream, as in recordings put one behind the other."""

from __future__ import annotations  # PyAV's Packet[...] exists for type checkers only

from collections.abc import Callable, Generator, Iterator

from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from clipmill.media.io.container import has_decoder

PARTED_FORMATS = frozenset({"mpegts", "mpeg"})
"""Formats whose files can be put one behind the other, each with streams of its own."""

ENOUGH_PACKETS = 50
"""A stream goes on in another one if so many packets of that come before one of its own.

A demuxer holds back the last two pictures of a stream until the end of the file: these are lost.
"""

UNREAD_BYTES = 1 << 18
"""Streams beside a video leave no such gap between its packets."""


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
            beside |= {each.stream_index for each in waiting}
            waiting.clear()
            yield packet
        elif is_begun and index not in beside:
            waiting.append(packet)
            if len(waiting) >= ENOUGH_PACKETS:
                current = index
                begun.add(index)
                yield from _taken(waiting, current)
    if waiting and waiting[0].stream_index not in begun:
        yield from _taken(waiting, waiting[0].stream_index)


def _taken(waiting: list[Packet[Stream]], index: int) -> list[Packet[Stream]]:
    """Those of the waiting packets that are of a stream; none wait any more."""
    taken = [packet for packet in waiting if packet.stream_index == index]
    waiting.clear()
    return taken


class UnreadBytes:
    """Finds stretches of a file from which nothing is read, such as programmes that begin in mid-file."""

    def __init__(self, container: InputContainer) -> None:
        self.is_any = False
        self._is_looked_for = container.format.name in PARTED_FORMATS
        self._read_to = 0

    def see(self, packet: Packet[Stream], note: Callable[[str, float], None], at_s: float) -> None:
        """The next packet that is read, ``at_s`` of the file's clock."""
        if not self._is_looked_for or packet.pos is None or packet.pos < 0:
            return
        num_bytes = packet.pos - self._read_to
        if num_bytes > UNREAD_BYTES:
            self.is_any = True
            note(f"{num_bytes} bytes hold no stream that the beginning of the file declares", at_s)
        self._read_to = max(self._read_to, packet.pos + packet.size)
