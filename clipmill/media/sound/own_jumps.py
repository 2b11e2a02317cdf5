"""Jumps of the clock of a track alone, found by reading the packets of a file once more."""

from __future__ import annotations  # PyAV's Packet[...] exists for type checkers only

from contextlib import suppress
from typing import cast

from av.audio.stream import AudioStream
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream

from clipmill.media.decode.programme_parts import in_turn, parts_of
from clipmill.media.frames.sound_clock import SoundClock, SoundJump
from clipmill.media.io.container import demuxed, is_sorted_by_time, open_in_file_order, video_stream
from clipmill.media.io.cursor import cursor
from clipmill.media.io.source import CountingReader
from clipmill.media.sound.packets import StoredTimes


def own_jumps(reader: CountingReader, track_index: int) -> list[SoundJump]:
    """Returns the jumps of the clock of a track; packets that have a time are counted from 0."""
    clock, stored = SoundClock(), StoredTimes()
    picture_s, end_s = None, 0.0
    with cursor(reader) as own, open_in_file_order(own) as container, suppress(FFmpegError):
        video, track = video_stream(container, own.uri), cast(AudioStream, container.streams[track_index])
        parts, is_sorted = parts_of(container, video), is_sorted_by_time(container)
        packets = demuxed(container, cast("list[Stream]", [*parts, track]))
        for packet in in_turn(packets, video, parts):
            if packet.stream_index == track_index:
                heard = stored.heard(cast("Packet[AudioStream]", packet), track)
                if heard is not None:
                    start_s = float(heard.start)
                    clock.see(start_s, float(heard.length), beside_s=start_s if is_sorted else picture_s)
            elif packet.size and packet.dts is not None:
                picture_s = float(packet.dts * packet.time_base)
                end_s = max(
                    end_s, float((packet.pts or 0) + (packet.duration or 0)) * float(packet.time_base)
                )
    if own.failure is not None:
        raise own.failure
    clock.end(end_s)
    return clock.jumps
