"""Films with the oddities that containers can have, made of ordinary ones by changing their boxes."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av

from tests.support.films.scan_films import paint

X264 = {"preset": "veryfast", "g": "10", "bf": "3"}
PLAIN_X264 = {"preset": "ultrafast", "g": "10", "bf": "0"}
X265 = {"preset": "ultrafast", "x265-params": "log-level=none:keyint=10:bframes=3"}
VPX = {"cpu-used": "8", "deadline": "realtime", "g": "10", "lag-in-frames": "5"}
AV1 = {"preset": "12", "g": "10", "svtav1-params": "lp=1"}
MPEG = {"g": "10", "bf": "2"}
ENCODERS = {
    "h264": ("libx264", X264),
    "hevc": ("libx265", X265),
    "vp8": ("libvpx", VPX),
    "vp9": ("libvpx-vp9", VPX),
    "av1": ("libsvtav1", AV1),
    "mpeg2": ("mpeg2video", MPEG),
    "mpeg4": ("mpeg4", MPEG),
}
_KEY = "76a6c65c5ea762046bd749a2e632ccbb"
CENC = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": _KEY, "encryption_kid": _KEY}
"""Options of an mp4 whose packets are encrypted."""
_MATRIX_AT = 44  # within a tkhd of version 0, counted from its name


def turn(path: Path, matrix: Sequence[int]) -> Path:
    """Give the first track of an mp4 the display matrix (a, b, c, d), whole numbers."""
    data = bytearray(path.read_bytes())
    a, b, c, d = (number << 16 for number in matrix)
    numbers = (a, b, 0, c, d, 0, 0, 0, 1 << 30)
    struct.pack_into(">9i", data, data.index(b"tkhd") + _MATRIX_AT, *numbers)
    path.write_bytes(data)
    return path


def edit(path: Path, edits: Sequence[tuple[int, int | None]], *, fps: int = 25) -> Path:
    """Replace the edit list of an mp4 with B-frames, whose index lies at its end.

    Each edit shows as many frames as its first number, from the frame of its second number on, or nothing.
    """
    data = bytearray(path.read_bytes())
    at = data.index(b"edts") - 4
    (size,) = struct.unpack_from(">I", data, at)
    (first,) = struct.unpack_from(">i", data, at + 28)  # what the muxer's own edit skips: the decoder's delay
    timescale = struct.unpack_from(">I", data, data.index(b"mdhd") + 16)[0]
    rows = [
        (1000 * num // fps, -1 if start is None else first + start * timescale // fps) for num, start in edits
    ]
    body = struct.pack(">II", 0, len(rows)) + b"".join(struct.pack(">Iii", *row, 1 << 16) for row in rows)
    box = struct.pack(">I4sI4s", 16 + len(body), b"edts", 8 + len(body), b"elst") + body
    data[at : at + size] = box
    for name in (b"moov", b"trak"):
        parent = data.index(name) - 4
        struct.pack_into(">I", data, parent, struct.unpack_from(">I", data, parent)[0] + len(box) - size)
    path.write_bytes(data)
    return path


def write_ts_at(path: Path, num_frames: int, *, first_pts: int) -> Path:
    """A transport stream that starts at any of the 33 bits' times; 25 frames a second."""
    with av.open(str(path), "w", format="mpegts", options={"mpegts_copyts": "1"}) as container:
        stream = container.add_stream("libx264", rate=25, options=X264)
        stream.width, stream.height, stream.pix_fmt = 96, 54, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 90_000)
        for code in range(num_frames):
            frame = av.VideoFrame.from_ndarray(paint(code), format="rgb24")
            frame.pts, frame.time_base = first_pts + 3600 * code, Fraction(1, 90_000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_two_streams(path: Path, num_frames: int) -> Path:
    """The first video stream counts from 0, the second from 100."""
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("libx264", rate=25, options=PLAIN_X264) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 96, 54, "yuv420p"
        for code in range(num_frames):
            for stream, first in zip(streams, (0, 100), strict=True):
                frame = av.VideoFrame.from_ndarray(paint(first + code), format="rgb24")
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


def write_tagged(
    path: Path,
    num_frames: int,
    *,
    transfer: int,
    primaries: int,
    matrix: int,
    pixels: str = "yuv420p10le",
    encoder: str = "libx264",
    options: dict[str, str] = PLAIN_X264,
) -> Path:
    """A 10-bit film whose colour tags say what its codes mean; the codes are the painted ones."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 96, 54, pixels
        codec = stream.codec_context
        codec.color_trc, codec.color_primaries, codec.colorspace = transfer, primaries, matrix
        for code in range(num_frames):
            frame = av.VideoFrame.from_ndarray(paint(code), format="rgb24")
            container.mux(stream.encode(frame.reformat(format=pixels)))
        container.mux(stream.encode(None))
    return path
