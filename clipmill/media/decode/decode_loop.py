"""One walk through a container: packets to the digests, pictures of the video to those that look at them."""

from __future__ import annotations  # PyAV's Packet[...] exists for type checkers only

import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import NamedTuple, cast

from av import time_base as TICKS_PER_S  # noqa: N812, PyAV names a constant like a variable
from av.container import InputContainer
from av.error import ArgumentError, FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from clipmill.media.bitstream.digest import ContentDigest, joined_digest
from clipmill.media.bitstream.random_access import startable
from clipmill.media.decode.damage import Damage, MissingFragments, is_cut
from clipmill.media.decode.limits import refused_size
from clipmill.media.decode.pixel_shape import SizeChanges
from clipmill.media.decode.programme_parts import in_turn, parts_of
from clipmill.media.decode.sound_tracks import SoundTracks
from clipmill.media.frames.decoders import Decode, decoder_of_stream
from clipmill.media.frames.missing_timestamps import TrueTimes, true_times
from clipmill.media.io.container import check_readable, demuxed
from clipmill.media.io.counters import is_joined
from clipmill.media.io.joined_files import UnreadBytes, places_of_avi
from clipmill.media.io.source import CountingReader
from clipmill.sandbox.heartbeat import beat

MISSING_TAIL_S = 0.5
"""A file whose packets end this much before its headers say is cut off."""
JUMP_S = 1.0
"""From so much on a step between storage times is a jump of the clock."""
HELD_PACKETS = 2
"""So many packets of a stream a demuxer holds back."""
AHEAD_PACKETS, AHEAD_BYTES = 16, 1 << 18
"""Packets are read so far ahead: what reads them is in the processor's caches once for all, not for each."""
_KNOW_THEIR_LENGTH = ("mov", "matroska", "avi", "flv")  # others take it from their last packets, or guess


class _Doubt(NamedTuple):
    """A packet that the demuxer calls corrupt; ``place`` in the file."""

    number: int
    at_s: float
    place: int | None
    dts: int | None


