"""What a source's headers and a few byte ranges say, before it is worth a decode."""

import itertools
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from clipmill import identity
from clipmill.errors import UnreadableVideo
from clipmill.media.frames.decoders import decoder_of_stream
from clipmill.media.frames.fields import aspect_in, is_woven
from clipmill.media.frames.orientation import orientation
from clipmill.media.io.container import (
    check_readable,
    decodable_sound,
    default_of,
    demuxed,
    open_container,
    pixel_aspect,
    store_first,
    video_stream,
)
from clipmill.media.io.encryption import named_secret
from clipmill.media.io.source import CountingReader, open_source
from clipmill.records import Inspection, SourceFile, SourceLimits, VideoFacts, VideoReason

_FIRST_PICTURE_PACKETS = 64  # among which a decodable picture is looked for


def probe(reader: CountingReader, uri: str, *, limits: SourceLimits | None = None) -> VideoFacts:
    """Facts of the first real video stream, from the headers and one picture (only it tells the rotation).

    UnreadableVideo with a ``VideoReason`` when there is none to be had; with ``limits``, also ``over_limit``,
    which is found before a picture is decoded.
    """
    with named_secret(reader), open_container(reader) as container:
        stream = video_stream(container, uri)
        facts = _header_facts(container, stream, uri)
        if limits is not None:
            check_limits(facts, uri, limits)
        return _as_shown(facts, _first_frame(container, stream, uri), stream)


def read_identity(reader: CountingReader, size_bytes: int) -> str:
    """``video_id`` of the file, read from its identity ranges."""
    ranges = identity.identity_ranges(size_bytes)
    return identity.video_id(size_bytes, [reader.read_range(start, end) for start, end in ranges])


def inspect_source(source: SourceFile, *, limits: SourceLimits) -> Inspection:
    """Look at one source. A file that is no good is a rejection, a store that failed a StoreError.

    SourceChanged for a file that is not the one that was listed.
    """
    try:
        with open_source(source, max_bytes=limits.max_size_bytes) as reader:
            return _inspect(source, reader, limits)
    except UnreadableVideo as error:
        return Inspection(source, None, None, VideoReason(error.reason), str(error))


def check_limits(facts: VideoFacts, uri: str, limits: SourceLimits) -> None:
    """UnreadableVideo ``over_limit`` when the headers promise more than ``limits`` allow."""
    num_pixels = facts.width_px * facts.height_px
    if num_pixels > limits.max_pixels:
        size = f"{facts.width_px}x{facts.height_px}"
        raise _over_limit(uri, f"{size} are {num_pixels} pixels, allowed are {limits.max_pixels}")
    if facts.duration_s > limits.max_duration_s:
        raise _over_limit(
            uri, f"it lasts {facts.duration_s:.1f} s, allowed are {limits.max_duration_s:.1f} s"
        )


def _inspect(source: SourceFile, reader: CountingReader, limits: SourceLimits) -> Inspection:
    video_id = None
    if not source.version:  # then the listing may not know the size either
        source = replace(source, size_bytes=reader.size_bytes)
    try:
        with store_first(reader):
            if reader.size_bytes > limits.max_size_bytes:
                size = f"it has {reader.size_bytes} bytes, allowed are {limits.max_size_bytes}"
                raise _over_limit(source.uri, size)
            video_id = read_identity(reader, reader.size_bytes)
            facts = probe(reader, source.uri, limits=limits)
    except UnreadableVideo as error:
        reason = VideoReason(error.reason)
        return Inspection(source, video_id, None, reason, str(error), reader.bytes_read)
    return Inspection(source, video_id, facts, bytes_read=reader.bytes_read)


def _over_limit(uri: str, cause: str) -> UnreadableVideo:
    return UnreadableVideo(uri, VideoReason.OVER_LIMIT, cause)


def _header_facts(container: InputContainer, stream: VideoStream, uri: str) -> VideoFacts:
    codec = stream.codec_context
    if codec.width < 1 or codec.height < 1:
        raise UnreadableVideo(uri, VideoReason.UNREADABLE, "its video stream does not say how large it is")
    duration_s = _duration_s(container, stream)
    framerate = Fraction(stream.average_rate or stream.guessed_rate or stream.base_rate or 0)
    sound = default_of(decodable_sound(container))
    return VideoFacts(
        container=container.format.name,
        video_codec=codec.codec.canonical_name,
        pixel_format=codec.pix_fmt or "",
        width_px=codec.width,
        height_px=codec.height,
        rotation_deg=0,
        sar=pixel_aspect(stream),
        framerate=framerate,
        time_base=Fraction(stream.time_base or Fraction(1, av.time_base)),
        duration_s=duration_s,
        num_frames=stream.frames or round(duration_s * framerate),
        bit_rate_k=(codec.bit_rate or container.bit_rate or 0) // 1024,  # NeMo Curator divides by 1024
        audio_codec=sound.codec_context.codec.canonical_name if sound else None,
    )


def _duration_s(container: InputContainer, stream: VideoStream) -> float:
    if stream.duration is not None and stream.time_base is not None:
        return max(0.0, float(stream.duration * stream.time_base))
    return max(0.0, (container.duration or 0) / av.time_base)


def _as_shown(facts: VideoFacts, first: VideoFrame | None, stream: VideoStream) -> VideoFacts:
    """The facts of pictures as they are shown; as in the headers without a picture, the scan will tell why.

    Clockwise degrees make the picture upright. Headers count fields where these are coded one by one.
    """
    if first is None:
        return facts
    facts = replace(facts, rotation_deg=orientation(first).rotation_deg)
    if not is_woven(first, stream.codec_context):
        return facts
    return replace(
        facts,
        height_px=first.height,
        sar=aspect_in(first, facts.sar, stream.codec_context),
        framerate=facts.framerate / 2,
        num_frames=facts.num_frames // 2,
    )


def _first_frame(container: InputContainer, stream: VideoStream, uri: str) -> VideoFrame | None:
    stream.codec_context.thread_count = 1
    decode = decoder_of_stream(stream)
    with suppress(FFmpegError):
        for packet in itertools.islice(demuxed(container, [stream]), _FIRST_PICTURE_PACKETS):
            check_readable(packet, uri)
            for frame in decode(packet if packet.size else None):
                return frame
    return None


def quarter_turns_deg(counterclockwise_deg: int) -> int:
    """A display matrix' angle as 0, 90, 180 or 270 clockwise, the nearest of them."""
    return round(-counterclockwise_deg / 90) % 4 * 90
