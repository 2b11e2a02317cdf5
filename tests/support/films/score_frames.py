"""Drawn pictures whose motion and quality are known."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image
from scipy import ndimage

from clipmill.scores.motion import motion_luma_size


def textured(height: int, width: int, *, seed: int = 0) -> np.ndarray:
    """Float64 ``(height, width)``: detail at every scale, mean 128, standard deviation 45."""
    rng = np.random.default_rng(seed)
    octaves = [_octave(rng, height, width, size_px=size_px) for size_px in (4, 12, 40, 120)]
    picture = sum(amplitude * octave for amplitude, octave in zip((8, 20, 40, 60), octaves, strict=True))
    return (picture - picture.mean()) / picture.std() * 45 + 128


def _octave(rng: np.random.Generator, height: int, width: int, *, size_px: int) -> np.ndarray:
    grid = rng.standard_normal((height // size_px + 4, width // size_px + 4))
    wide = ndimage.zoom(grid, size_px, order=3)[size_px : size_px + height, size_px : size_px + width]
    return wide / wide.std()


def panned(picture: np.ndarray, *, x: float, y: float, height: int, width: int) -> np.ndarray:
    """uint8 ``(height, width)``: the part of ``picture`` with its corner at (x, y), between pixels too."""
    row, column = int(y), int(x)
    part = picture[row : row + height + 1, column : column + width + 1]
    down, right = y - row, x - column
    part = part[:-1] * (1 - down) + part[1:] * down
    part = part[:, :-1] * (1 - right) + part[:, 1:] * right
    return np.clip(part.round(), 0, 255).astype(np.uint8)


def small_luma(luma: np.ndarray) -> np.ndarray:
    """The picture that ``block_motion`` reads, area-averaged from a full one."""
    height, width = luma.shape
    return np.asarray(Image.fromarray(luma).resize(motion_luma_size(width, height), Image.Resampling.BOX))


def thumbnail(rgb: np.ndarray) -> np.ndarray:
    """uint8 ``(27, 48, 3)``."""
    return np.asarray(Image.fromarray(rgb).resize((48, 27), Image.Resampling.BOX))


def recoded(
    frames: np.ndarray, path: Path, *, codec: str, options: dict[str, str] | None = None
) -> np.ndarray:
    """``frames`` uint8 ``(T, H, W)`` or ``(T, H, W, 3)`` after encoding and decoding, in the same format."""
    pixels = "gray" if frames.ndim == 3 else "rgb24"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(25), options=options or {})
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame, format=pixels)
            container.mux(stream.encode(picture.reformat(format="yuv420p")))
        container.mux(stream.encode())
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format=pixels) for frame in container.decode(video=0)])
