"""Frames of a source from any time on: seeks to a real key picture before it, and knows when that failed."""

from __future__ import annotations  # PyAV's Packet[...] exists for type checkers only

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from fractions import Fraction
from typing import cast

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Discard, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from clipmill.media.bitstream.random_access import decodable_from
from clipmill.media.decode.backends import skip_loop_filter
from clipmill.media.decode.pixel_shape import PixelShape, SizeChanges
from clipmill.media.decode.programme_parts import in_turn, parts_of
from clipmill.media.frames.decoders import decoder_of_stream
from clipmill.media.frames.time_grid import MAX_RATE_DENOMINATOR
from clipmill.media.io.container import demuxed, open_container, video_stream
from clipmill.media.io.cursor import cursor
from clipmill.media.io.source import CountingReader
from clipmill.records import ClipSpan
from clipmill.stages.decoder import DecoderQuality

SEEK_BACK_S = (0, 2, 10, 60)
"""How far before the wanted time to look for a key picture, before the file is read from its beginning."""

LOSE_BY_DISCARD = frozenset({"asf"})
"""Formats whose demuxer loses pictures behind damage where it need not give the sound."""

LONG_GAP_S = 10.0
"""Where a container has no index, decoding on is taken for cheaper than a seek up to this gap."""

PLAUSIBLE_RATES = (Fraction(1), Fraction(25), Fraction(240))
"""The slowest, the one where nothing is known, the fastest."""


