"""What becomes of a film on its way: the changes under which ``bench.copies`` looks for copies."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
from PIL import Image

from footage.encode import VP9, Encoding, write_film

GRID_FPS = 2.0
HARD = Encoding("h264", "libx264", {"preset": "superfast", "crf": "36"})
SMALL_VP9 = replace(VP9, options={**VP9.options, "b": "90k"})


@dataclass(frozen=True)
class Shot:
    """A shot with every frame, uint8 ``(T, H, W, 3)`` RGB, and where it comes from."""

    name: str
    frames: np.ndarray
    fps: float


@dataclass(frozen=True)
class Timing:
    """Which part of a shot a copy shows (shares of its length), how fast, and where its grid starts.

    ``rate_fps`` is that of the copy; None leaves it. ``grid`` is a share of a step of the grid.
    """

    start: float = 0.0
    end: float = 1.0
    speed: float = 1.0
    rate_fps: float | None = None
    grid: float = 0.0


Change = Callable[[Shot, np.random.Generator], np.ndarray]


def sampled(shot: Shot, timing: Timing = Timing()) -> np.ndarray:
    """The frames of a copy that a run would describe, ``(T, H, W, 3)``."""
    num_frames = len(shot.frames)
    length_s = num_frames / shot.fps * (timing.end - timing.start) / timing.speed
    times_s = np.arange(timing.grid / GRID_FPS, length_s, 1 / GRID_FPS)
    if timing.rate_fps:
        times_s = np.floor(times_s * timing.rate_fps + 1e-6) / timing.rate_fps
    shown = timing.start * num_frames + times_s * timing.speed * shot.fps
    return shot.frames[np.minimum((shown + 1e-6).astype(int), num_frames - 1)]


def in_picture(paint: Callable[[np.ndarray], np.ndarray]) -> Change:
    """A change of every picture, at the same instants."""
    return lambda shot, rng: paint(sampled(shot))


def in_time(**timing: float) -> Change:
    """A change of time, on a grid of its own."""
    return lambda shot, rng: sampled(shot, Timing(**timing, grid=float(rng.random())))


def cropped(top: float, bottom: float, left: float, right: float) -> Callable[[np.ndarray], np.ndarray]:
    """Without these shares of each picture."""

    def crop(clip: np.ndarray) -> np.ndarray:
        height, width = clip.shape[1:3]
        rows = slice(round(top * height), height - round(bottom * height))
        return clip[:, rows, round(left * width) : width - round(right * width)]

    return crop


def resized(share: float, *, squeeze: float = 1.0) -> Callable[[np.ndarray], np.ndarray]:
    """Every picture at ``share`` of its size, its width squeezed besides."""

    def resize(clip: np.ndarray) -> np.ndarray:
        height, width = clip.shape[1:3]
        size = (max(1, round(width * share * squeeze)), max(1, round(height * share)))
        return np.stack([np.asarray(Image.fromarray(frame).resize(size)) for frame in clip])

    return resize


def scaled(gain: float, plus: float) -> Callable[[np.ndarray], np.ndarray]:
    """Every level times ``gain`` and ``plus``."""
    return lambda clip: (clip * np.float32(gain) + np.float32(plus)).clip(0, 255).astype(np.uint8)


def grey(clip: np.ndarray) -> np.ndarray:
    """BT.601 luma."""
    luma = clip @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.repeat(luma.astype(np.uint8)[..., None], 3, axis=-1)


def with_logo(clip: np.ndarray) -> np.ndarray:
    """A pale mark of an eighth of the width in the upper right corner."""
    height, width = clip.shape[1:3]
    marked = clip.copy()
    marked[:, height // 20 : height // 7, -width // 6 : -width // 24] = 235
    return marked


def with_text(clip: np.ndarray) -> np.ndarray:
    """White strokes on a dark band over the middle three quarters, near the lower edge."""
    height, width = clip.shape[1:3]
    marked = clip.copy()
    band = marked[:, round(height * 0.84) : round(height * 0.94), width // 8 : -width // 8]
    band[:] = band // 4
    band[:, band.shape[1] // 4 : -band.shape[1] // 4, :: max(2, width // 60)] = 240
    return marked


def with_bars(rows: float, columns: float) -> Callable[[np.ndarray], np.ndarray]:
    """Black bars of these shares of the picture on either side."""

    def pad(clip: np.ndarray) -> np.ndarray:
        down, across = round(rows * clip.shape[1]), round(columns * clip.shape[2])
        return np.pad(clip, ((0, 0), (down, down), (across, across), (0, 0)))

    return pad


def reencoded(encoding: Encoding) -> Change:
    """Coded again, every frame, and sampled at the same instants."""

    def change(shot: Shot, rng: np.random.Generator) -> np.ndarray:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "copy.mkv"
            write_film(
                path, shot.frames, time_base=1 / Fraction(shot.fps).limit_denominator(1001), encoding=encoding
            )
            with av.open(path) as container:
                decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        return sampled(replace(shot, frames=np.stack(decoded)))

    return change


def stacked(first: Callable[[np.ndarray], np.ndarray], then: Change) -> Change:
    """Two changes, that of the picture first."""
    return lambda shot, rng: then(replace(shot, frames=first(shot.frames)), rng)


CHANGES: dict[str, Change] = {
    "re-encoded, H.264 crf 36": reencoded(HARD),
    "re-encoded, VP9 90 kbit/s": reencoded(SMALL_VP9),
    "half the size": in_picture(resized(0.5)),
    "16:9 squeezed to 4:3": in_picture(resized(1, squeeze=0.75)),
    "cropped by 5 % on each side": in_picture(cropped(0.05, 0.05, 0.05, 0.05)),
    "cropped by 5 % on two sides": in_picture(cropped(0.05, 0, 0.05, 0)),
    "brighter by 30 levels": in_picture(scaled(1, 30)),
    "contrast 0.7": in_picture(scaled(0.7, 30)),
    "grey": in_picture(grey),
    "logo": in_picture(with_logo),
    "text band": in_picture(with_text),
    "letterboxed by 12 %": in_picture(with_bars(0.12, 0)),
    "pillarboxed by 12 %": in_picture(with_bars(0, 0.12)),
    "15 frames a second": in_time(rate_fps=15),
    "another sampling grid": in_time(),
    "10 % faster": in_time(speed=1.1),
    "10 % slower": in_time(speed=0.9),
    "first 10 % trimmed": in_time(start=0.1),
    "first 20 % trimmed": in_time(start=0.2),
    "last 20 % trimmed": in_time(end=0.8),
}
STACKED: dict[str, Change] = {
    "mirrored (not asked for)": in_picture(lambda clip: clip[:, :, ::-1]),
    "both ends trimmed by 20 %": in_time(start=0.2, end=0.8),
    "cropped and re-encoded": stacked(cropped(0.05, 0.05, 0.05, 0.05), reencoded(HARD)),
    "grey, first 10 % trimmed": stacked(grey, in_time(start=0.1)),
}
