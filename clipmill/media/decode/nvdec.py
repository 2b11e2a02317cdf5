"""Decoding by an NVIDIA GPU's own decoder (NVDEC), through PyNvVideoCodec: packets in, frames out.

The demuxer stays FFmpeg's, so that times, digests and edit lists are the same; NVDEC only takes the place of
the decoder. Its pictures come to the host as NV12 or P016 and are laid out as FFmpeg's decoder would have
them: whatever looks at a frame cannot tell who decoded it. The first picture is FFmpeg's own, for its tags
(colour, rotation, interlacing) are read from the stream by nothing else.
"""

from __future__ import annotations  # PyAV's Packet[...] exists for type checkers only

import ctypes
from collections.abc import Iterator, Sequence
from typing import Protocol, cast

import numpy as np
from av.bitstream import BitStreamFilterContext
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.stream import VideoStream

from clipmill.errors import ClipmillError

CODECS = {"h264": "H264", "hevc": "HEVC", "vp8": "VP8", "vp9": "VP9", "av1": "AV1", "mpeg2video": "MPEG2"}
"""FFmpeg's names to NVDEC's."""
BIT_DEPTHS = {"yuv420p": 8, "yuvj420p": 8, "yuv420p10le": 10, "yuv420p12le": 12}
_TO_ANNEX_B = {"h264": "h264_mp4toannexb", "hevc": "hevc_mp4toannexb"}
_DEPTH_OF_SURFACE = 16  # a deep sample lies in the high bits of 16


class NvdecFault(ClipmillError):
    """NVDEC cannot decode this video here, or not to its end: FFmpeg's decoder can."""


class Surface(Protocol):
    """A decoded picture in host memory, luma first, then blue and red difference in turns."""

    def GetPtrToPlane(self, index: int, /) -> int:
        """Address of a plane."""
        ...

    def framesize(self) -> int:
        """Bytes of all planes."""
        ...

    def getPTS(self) -> int:
        """The pts of its packet."""
        ...


class NvPacket(Protocol):
    """Compressed data for the decoder; empty at the end."""

    bsl: int
    bsl_data: int
    pts: int


class NvDecoder(Protocol):
    """A decoder's session."""

    def Decode(self, packet: NvPacket, /) -> Sequence[Surface]:
        """Pictures in display order; they hold until the next call."""
        ...

    def GetWidth(self) -> int:
        """Pixels."""
        ...

    def GetHeight(self) -> int:
        """Pixels."""
        ...


class NvLibrary(Protocol):
    """What is used of the module PyNvVideoCodec."""

    cudaVideoCodec: object

    def PacketData(self) -> NvPacket:
        """An empty packet."""
        ...

    def CreateDecoder(self, *, gpuid: int, codec: object, usedevicememory: bool) -> NvDecoder:
        """A session on a GPU; a RuntimeError where it has none left or does not know the codec."""
        ...

    def GetDecoderCaps(self, *, gpuid: int, codec: object, bitdepth: int) -> dict[str, int]:
        """What a GPU can decode; ``is_supported`` among it where the driver says so."""
        ...


