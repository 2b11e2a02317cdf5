"""The sound of a source, read span by span: its tracks, found by seeking or by a walk from the beginning."""

from __future__ import annotations  # PyAV's Packet[...] exists for type checkers only

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from fractions import Fraction
from functools import cached_property
from itertools import islice

import av
from av.audio.stream import AudioStream
from av.error import FFmpegError
from av.stream import Discard

from clipmill.media.bitstream.audio_frames import HeaderTest, Parameters, header_test
from clipmill.media.decode.programme_parts import PARTED_FORMATS
from clipmill.media.frames.timestamps import SOUND_JUMP, Timeline
from clipmill.media.io.container import decodable_sound, default_of, demuxed, open_container
from clipmill.media.io.cursor import cursor
from clipmill.media.io.source import CountingReader
from clipmill.media.sound.clock_walk import ClockWalk
from clipmill.media.sound.late_streams import late_sound
from clipmill.media.sound.ogg_pages import PageEnds
from clipmill.media.sound.own_jumps import own_jumps
from clipmill.media.sound.packets import Heard, StoredTimes, holes, overlapping

HEAD_PACKETS = 50
"""So many packets of the default track are looked at: what has packets between them runs beside it."""

SEEK_BACK_S = (Fraction(1), Fraction(10))

RESERVOIRS = frozenset({"mp3", "wmav1", "wmav2", "wmapro"})
"""Codecs whose packets hold sound of packets behind them: alone, the first ones are silent."""
RESERVOIR_S = Fraction(1, 4)
"""Ten frames of MP3 at 48 kHz, or a packet of WMA."""