class DecodeLoop:
    """Demuxes a container once. Pictures come in the decoder's order, which is display order.

    A packet that cannot be decoded costs the pictures up to the next key picture; a picture that the decoder
    had to patch is shown as it is. ``damage`` tells of both, and of a file that ends too early. ``decode``
    takes the place of FFmpeg's decoder. ``true_times`` is for ``stored_pts``; ``refused_size_px`` is
    (width, height) of a picture that was too large to be decoded. ``sound`` are the tracks beside the
    pictures. ``num_files`` lie one behind the other in an avi. ``reader`` is looked into where an mp4 may
    lack fragments.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        *,
        decode: Decode | None = None,
        begin_part: Callable[[VideoStream], None] | None = None,
        reader: CountingReader | None = None,
    ) -> None:
        self.damage = Damage()
        self.stream = stream
        self.true_times: TrueTimes = true_times(container, stream)
        self.refused_size_px: tuple[int, int] | None = None
        self._container = container
        self._stream = stream
        self._decode = decode or decoder_of_stream(stream)
        self._sizes = SizeChanges(stream)
        self._begin_part = begin_part
        self._parts = parts_of(container, stream) if begin_part is not None else [stream]
        self._unread = UnreadBytes(container, reader)
        is_avi = container.format.name == "avi" and reader is not None
        self.num_files = max(1, len(places_of_avi(reader))) if is_avi and reader else 1
        self._has_looked = False
        self._uri = "" if reader is None else reader.uri
        is_mp4 = container.format.name.startswith("mov")
        self._missing = MissingFragments(reader) if reader is not None and is_mp4 else None
        self._num_seen = 0
        self._seconds_per_tick = [float(each.time_base or 0) for each in container.streams]
        self.sound = SoundTracks(container, stream, has_clocks=self.num_files == 1)
        self._contents = {
            part.index: ContentDigest(_codec(part), _extradata(part)) for part in self._parts[:1]
        }
        self._tests = {part.index: startable(_codec(part), _extradata(part)) for part in self._parts}
        self._false_keys: set[int | None] = set()
        self._end_s = 0.0
        self._first_s: float | None = None
        self._progress = 0
        self._waits_for_key = False
        self._doubts: deque[_Doubt] = deque()
        self._reader = reader
        self._num_packets = self._num_losses = 0
        self._last_dts: int | None = None

    @property
    def content_digest(self) -> str:
        """Digest of the video packets so far; of those that could not be read, the size of the file."""
        unread = [str(self._container.size)] if self._unread.is_any else []
        return joined_digest([*(content.digest() for content in self._contents.values()), *unread])

    def frames(self) -> Generator[tuple[VideoFrame, bool]]:
        """Every frame that can be decoded and whether it is a real key picture, not a recovery point.

        Frames outside the edit list are left out by the demuxer.
        """
        for packet in itertools.chain(self._ahead(), [None]):
            if packet is not None and packet.stream_index != self._stream.index:
                yield from map(self._seen, self._decoded(None))
                self._begin(packet.stream)
            elif packet is not None and self._sizes.see(packet):
                yield from map(self._seen, self._drained())
            yield from map(self._seen, self._decoded(packet))
        self.check_end()

    def _ahead(self) -> Generator[Packet[VideoStream]]:
        """``packets``, read several at a time once a picture was seen; damage counts where it lies."""
        taken: list[tuple[Packet[VideoStream] | None, int]] = []
        num_bytes = num_noted = 0
        for packet in itertools.chain(self.packets(), [None]):
            taken.append((packet, self._num_losses))
            num_bytes += packet.size if packet is not None else 0
            is_full = packet is None or len(taken) == AHEAD_PACKETS or num_bytes >= AHEAD_BYTES
            if self._first_s is not None and not is_full:
                continue
            for each, num_losses in taken:
                for _ in range(num_losses - num_noted):
                    self.damage.lost(max(0, self._num_seen - 1))
                num_noted = num_losses
                if each is not None:
                    self._progress += 1  # of what sees the picture, which may take long
                    beat(self._progress, self._end_s)
                    yield each
            taken, num_bytes = [], 0

    def _seen(self, frame: VideoFrame) -> tuple[VideoFrame, bool]:
        at_s = self._seconds(self._stream.index, frame.pts)
        self._first_s = at_s if self._first_s is None else self._first_s
        if frame.is_corrupt:
            self._note("a picture is damaged", at_s)
            self.damage.patched(self._num_seen)
        self._num_seen += 1
        return frame, self._is_key(frame)

    def _begin(self, part: VideoStream) -> None:
        """Decode another stream from now on, in which the video goes on."""
        self._stream = self.stream = part
        self._decode, self._waits_for_key = decoder_of_stream(part), False
        self._sizes = SizeChanges(part)
        if self._begin_part is not None:
            self._begin_part(part)

    def starts_picture(self, packet: Packet[VideoStream]) -> bool:
        """Whether decoding can begin at a packet that just came: it holds a real key picture."""
        return packet.is_keyframe and packet.pts not in self._false_keys

    def _is_key(self, frame: VideoFrame) -> bool:
        if not frame.key_frame or frame.pts not in self._false_keys:
            return frame.key_frame
        if frame.pts is not None:
            self._false_keys.discard(frame.pts)  # hours of them would add up
        return False

    def packets(self) -> Generator[Packet[VideoStream]]:
        """Packets of the video, and of the sound, go to their digests; those of the video come out."""
        known = demuxed(self._container, self._container.streams)
        packets = in_turn(known, self._stream, self._parts)
        while (packet := self._next(packets)) is not None:
            if packet.size == 0:
                continue  # PyAV ends each stream with one, none of which says whose it is
            self._progress += 1
            beat(self._progress, self._end_s)
            self._unread.see(packet, self._lose_bytes)
            end_s = self._seconds(packet.stream_index, (packet.pts or 0) + (packet.duration or 0))
            self._end_s = max(self._end_s, end_s)
            if packet.stream_index in self._tests:
                self.sound.see_picture(packet, end_s=end_s)
                pictures = cast("Packet[VideoStream]", packet)
                self._look(pictures)
                data = bytes(packet)
                self._content(packet.stream_index).update(data)
                is_real_key = self._tests[packet.stream_index]
                if packet.is_keyframe and is_real_key is not None and not is_real_key(data):
                    self._false_keys.add(packet.pts)
                yield pictures
            else:
                self.sound.see(packet)

    def _lose_bytes(self, cause: str) -> None:
        self._note(cause, self._end_s)
        self._num_losses += 1

    def _look(self, packet: Packet[VideoStream]) -> None:
        """Look for what the demuxer does not call damage."""
        if not self._has_looked:
            check_readable(packet, self._uri)
            self._has_looked = True
        if self._missing is not None:
            self._missing.see(packet, self._note, self._seconds_per_tick[packet.stream_index])

    def _content(self, index: int) -> ContentDigest:
        """The digest of a part, which begins with its first packet."""
        if index not in self._contents:
            part = next(part for part in self._parts if part.index == index)
            self._contents[index] = ContentDigest(_codec(part), _extradata(part))
        return self._contents[index]

    def _next(self, packets: Iterator[Packet[Stream]]) -> Packet[Stream] | None:
        try:
            return next(packets, None)
        except FFmpegError as error:
            if not self._unread.is_all_read:
                self._note(f"the container cannot be read on: {error.strerror}", self._end_s)
            return None

    def _decoded(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        """Frames that ``packet``, or None for the end, completes."""
        at_s = self._end_s if packet is None else self._seconds(self._stream.index, packet.pts)
        self._doubt(packet, at_s)
        if packet is not None and self._waits_for_key and not packet.is_keyframe:
            self._lose(packet)
            return []
        self._waits_for_key = False
        try:
            return self._decode(packet)
        except FFmpegError as error:
            if isinstance(error, MemoryError):
                raise MemoryError(str(error)) from error
            self._note(f"{self._said(error, packet)}, decoding goes on at the next key picture", at_s)
            self._waits_for_key = True
            self._lose(packet)
            return []

    def _drained(self) -> list[VideoFrame]:
        """Frames that the decoder holds back; it begins anew behind them."""
        try:
            return self._decode(None)
        finally:
            self._stream.codec_context.flush_buffers()

    def _doubt(self, packet: Packet[VideoStream] | None, at_s: float) -> None:
        """Note a packet that the demuxer calls corrupt, unless the clock jumps soon behind it.

        Where recordings lie one behind the other, the count of packets breaks and nothing is missing.
        """
        if self._jumps(packet):
            self._doubts.clear()
        while self._doubts and (packet is None or self._num_packets - self._doubts[0].number > HELD_PACKETS):
            doubt = self._doubts.popleft()
            if not self._is_join(doubt, packet):
                self._note("a packet is cut off or damaged", doubt.at_s)
        if packet is not None and is_cut(packet):
            self._doubts.append(_Doubt(self._num_packets, at_s, packet.pos, packet.dts))
        self._num_packets += 1
        self._last_dts = packet.dts if packet is not None else None

    def _is_join(self, doubt: _Doubt, packet: Packet[VideoStream] | None) -> bool:
        """Whether another recording begins soon behind a packet, at the time at which it ends."""
        if self._reader is None or self._container.format.name != "mpegts" or packet is None:
            return False
        start, end, since, dts = doubt.place, packet.pos, doubt.dts, packet.dts
        if start is None or end is None or since is None or dts is None:
            return False
        num_steps = self._num_packets - doubt.number
        is_regular = dts - since < (num_steps + 1) * (packet.duration or 0)
        return is_regular and is_joined(self._reader, start, end)

    def _jumps(self, packet: Packet[VideoStream] | None) -> bool:
        if packet is None or packet.dts is None or self._last_dts is None:
            return False
        step_s = (packet.dts - self._last_dts) * self._seconds_per_tick[packet.stream_index]
        return not 0 <= step_s <= JUMP_S  # packets of one recording come in the order of their decoding

    def _lose(self, packet: Packet[VideoStream] | None) -> None:
        if packet is not None and not packet.is_discard:
            self.damage.lost(max(0, self._num_seen - 1))

    def _said(self, error: FFmpegError, packet: Packet[VideoStream] | None) -> str:
        if self.refused_size_px is None and isinstance(error, ArgumentError):
            self.refused_size_px = refused_size(lambda: self._stream.decode(packet))
            if self.refused_size_px is not None:
                width_px, height_px = self.refused_size_px
                return f"a picture of {width_px}x{height_px} is too large"
        return error.strerror or str(error)

    def check_end(self) -> None:
        """After the last packet: note as damage that the headers promise more, or that more files follow."""
        self._unread.end(lambda cause: self._note(cause, self._end_s))
        self.sound.end()
        promised_s = (self._container.duration or 0) / TICKS_PER_S
        if (
            self._container.format.name.startswith(_KNOW_THEIR_LENGTH)
            and promised_s - self._end_s > MISSING_TAIL_S
        ):
            self._note(f"the file ends, its headers promise {promised_s:.3f} s", self._end_s)

    def _seconds(self, stream_index: int, ticks: int | None) -> float:
        return (ticks or 0) * self._seconds_per_tick[stream_index]

    def _note(self, cause: str, at_s: float) -> None:
        self.damage.note(cause, at_s=max(0.0, at_s - (self._first_s or 0.0)))


def _codec(stream: VideoStream) -> str:
    return stream.codec_context.codec.canonical_name


def _extradata(stream: VideoStream) -> bytes:
    return stream.codec_context.extradata or b""
