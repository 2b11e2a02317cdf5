"""Sound streams that begin in mid-file: a container without an index is opened again where they begin."""

from __future__ import annotations  # PyAV's Packet[...] exists for type checkers only

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from fractions import Fraction
from typing import cast

import av
from av.audio.stream import AudioStream
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Discard, Stream

from clipmill.errors import UnreadableVideo
from clipmill.media.io.container import decodable_sound, demuxed, open_container, video_stream
from clipmill.media.io.cursor import cursor, cursor_behind
from clipmill.media.io.source import CountingReader
from clipmill.media.sound.packets import Heard, StoredTimes, overlapping

BEFORE_S = (Fraction(1), Fraction(0), Fraction(-1, 2))
"""How far before the wanted time a file is opened: the first place from which the stream is found."""

BEYOND_S = Fraction(1)


def late_sound(
    stack: ExitStack,
    reader: CountingReader,
    start: Fraction,
    end: Fraction,
    *,
    known: Sequence[AudioStream],
) -> list[Heard]:
    """Returns the sound of ``[start, end)`` in streams that the beginning of the file does not show.

    Streams that are ``known``, by their numbers and codecs, are none. What is opened for it is closed with
    ``stack``. The file's clock has to go on from there.
    """
    for before_s in BEFORE_S:
        offset = _offset_of(reader, start - before_s)
        found = _sound_from(stack, reader, offset, end, known) if offset else []
        if overlapping(found, start, end):
            return found
    return []


def _sound_from(
    stack: ExitStack, reader: CountingReader, offset: int, end: Fraction, known: Sequence[AudioStream]
) -> list[Heard]:
    try:
        own = stack.enter_context(cursor_behind(reader, offset))
        container = stack.enter_context(open_container(own))
        video = video_stream(container, own.uri)
    except UnreadableVideo:
        return []
    old = {(stream.id, stream.codec_context.name) for stream in known}
    late = [each for each in decodable_sound(container) if (each.id, each.codec_context.name) not in old]
    sounds = {stream.index: stream for stream in late}
    found, times = list[Heard](), StoredTimes()
    with suppress(FFmpegError):
        for packet in demuxed(container, cast("list[Stream]", [video, *sounds.values()])):
            if packet.pts is not None and packet.pts * packet.time_base > end + BEYOND_S:
                break
            if packet.stream_index in sounds:
                sound = cast("Packet[AudioStream]", packet)
                heard = times.heard(sound, sounds[packet.stream_index])
                found += [replace(heard, is_late=True)] if heard is not None else []
    if own.failure is not None:
        raise own.failure
    return found


def _offset_of(reader: CountingReader, time: Fraction) -> int:
    """Returns the place of the first picture behind a seek to ``time``; 0 where there is none."""
    with cursor(reader) as own, open_container(own) as container:
        stream = video_stream(container, own.uri)
        for other in container.streams:
            other.discard = Discard.default if other.index == stream.index else Discard.all
        with suppress(FFmpegError):
            container.seek(int(time * av.time_base))
            packet = next((each for each in demuxed(container, [stream]) if each.size), None)
            return max(packet.pos or 0, 0) if packet is not None else 0
        if own.failure is not None:
            raise own.failure
    return 0