class NvdecDecoder:
    """Takes the place of ``VideoStream.decode`` for a stream; NvdecFault, with the cause, where it cannot."""

    def __init__(self, stream: VideoStream, *, gpu: int = 0, library: NvLibrary | None = None) -> None:
        codec, pixel_format = stream.codec_context.codec.canonical_name, stream.codec_context.pix_fmt or ""
        if codec not in CODECS:
            raise NvdecFault(f"NVDEC is not asked for {codec}")
        if pixel_format not in BIT_DEPTHS:
            raise NvdecFault(f"NVDEC is not asked for {pixel_format}")
        self._stream = stream
        self._format, self._bit_depth = pixel_format, BIT_DEPTHS[pixel_format]
        self._library = library or nv_library()
        self._session = _session(self._library, codec, gpu=gpu, bit_depth=self._bit_depth)
        self._filter = BitStreamFilterContext(_TO_ANNEX_B[codec], stream) if codec in _TO_ANNEX_B else None
        self._first: VideoFrame | None = None
        self._is_past_first = False
        self._key_pts: set[int] = set()
        self._hidden_pts: set[int] = set()

    def decode(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        """Frames that ``packet``, or None for the end, completes, in display order."""
        if packet is not None:
            self._note(packet)
        frames = self._first_by_cpu(packet) if self._first is None else []
        if self._first is not None or packet is not None:
            frames.extend(frame for data in self._elementary(packet) for frame in self._decoded(data))
        return frames

    def _note(self, packet: Packet[VideoStream]) -> None:
        """What a frame says of its packet, which NVDEC does not hand on."""
        pts = packet.pts
        if pts is None:
            raise NvdecFault("a packet has no time, and NVDEC gives pictures only those of packets")
        if packet.is_keyframe:
            self._key_pts.add(pts)
        if packet.is_discard:  # outside the edit list
            self._hidden_pts.add(pts)

    def _first_by_cpu(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        """The first frame, once FFmpeg's decoder has it; all that it has where the stream ends before."""
        frames = self._stream.decode(packet)
        if packet is None or not frames:
            return frames
        self._first = frames[0]
        if self._first.interlaced_frame:
            raise NvdecFault("its pictures are interlaced, and NVDEC does not flag them")
        self._stream.codec_context.flush_buffers()
        return frames[:1]

    def _elementary(self, packet: Packet[VideoStream] | None) -> Iterator[NvPacket]:
        """Packets as the codec's own stream has them, and an empty one at the end."""
        if self._filter is not None:
            packets = self._filter.filter(packet) or []  # None, for the end, flushes it
        else:
            packets = [packet] if packet is not None else []
        for each in packets:
            data = self._library.PacketData()
            data.bsl, data.bsl_data, data.pts = each.size, each.buffer_ptr, each.pts or 0
            yield data  # while ``each`` lives
        if packet is None:
            yield self._library.PacketData()

    def _decoded(self, data: NvPacket) -> Iterator[VideoFrame]:
        try:
            surfaces = self._session.Decode(data)
        except RuntimeError as error:
            raise NvdecFault(f"NVDEC: {error}") from None
        for surface in surfaces:
            pts = surface.getPTS()
            if pts in self._hidden_pts:
                self._hidden_pts.discard(pts)
            elif self._is_new(pts):
                yield self._frame(surface, pts)

    def _is_new(self, pts: int) -> bool:
        """Whether the first frame, which FFmpeg has given, lies behind."""
        if not self._is_past_first and self._first is not None:
            self._is_past_first = pts > (self._first.pts or 0)
        return self._is_past_first

    def _frame(self, surface: Surface, pts: int) -> VideoFrame:
        assert self._first is not None
        frame = VideoFrame(self._session.GetWidth(), self._session.GetHeight(), self._format)
        _fill(frame, surface, bit_depth=self._bit_depth)
        frame.pts, frame.time_base = pts, self._first.time_base
        frame.key_frame = pts in self._key_pts  # pyright: ignore[reportAttributeAccessIssue] - the stub lacks its setter
        self._key_pts.discard(pts)
        frame.color_range, frame.colorspace = self._first.color_range, self._first.colorspace
        frame.color_primaries, frame.color_trc = self._first.color_primaries, self._first.color_trc
        return frame


def nv_library() -> NvLibrary:
    """PyNvVideoCodec. NvdecFault where it does not load: without a driver it never does."""
    try:
        import PyNvVideoCodec  # type: ignore[import-not-found] - of one environment
    except (ImportError, RuntimeError, OSError) as error:
        raise NvdecFault(
            f"PyNvVideoCodec does not load: {str(error).strip().partition(chr(10))[0]}"
        ) from None
    return cast(NvLibrary, PyNvVideoCodec)


def _session(library: NvLibrary, codec: str, *, gpu: int, bit_depth: int) -> NvDecoder:
    name = getattr(library.cudaVideoCodec, CODECS[codec])
    try:
        able = library.GetDecoderCaps(gpuid=gpu, codec=name, bitdepth=bit_depth)
        if not able.get("is_supported", 1):
            raise NvdecFault(f"NVDEC of GPU {gpu} has no {codec} of {bit_depth} bits")
        return library.CreateDecoder(gpuid=gpu, codec=name, usedevicememory=False)
    except RuntimeError as error:
        raise NvdecFault(f"NVDEC of GPU {gpu}: {error}") from None


def _fill(frame: VideoFrame, surface: Surface, *, bit_depth: int) -> None:
    """Copy a surface into a planar 4:2:0 frame, luma and both colours each to its plane."""
    chroma_rows = (frame.height + 1) // 2
    num_bytes = surface.framesize()
    address = ctypes.cast(surface.GetPtrToPlane(0), ctypes.POINTER(ctypes.c_uint8))
    samples = np.ctypeslib.as_array(address, (num_bytes,))
    if bit_depth > 8:
        samples = samples.view("<u2") >> (_DEPTH_OF_SURFACE - bit_depth)
    lines = samples.reshape(frame.height + chroma_rows, -1)
    luma, blue, red = (_samples(plane, deep=bit_depth > 8) for plane in frame.planes)
    luma[:] = lines[: frame.height, : frame.width]
    colours = lines[frame.height :, : 2 * blue.shape[1]]
    blue[:], red[:] = colours[:, 0::2], colours[:, 1::2]


def _samples(plane: VideoPlane, *, deep: bool) -> np.ndarray:
    """A writable view ``(h, w)`` of a plane's samples without what pads its lines."""
    lines = np.frombuffer(memoryview(cast(bytes, plane)), np.dtype("<u2") if deep else np.uint8)
    return lines.reshape(plane.height, -1)[:, : plane.width]