class AudioSource:
    """The sound of a source. Times are seconds of the pictures' clock, repaired as theirs is.

    ``has_jumped_alone`` where the clock of a track jumps and that of the pictures does not.
    """

    def __init__(self, reader: CountingReader) -> None:
        self._stack = ExitStack()
        self._shared = reader
        self._reader = self._stack.enter_context(cursor(reader))
        self._container = self._stack.enter_context(open_container(self._reader))
        self._first_s = min(Fraction(self._container.start_time or 0, av.time_base), Fraction(0))
        self.tracks = decodable_sound(self._container)
        self.stream: AudioStream | None = default_of(self.tracks)
        self._walks: dict[int, ClockWalk] = {}
        self._timeline: Timeline | None = None
        self.has_jumped_alone = False
        self._late = ExitStack()
        self._declared: dict[int, Parameters | None] = {}
        for other in self._container.streams:
            other.discard = Discard.all

    def close(self) -> None:
        """Close what was opened; the reader stays open."""
        for walk in self._walks.values():
            walk.close()
        self._late.close()
        self._stack.close()

    def follow(self, timeline: Timeline, *, repaired_times: str) -> None:
        """Give sound the repaired times of pictures that are being decoded from the beginning.

        ``repaired_times`` is what the scan said of them.
        """
        for walk in self._walks.values():
            walk.close()
        self._timeline, self._walks = timeline, {}
        self.has_jumped_alone = SOUND_JUMP in repaired_times

    def heard(self, track: AudioStream, start: Fraction, end: Fraction) -> list[Heard]:
        """Packets of a track that are heard in ``[start, end)``, and one packet more at either end.

        Of codecs with a reservoir there are as many more before ``start`` as it takes to decode them.
        """
        if codec_of(track) in RESERVOIRS:
            start -= RESERVOIR_S
        if self._timeline is None:
            return self._sought(track, start, end)
        if track.index not in self._walks:
            jumps = own_jumps(self._shared, track.index) if self.has_jumped_alone else []
            self._walks[track.index] = ClockWalk(self._shared, track.index, self._timeline, jumps)
        return self._walks[track.index].heard(start, end)

    def followed(self, packets: Sequence[Heard], start: Fraction, end: Fraction) -> list[Heard]:
        """Sound of other streams for the stretches of ``[start, end)`` in which the default one has none.

        Broadcasts end one stream and begin another in mid-file. Other tracks of other formats, and those that
        run beside the default one, are no continuation: they hold other languages.
        """
        self._late.close()
        found = [*packets]
        if self._container.format.name not in PARTED_FORMATS:
            return found
        for stream in self._others if holes(found, start, end) else []:
            for hole in holes(found, start, end):
                found += overlapping(self.heard(stream, *hole), *hole)
        if self._timeline is None:
            for hole in holes(found, start, end):
                found += overlapping(late_sound(self._late, self._shared, *hole, known=self.tracks), *hole)
        return sorted(found, key=lambda each: each.start) if len(found) > len(packets) else found

    @cached_property
    def _others(self) -> list[AudioStream]:
        """The tracks that do not run beside the default one at the head of the file."""
        others = [each for each in self.tracks if each is not self.stream]
        if not others or self.stream is None:
            return []
        beside, waiting, num_heard = set[int](), set[int](), 0
        with cursor(self._shared) as own, open_container(own) as container, suppress(FFmpegError):
            known = [
                container.streams[each.index] for each in self.tracks if each.index < len(container.streams)
            ]
            for packet in islice(demuxed(container, known), 2 * HEAD_PACKETS * len(self.tracks)):
                if packet.stream_index != self.stream.index:
                    waiting |= {packet.stream_index} if num_heard else set()
                    continue
                num_heard, beside = num_heard + 1, beside | waiting
                if num_heard == HEAD_PACKETS:
                    break
            if own.failure is not None:
                raise own.failure
        return [each for each in others if each.index not in beside]

    def declared(self, stream: AudioStream) -> Parameters | None:
        """What the first packet of a stream declares; a file that holds others needs other headers."""
        if stream.index not in self._declared:
            with cursor(self._shared) as own, open_container(own) as container, suppress(FFmpegError):
                packets = demuxed(container, [container.streams[stream.index]])
                first = next((packet for packet in packets if packet.size), None)
                if own.failure is not None:
                    raise own.failure
                self._declared[stream.index] = None if first is None else test_of(stream)(bytes(first))
        return self._declared.get(stream.index)

    def _sought(self, stream: AudioStream, start: Fraction, end: Fraction) -> list[Heard]:
        """Packets by their own times."""
        found: list[Heard] = []
        stream.discard = Discard.default
        for back_s in SEEK_BACK_S:
            found = list(self._between(stream, start, end, back_s))
            if found and found[0].start <= start:
                break
        stream.discard = Discard.all
        return found

    def _between(
        self, stream: AudioStream, start: Fraction, end: Fraction, back_s: Fraction
    ) -> Iterator[Heard]:
        self._seek(int(max(start - back_s, self._first_s) * av.time_base))
        previous: Heard | None = None
        for heard in self._timed(stream):
            if heard.start >= start and previous is not None:
                yield previous
            previous = heard
            if heard.start >= end:
                break
        if self._reader.failure is not None:
            raise self._reader.failure
        if previous is not None and previous.end > start:
            yield previous

    def _timed(self, stream: AudioStream) -> Iterator[Heard]:
        """Packets of a stream that have a time, from where the container is."""
        times, pages = StoredTimes(), PageEnds(stream)
        with suppress(FFmpegError):
            for packet in demuxed(self._container, [stream]):
                heard = times.heard(packet, stream)
                yield from pages.take(heard) if heard is not None else ()
        yield from pages.rest()

    def _seek(self, ticks: int) -> None:
        """Go to a time, or to the beginning; what is read from there is judged by its times."""
        try:
            self._container.seek(ticks)
        except FFmpegError:  # FLV finds nothing before its first packet, and then reads on from anywhere
            with suppress(FFmpegError):
                self._container.seek(ticks, backward=False)


def codec_of(stream: AudioStream) -> str:
    """The codec's name, whatever decodes it."""
    return stream.codec_context.codec.canonical_name


def test_of(stream: AudioStream) -> HeaderTest:
    """The test for packets of a stream."""
    return header_test(codec_of(stream), stream.codec_context.extradata or b"")
