"""Opening a container on a reader, and which of its streams is the video."""

from __future__ import annotations  # PyAV's Packet[...] exists for type checkers only

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from fractions import Fraction
from math import ceil
from typing import Protocol, TypeVar, cast

import av
from av.audio.stream import AudioStream
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from clipmill.errors import ClipmillError, StoreError, UnreadableVideo
from clipmill.media.io.joined_files import EBML, WithoutHeaders
from clipmill.media.io.joined_ogg import PAGE, WithOneChain
from clipmill.media.io.reused_pids import PACKET_BYTES, SYNC, WithOwnPids
from clipmill.media.io.source import CountingReader, open_source
from clipmill.records import SourceFile, VideoReason
from clipmill.storage.video_kinds import HEAD_BYTES, is_animated_webp, is_run_of_jpegs, is_video_head

# Playlists and the like are left out: they make a demuxer open other files. Sound formats are in, so that a
# file without pictures is called just that.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,avi,flv,asf,ogg,mxf,ivf,gif,apng,dv,rm,nut,gxf,wtv,"
    "dhav,h264,hevc,vvc,obu,av1,vc1,vc1test,m4v,mpegvideo,yuv4mpegpipe,mjpeg,mpjpeg,h261,h263,cavsvideo,"
    "dnxhd,cine,ser,lxf,nuv,nsv,pva,ty,flic,roq,bink,smk,ipmovie,thp,usm,moflex,vivo,4xm,mp3,aac,flac,wav"
)
FRAGMENTED_BYTES = 1 << 16
"""Where an mp4 that is in fragments says so."""
BACK_S = 1
"""A jump back of an mp4's decode times by so much: another file follows."""
IO_BUFFER_BYTES = 1 << 18
KEY_OF_MATROSKA = "enc_key_id"
"""Where FFmpeg puts the name of the key of a stream that is encrypted."""
PLAUSIBLE_SAR = (Fraction(1, 10), Fraction(10))

_Stream = TypeVar("_Stream", bound=Stream)
_WEAK_SIGNATURES = (b"RIFF", b"OggS", b"GIF8", b"\0\0\1", b"\0\0\0\1")
"""Of files that hold pictures or sound, if not always a video."""


@contextmanager
def open_container(reader: CountingReader, *, hwaccel: HWAccel | None = None) -> Generator[InputContainer]:
    """The container in ``reader``, headers read; with ``hwaccel`` its pictures are decoded there if it can.

    UnreadableVideo (``not_a_video``, ``unreadable``) when it cannot be opened; StoreError when the store
    fails.
    """
    with _opened(reader, _as_shown(reader), hwaccel) as container:
        yield container


@contextmanager
def open_in_file_order(reader: CountingReader) -> Generator[InputContainer]:
    """The container in ``reader``, whose packets come in the order of the file. The errors are the same.

    FFmpeg sorts the packets of an mp4 by their times, unless it cannot seek: behind fragments of another file
    it gives pictures long before their sound.
    """
    reader.seek(0)
    is_fragmented = b"mvex" in reader.read(FRAGMENTED_BYTES)
    with _opened(reader, _Forward(reader) if is_fragmented else _as_shown(reader), None) as container:
        yield container


def is_sorted_by_time(container: InputContainer) -> bool:
    """True for formats whose packets FFmpeg gives in the order of their times, not in that of the file."""
    return container.format.name.startswith("mov")


@contextmanager
def _opened(reader: CountingReader, shown: _Readable, hwaccel: HWAccel | None) -> Generator[InputContainer]:
    if reader.size_bytes == 0:
        raise UnreadableVideo(reader.uri, VideoReason.NOT_A_VIDEO, "the file is empty")
    try:
        container = av.open(
            shown,
            mode="r",
            format=_format_of(reader),
            options={"format_whitelist": FORMATS},
            metadata_errors="replace",
            buffer_size=IO_BUFFER_BYTES,
            hwaccel=hwaccel,
        )
    except (FFmpegError, ValueError, StoreError) as error:
        if isinstance(error, MemoryError):
            raise MemoryError(str(error)) from error
        raise reader.failure or _not_opened(reader, error) from error
    with container:
        yield container


def _format_of(reader: CountingReader) -> str | None:
    """The format where FFmpeg would find another one; None where it finds the right one."""
    reader.seek(0)
    head = reader.read(2)
    reader.seek(0)
    return "mjpeg" if is_run_of_jpegs(reader.uri, head) else None


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class _Forward:
    """The bytes of a file, for a reader that never goes back."""

    def __init__(self, reader: CountingReader) -> None:
        reader.seek(0)
        self.read = reader.read


def _as_shown(reader: CountingReader) -> _Readable:
    """What FFmpeg is shown of a file, so that it reads recordings put one behind the other."""
    reader.seek(0)
    head = reader.read(PACKET_BYTES + 1)
    reader.seek(0)
    if head.startswith(EBML):
        return WithoutHeaders(reader)
    if head.startswith(PAGE):
        return WithOneChain(reader)
    return WithOwnPids(reader) if (head[:1], head[PACKET_BYTES:]) == (bytes([SYNC]),) * 2 else reader


@contextmanager
def opened(source: SourceFile | str, *, max_bytes: int) -> Generator[tuple[CountingReader, InputContainer]]:
    """A source and its container, under ``store_first``."""
    with (
        open_source(source, max_bytes=max_bytes) as reader,
        store_first(reader),
        open_container(reader) as container,
    ):
        yield reader, container


