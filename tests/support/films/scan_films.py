"""Tiny films whose frames carry their own number, so that a test can tell which frame it got."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

NUM_BITS = 12
_GRID = (3, 4)  # rows and columns of black and white fields, one bit each


def paint(code: int, *, width_px: int = 96, height_px: int = 54) -> np.ndarray:
    """Uint8 ``(h, w, 3)``: the bits of ``code`` as fields, in reading order, highest first."""
    bits = np.array([(code >> bit) & 1 for bit in reversed(range(NUM_BITS))]).reshape(_GRID)
    rows = np.arange(height_px) * _GRID[0] // height_px
    columns = np.arange(width_px) * _GRID[1] // width_px
    grey = np.where(bits[rows][:, columns], 220, 30).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def read_code(picture: np.ndarray) -> int:
    """The number painted on an RGB picture of any size."""
    height, width = picture.shape[:2]
    bits = [
        picture[int((row + 0.5) * height / _GRID[0]), int((column + 0.5) * width / _GRID[1])].mean() > 125
        for row in range(_GRID[0])
        for column in range(_GRID[1])
    ]
    return int("".join(str(int(bit)) for bit in bits), 2)


def read_codes(pictures: np.ndarray) -> list[int]:
    return [read_code(picture) for picture in pictures]


def write_film(
    path: Path,
    pts: Sequence[int],
    *,
    time_base: Fraction = Fraction(1, 25),
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    size_px: tuple[int, int] = (96, 54),
    options: dict[str, str] | None = None,
    mux: dict[str, str] | None = None,
    counterclockwise_deg: int = 0,
    sar: Fraction | None = None,
    sound: bool = False,
) -> Path:
    """Frame i carries the number i and is shown at ``pts[i]``; (width, height) is the coded size."""
    width_px, height_px = size_px
    with av.open(str(path), "w", options=mux or {}) as container:
        stream = container.add_stream(codec, rate=round(1 / time_base), options=options or {})
        stream.width, stream.height, stream.pix_fmt = width_px, height_px, pixel_format
        stream.time_base = stream.codec_context.time_base = time_base
        if sar is not None:
            stream.codec_context.sample_aspect_ratio = sar
        if counterclockwise_deg:
            stream.set_display_rotation(counterclockwise_deg)
        tone = container.add_stream("aac", rate=8000, layout="mono") if sound else None
        for code, frame_pts in enumerate(pts):
            picture = paint(code, width_px=width_px, height_px=height_px)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = frame_pts, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if tone is not None:
            for packet in tone_packets(tone, num_samples=8000):
                container.mux(packet)
    return path


def tone_packets(stream: av.AudioStream, *, num_samples: int) -> list[av.Packet]:
    """Silence at 8 kHz, encoded."""
    samples = np.zeros((1, num_samples), np.float32)
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
    frame.sample_rate, frame.pts = 8000, 0
    return [*stream.encode(frame), *stream.encode(None)]
