"""Sound of a Matroska file behind another one, read by its own headers.

FFmpeg reads it by those of the first file.
"""

from __future__ import annotations  # PyAV's Packet[...] exists for type checkers only

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from fractions import Fraction

from av.audio.stream import AudioStream
from av.error import FFmpegError

from clipmill.errors import UnreadableVideo
from clipmill.media.io.container import decodable_sound, default_of, demuxed, open_container
from clipmill.media.io.cursor import cursor_behind
from clipmill.media.io.joined_files import EBML, LOOK_BYTES, SHORTEST_HEADER
from clipmill.media.io.source import CountingReader
from clipmill.media.sound.packets import EQUAL_PACKETS, Heard, StoredTimes

DESCRIBE_THEMSELVES = (EQUAL_PACKETS | {"flac", "dts", "opus"}) - {"aac"}
"""Codecs whose packets decode whatever the headers of the file say."""


def header_between(reader: CountingReader, start: int, end: int) -> int | None:
    """Returns where a file begins between two packets, if one does."""
    if end - start <= SHORTEST_HEADER:
        return None
    at = reader.read_range(start, min(start + LOOK_BYTES, end)).find(EBML)
    return start + at if at >= 0 else None


class LaterFile:
    """The default audio track of the file that begins at ``place``.

    What is opened is closed with ``stack``.
    """

    def __init__(self, stack: ExitStack, reader: CountingReader, place: int) -> None:
        self._reader = stack.enter_context(cursor_behind(reader, place))
        self._container = stack.enter_context(open_container(self._reader))
        self.sound: AudioStream | None = default_of(decodable_sound(self._container))
        self._packets = self._timed()
        self._next = next(self._packets, None)

    def differs_from(self, track: AudioStream) -> bool:
        """Whether packets of the file cannot be decoded by the headers of another one."""
        if self.sound is None:
            return False
        one, other = self.sound.codec_context, track.codec_context
        formats = [(each.codec.canonical_name, each.sample_rate, each.layout.name) for each in (one, other)]
        if formats[0] != formats[1]:
            return True
        return one.codec.canonical_name not in DESCRIBE_THEMSELVES and one.extradata != other.extradata

    def up_to(self, time: Fraction) -> Iterator[Heard]:
        """Yields the packets that begin before a time of the file's own clock, each once."""
        while self._next is not None and self._next.start < time:
            yield self._next
            self._next = next(self._packets, None)

    def _timed(self) -> Iterator[Heard]:
        """Packets up to where a third file begins."""
        stored, last = StoredTimes(), None
        if self.sound is None:
            return
        with suppress(FFmpegError):
            for packet in demuxed(self._container, [self.sound]):
                heard = stored.heard(packet, self.sound)
                if heard is None:
                    continue
                if last is not None and heard.start < last - 1:
                    break
                last = heard.start
                yield replace(heard, is_late=True)
        if self._reader.failure is not None:
            raise self._reader.failure


def later_file(stack: ExitStack, reader: CountingReader, place: int, track: AudioStream) -> LaterFile | None:
    """Returns the file that begins at ``place`` if its sound needs headers other than those of ``track``."""
    try:
        found = LaterFile(stack, reader, place)
    except UnreadableVideo:
        return None
    return found if found.differs_from(track) else None
