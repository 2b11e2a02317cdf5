"""PyNvVideoCodec's calls over FFmpeg's decoder, for machines without a GPU.

Like the real library it sees nothing of a container: only the bytes at an address, and their pts. Its
pictures are NV12 or P016 in memory of its own, which the next call overwrites.
"""

import ctypes
from types import SimpleNamespace

import av
import numpy as np

FFMPEG_NAMES = {
    "H264": "h264",
    "HEVC": "hevc",
    "VP8": "vp8",
    "VP9": "vp9",
    "AV1": "libdav1d",
    "MPEG2": "mpeg2video",
}
ALIGNMENT = 32  # bytes at the end of a line that belong to no sample


class Picture:
    def __init__(self, memory: np.ndarray, pts: int) -> None:
        self._memory, self._pts = memory, pts

    def GetPtrToPlane(self, index: int) -> int:
        assert index == 0
        return self._memory.ctypes.data

    def framesize(self) -> int:
        return self._memory.nbytes

    def getPTS(self) -> int:
        return self._pts


class Decoder:
    def __init__(self, codec: str, *, fails_after: int | None) -> None:
        self._context = av.CodecContext.create(FFMPEG_NAMES[codec], "r")
        self._context.thread_count = 1
        self._fails_after = fails_after
        self._memories: list[np.ndarray] = []
        self._size = (0, 0)

    def Decode(self, packet: SimpleNamespace) -> list[Picture]:
        for memory in self._memories:
            memory[:] = 0x55
        if self._fails_after is not None:
            self._fails_after -= 1
            if self._fails_after < 0:
                raise RuntimeError("the driver has lost the device")
        compressed = None
        if packet.bsl:
            compressed = av.Packet(ctypes.string_at(packet.bsl_data, packet.bsl))
            compressed.pts = packet.pts
        return [self._picture(frame) for frame in self._context.decode(compressed)]

    def GetWidth(self) -> int:
        return self._size[0]

    def GetHeight(self) -> int:
        return self._size[1]

    def _picture(self, frame: av.VideoFrame) -> Picture:
        self._size = (frame.width, frame.height)
        memory = semi_planar(frame)
        self._memories.append(memory)
        return Picture(memory, frame.pts)


class Library:
    """``fails_after`` is the number of calls of Decode that go well."""

    PacketData = SimpleNamespace
    cudaVideoCodec = SimpleNamespace(**{name: name for name in FFMPEG_NAMES})

    def __init__(self, *, fails_after: int | None = None, supported: bool = True) -> None:
        self._fails_after, self._supported = fails_after, supported
        self.PacketData = lambda: SimpleNamespace(bsl=0, bsl_data=0, pts=0)

    def GetDecoderCaps(self, *, gpuid: int, codec: str, bitdepth: int) -> dict[str, int]:
        return {"is_supported": int(self._supported)}

    def CreateDecoder(self, *, gpuid: int, codec: str, usedevicememory: bool) -> Decoder:
        assert not usedevicememory
        return Decoder(codec, fails_after=self._fails_after)


def semi_planar(frame: av.VideoFrame) -> np.ndarray:
    """Uint8 bytes of a 4:2:0 frame as NVDEC lays it out, deep samples in the high bits of 16."""
    depth = frame.format.components[0].bits
    luma, blue, red = (_samples(plane, depth) for plane in frame.planes)
    colours = np.stack([blue, red], axis=-1).reshape(blue.shape[0], -1)
    width = -(-max(luma.shape[1], colours.shape[1]) // ALIGNMENT) * ALIGNMENT
    picture = np.full((luma.shape[0] + colours.shape[0], width), 0x7F, luma.dtype)
    picture[: luma.shape[0], : luma.shape[1]] = luma
    picture[luma.shape[0] :, : colours.shape[1]] = colours
    return picture.reshape(-1).view(np.uint8)


def _samples(plane: av.video.plane.VideoPlane, depth: int) -> np.ndarray:
    lines = np.frombuffer(memoryview(plane), np.uint8 if depth == 8 else "<u2")
    samples = lines.reshape(plane.height, -1)[:, : plane.width]
    return samples if depth == 8 else samples << (16 - depth)