@contextmanager
def store_first(reader: CountingReader) -> Generator[None]:
    """What fails inside because the store failed is the store's failure, not the end of the file.

    What succeeds, or fails for what was read, holds only if the source is still what was opened.
    """
    try:
        yield
    except ClipmillError:
        _raise_fault(reader)
        raise
    _raise_fault(reader)


def _raise_fault(reader: CountingReader) -> None:
    if reader.failure is not None:
        raise reader.failure from None
    reader.verify()


def video_stream(container: InputContainer, uri: str) -> VideoStream:
    """The video stream that players show: the first flagged as default, else the first.

    A cover picture is none; nor is a single picture beside a film.
    UnreadableVideo: ``no_video_stream``, ``encrypted`` as Matroska says it, or ``unsupported_codec`` when
    nothing here decodes it.
    """
    cover = Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & cover]
    chosen = default_of([stream for stream in streams if stream.frames != 1] or streams)
    if chosen is None:
        cause = "it holds no video stream"
        cause += ", only sound" if container.streams.audio else ""
        raise UnreadableVideo(uri, VideoReason.NO_VIDEO_STREAM, cause)
    if KEY_OF_MATROSKA in chosen.metadata:
        raise UnreadableVideo(uri, VideoReason.ENCRYPTED, "its pictures are encrypted")
    if not has_decoder(chosen):
        raise UnreadableVideo(uri, VideoReason.UNSUPPORTED_CODEC, "there is no decoder for its video codec")
    return chosen


def default_of(streams: Sequence[_Stream]) -> _Stream | None:
    """The first stream flagged as default, as enabled tracks of an mp4 are; else the first."""
    flagged = [stream for stream in streams if stream.disposition & Disposition.default]
    return next(iter(flagged or streams), None)


def decodable_sound(container: InputContainer) -> list[AudioStream]:
    """The audio streams that this build of FFmpeg decodes."""
    return [stream for stream in container.streams.audio if has_decoder(stream)]


def demuxed(container: InputContainer, streams: Iterable[_Stream]) -> Generator[Packet[_Stream]]:
    """Packets of the streams.

    One that begins after the container was opened, as in recordings of broadcasts, is passed over: PyAV does
    not know it and fails with IndexError at its packets. A demuxer begun anew goes on behind such a packet.
    """
    packets = _demuxed(container, list(streams))
    return _with_fragments_behind(packets) if container.format.name.startswith("mov") else packets


def _demuxed(container: InputContainer, known: list[_Stream]) -> Generator[Packet[_Stream]]:
    packets = container.demux(known)
    while True:
        try:
            packet = next(packets, None)
        except IndexError:
            packets = container.demux(known)
            continue
        if packet is None:
            return
        yield cast("Packet[_Stream]", packet)


def _with_fragments_behind(packets: Iterable[Packet[_Stream]]) -> Generator[Packet[_Stream]]:
    """Packets of an mp4; those of fragments of another file behind its own are all shown.

    FFmpeg applies the edit list of the first file to them, and would hide the beginning of the second.
    """
    last: dict[int, int] = {}
    most_back: dict[int, int] = {}
    is_behind = set[int]()
    for packet in packets:
        index, dts = packet.stream_index, packet.dts
        if dts is not None:
            if index not in most_back:
                most_back[index] = ceil(BACK_S / packet.time_base)
            if last.get(index, dts) - dts >= most_back[index]:
                is_behind.add(index)
            last[index] = dts
        yield _shown(packet) if packet.is_discard and index in is_behind else packet


def _shown(packet: Packet[_Stream]) -> Packet[_Stream]:
    """A copy of a packet without the flag that hides it."""
    copy = cast("Packet[_Stream]", Packet(bytes(packet)))
    copy.stream, copy.time_base, copy.is_keyframe = packet.stream, packet.time_base, packet.is_keyframe
    copy.pts, copy.dts, copy.duration = packet.pts, packet.dts, packet.duration
    return copy


def check_readable(packet: Packet[_Stream], uri: str) -> None:
    """UnreadableVideo, ``encrypted``, for a packet that a scheme of MPEG (CENC) keeps secret."""
    if packet.has_sidedata("encryption_info"):
        raise UnreadableVideo(uri, VideoReason.ENCRYPTED, "its pictures are encrypted")


def has_decoder(stream: VideoStream | AudioStream) -> bool:
    """False for a codec that this build of FFmpeg only knows by name, or not at all."""
    return getattr(stream, "codec_context", None) is not None  # PyAV leaves None, its types do not say so


def pixel_aspect(stream: VideoStream) -> Fraction:
    """Width over height of a pixel; 1 where unknown or absurd."""
    return plausible_aspect(stream.sample_aspect_ratio)


def plausible_aspect(sar: Fraction | None) -> Fraction:
    """The aspect, 1 where unknown or absurd."""
    if sar is None or not PLAUSIBLE_SAR[0] <= sar <= PLAUSIBLE_SAR[1]:
        return Fraction(1)
    return Fraction(sar)


def _not_opened(reader: CountingReader, error: Exception) -> UnreadableVideo:
    head = reader.read_range(0, min(HEAD_BYTES, reader.size_bytes))
    if is_animated_webp(head):
        return UnreadableVideo(
            reader.uri, VideoReason.UNSUPPORTED_CODEC, "FFmpeg has no decoder for WebP that moves"
        )
    if not is_video_head(head) and not head.startswith(_WEAK_SIGNATURES):
        return UnreadableVideo(reader.uri, VideoReason.NOT_A_VIDEO, "its content is no known video format")
    return UnreadableVideo(
        reader.uri, VideoReason.UNREADABLE, f"its container cannot be read: {_said(error)}"
    )


def _said(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
