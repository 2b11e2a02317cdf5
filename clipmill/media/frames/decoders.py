"""What decodes the packets of a stream: FFmpeg's decoder, and what has to be done to its pictures."""

from __future__ import annotations  # PyAV's Packet[...] exists for type checkers only

from collections.abc import Callable

from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from clipmill.media.frames.fields import Weaver

Decode = Callable[["Packet[VideoStream] | None"], list[VideoFrame]]
"""Gives the frames that a packet, or None for the end, completes."""
_BEGIN_ANYWHERE = frozenset(
    {"mpeg4", "h263", "flv1", "msmpeg4v1", "msmpeg4v2", "msmpeg4v3", "wmv1", "wmv2", "rv10", "rv20"}
)
"""Codecs whose decoders show pictures that need others which never came: changes on grey."""


def decoder_of_stream(stream: VideoStream) -> Decode:
    """Returns what decodes packets of a stream from its beginning, or a key picture, on to whole pictures."""
    codec = stream.codec_context.codec.canonical_name
    if codec in _BEGIN_ANYWHERE:
        return _from_key(stream)
    return _woven(stream) if codec == "hevc" else stream.decode


def _from_key(stream: VideoStream) -> Decode:
    """Without the pictures before the first key picture, as decoders of other codecs leave them out."""
    has_begun = False

    def decode(packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        nonlocal has_begun
        frames = stream.decode(packet)
        while frames and not has_begun:
            has_begun = frames[0].key_frame
            frames = frames if has_begun else frames[1:]
        return frames

    return decode


def _woven(stream: VideoStream) -> Decode:
    weaver = Weaver()

    def decode(packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        frames = [whole for frame in stream.decode(packet) for whole in weaver.take(frame)]
        return frames if packet is not None else [*frames, *weaver.finish()]

    return decode
