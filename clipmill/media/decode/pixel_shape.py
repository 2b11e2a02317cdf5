"""The shape of pixels and pictures, which a broadcast changes from one programme to the next."""

from __future__ import annotations  # PyAV's Packet[...] exists for type checkers only

from fractions import Fraction

from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from clipmill.media.bitstream.random_access import mpeg_sizes
from clipmill.media.frames.fields import aspect_in
from clipmill.media.io.container import pixel_aspect, plausible_aspect

_DECLARE_ASPECT = ("mov", "matroska")
"""Containers whose own word for the aspect counts for the whole file, whatever its pictures say."""


class PixelShape:
    """Follows the aspect of pixels (width over height) while a stream is decoded.

    A decoder knows a new aspect from the first packet that has it on, some frames before it gives them out.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self.aspect = self._stored = pixel_aspect(stream)
        self._context = stream.codec_context
        self._is_fixed = container.format.name.startswith(_DECLARE_ASPECT)
        self._decoded: Fraction | None = None
        self._changes_at: int | None = None
        self._last_pts: int | None = None

    def see_packet(self, pts: int | None) -> bool:
        """A packet, shown at ``pts`` of the file's clock, was decoded; True if it has a new shape."""
        if self._is_fixed:
            return False
        found, before = plausible_aspect(self._context.sample_aspect_ratio), self._decoded
        self._decoded = found
        if before in (None, found):
            return False
        self._changes_at = pts
        return True

    def see_frame(self, frame: VideoFrame) -> None:
        """A frame came out of the decoder; ``aspect`` is now its own."""
        first, pts, last = self._changes_at, frame.pts, self._last_pts
        if first is not None and (pts is None or pts >= first or (last is not None and pts < last)):
            self._stored, self._changes_at = self._decoded or self._stored, None
        self.aspect = aspect_in(frame, self._stored, self._context)
        self._last_pts = pts


class SizeChanges:
    """Finds the packets with which MPEG-1 and MPEG-2 pictures get another size.

    FFmpeg's decoder then forgets the picture that it holds back, unless it is drained before.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._is_mpeg = stream.codec_context.codec.canonical_name in ("mpeg1video", "mpeg2video")
        self._size: bytes | None = None

    def see(self, packet: Packet[VideoStream]) -> bool:
        """Returns True if the decoder has to be drained before this packet."""
        size = next(mpeg_sizes(bytes(packet)), None) if self._is_mpeg and packet.is_keyframe else None
        before, self._size = self._size, size or self._size
        return None not in (before, size) and before != size