class ClipSource:
    """The first real video stream of one source, opened for cutting.

    UnreadableVideo where there is none. ``hwaccel`` decodes where it can; software does the rest.
    ``quality`` ``draft`` is for pictures that become no clip.
    """

    def __init__(
        self, reader: CountingReader, *, hwaccel: HWAccel | None = None, quality: DecoderQuality = "exact"
    ) -> None:
        self._quality = quality
        self.uri = reader.uri
        self._hwaccel = hwaccel
        self._shared = reader
        self._stack = ExitStack()
        self._open()

    @property
    def codec(self) -> str:
        """The codec's name, whatever decodes it."""
        return self.stream.codec_context.codec.canonical_name

    @property
    def bit_rate(self) -> int:
        """Bits a second of the pictures, else of the whole file, as near as the headers tell."""
        return bit_rate_of(self.container, self.stream, self._shared.size_bytes)

    def close(self) -> None:
        """Close the container; the reader stays open."""
        self._stack.close()

    def frames_from(self, start_pts: int) -> Iterator[VideoFrame]:
        """Frames in display order, from the last key picture at or before ``start_pts`` on."""
        yield from self._decoded(self._packets_before(start_pts))

    def frames_of(self, spans: Sequence[ClipSpan]) -> Iterator[VideoFrame]:
        """All frames in ``spans``, ascending by start, and of those before and between them some.

        Left out are H.264 pictures to which no other refers; H.265's own word for them promises less.
        """
        packets = self._packets_before(spans[0].start_pts)
        yield from self._decoded(self._sparing(packets, spans) if self.codec == "h264" else packets)

    def frames_from_beginning(self) -> Iterator[VideoFrame]:
        """Every frame of the video, in display order, also of other streams in which it goes on."""
        self.close()
        self._open()
        for part in self._parts:
            part.discard = Discard.default
        yield from self._decoded(self._demux(self._parts))

    def packets_from(self, start_pts: int) -> Iterator[Packet[VideoStream]]:
        """Packets of the video stream from before ``start_pts`` on, in decode order."""
        self._seek(start_pts)
        return self._demux()

    def saves_decoding(self, *, after_pts: int, before_pts: int) -> bool:
        """Whether a seek to ``before_pts`` skips frames, for one who has decoded up to ``after_pts``."""
        entries = self.stream.index_entries
        at = entries.search_timestamp(before_pts) if len(entries) else -1
        if at >= 0 and entries[at].timestamp > after_pts:
            return True
        return (before_pts - after_pts) * self.time_base > LONG_GAP_S

    def _open(self) -> None:
        self._reader = self._stack.enter_context(cursor(self._shared))
        self.container = self._stack.enter_context(open_container(self._reader, hwaccel=self._hwaccel))
        self.stream = video_stream(self.container, self.uri)
        self.stream.codec_context.thread_count = 1
        self.shape = PixelShape(self.container, self.stream)
        self._parts = parts_of(self.container, self.stream)
        for part in self._parts:
            part.codec_context.thread_count = 1
            if self._quality == "draft":
                skip_loop_filter(part)
        for other in () if self.container.format.name in LOSE_BY_DISCARD else self.container.streams:
            if other.index != self.stream.index:
                other.discard = Discard.all
        self.time_base = Fraction(self.stream.time_base or Fraction(1, av.time_base))

    def _seek(self, pts: int) -> None:
        with suppress(FFmpegError):  # what is read from where it stands is judged by its times
            self.container.seek(pts, stream=self.stream)

    def _demux(self, parts: Sequence[VideoStream] = ()) -> Iterator[Packet[VideoStream]]:
        """Packets with data; damage ends them as it ends those of the scan."""
        wanted = list(parts) or [self.stream]
        packets = demuxed(self.container, cast("list[Stream]", wanted))
        with suppress(FFmpegError):
            for packet in in_turn(packets, self.stream, wanted):
                if packet.size:
                    yield cast("Packet[VideoStream]", packet)
        if self._reader.failure is not None:
            raise self._reader.failure

    def _packets_before(self, start_pts: int) -> Iterator[Packet[VideoStream]]:
        """Packets from the last key picture at or before ``start_pts`` on, else from the beginning."""
        for back_s in SEEK_BACK_S:
            packets = self._packets_from_key(start_pts - int(back_s / self.time_base))
            first = next(packets, None)
            if first is not None and _shown_at(first) <= start_pts:
                return itertools.chain((first,), packets)
        self.close()
        self._open()
        return self._demux()

    def _sparing(
        self, packets: Iterable[Packet[VideoStream]], spans: Sequence[ClipSpan]
    ) -> Iterator[Packet[VideoStream]]:
        """The packets; before each the decoder learns whether it may pass over it."""
        context, last_start = self.stream.codec_context, spans[-1].start_pts
        try:
            for packet in packets:
                pts = packet.pts
                is_spare = pts is not None and pts < last_start and not _is_inside(pts, spans)
                context.skip_frame = "NONREF" if is_spare else "DEFAULT"
                yield packet
        finally:
            context.skip_frame = "DEFAULT"

    def _packets_from_key(self, pts: int) -> Iterator[Packet[VideoStream]]:
        self._seek(pts)
        is_key = decodable_from(self.codec, self.stream.codec_context.extradata or b"")
        packets = self._demux()
        for packet in packets:
            if packet.is_keyframe and (is_key is None or is_key(bytes(packet))):
                yield packet
                break
        yield from packets

    def _decoded(self, packets: Iterable[Packet[VideoStream]]) -> Iterator[VideoFrame]:
        """Frames of the packets; after a damaged one the next key picture is waited for, as in the scan."""
        waits_for_key, part, decode = False, self.stream, decoder_of_stream(self.stream)
        sizes = SizeChanges(part)
        for packet in itertools.chain(packets, (None,)):
            if packet is not None and packet.stream_index != part.index:
                yield from self._shaped(decode(None))
                part, waits_for_key, decode = packet.stream, False, decoder_of_stream(packet.stream)
                self.shape, sizes = PixelShape(self.container, part), SizeChanges(part)
            elif packet is not None and sizes.see(packet):
                with suppress(FFmpegError):
                    yield from self._shaped(decode(None))
                part.codec_context.flush_buffers()
            if waits_for_key and packet is not None and not packet.is_keyframe:
                continue
            try:
                frames = decode(packet)
                waits_for_key = False
                if packet is not None:
                    self.shape.see_packet(packet.pts)
                yield from self._shaped(frames)
            except FFmpegError as error:
                if isinstance(error, MemoryError):
                    raise MemoryError(str(error)) from error
                waits_for_key = True

    def _shaped(self, frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
        """The frames, each seen by ``shape`` before it comes out."""
        for frame in frames:
            self.shape.see_frame(frame)
            yield frame


def bit_rate_of(container: InputContainer, stream: VideoStream, size_bytes: int) -> int:
    """Bits a second of the pictures, else of the whole file, as near as the headers tell."""
    known = stream.bit_rate or container.bit_rate
    length_s = (container.duration or 0) / av.time_base
    return known or round(8 * size_bytes / max(length_s, 1e-3))


def nominal_rate(stream: VideoStream) -> Fraction:
    """Frames a second by the headers, made plausible where they are not."""
    slowest, usual, fastest = PLAUSIBLE_RATES
    rate = Fraction(stream.average_rate or stream.guessed_rate or usual)
    return min(max(rate, slowest), fastest).limit_denominator(MAX_RATE_DENOMINATOR)


def _is_inside(pts: int, spans: Iterable[ClipSpan]) -> bool:
    return any(span.start_pts <= pts < span.end_pts for span in spans)


def _shown_at(packet: Packet[VideoStream]) -> int:
    """Time of a packet; one without is not to be trusted to lie before anything."""
    if packet.pts is not None:
        return packet.pts
    return packet.dts if packet.dts is not None else 1 << 62
