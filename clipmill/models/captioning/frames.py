"""Which of a clip's sampled frames a captioner sees of a window, how many, and how large. Pure.

How many frames and how many pixels follow what Qwen-VL was trained with, which is also what NeMo Curator's
stages do.
"""

from dataclasses import dataclass
from math import ceil, floor, sqrt

import numpy as np
from PIL import Image

from clipmill.models.preprocessing.pixels import resized as resized_picture
from clipmill.records import FrameSpan

MIN_FRAMES = 4
MAX_FRAMES = 768
FRAMES_OF_A_PATCH = 2
"""Qwen-VL looks at frames in pairs."""


@dataclass(frozen=True)
class WindowOptions:
    """How a window is shown: ``sampling_fps`` frames a second, within the pixel budget of a model's variant.

    Frames are resized in numbers of ``dtype``; not at all where the model ``does_preprocess``.
    """

    variant: str
    sampling_fps: float
    does_preprocess: bool
    dtype: str


@dataclass(frozen=True)
class PixelBudget:
    """Sides are multiples of ``factor``; a frame has at least ``min_pixels`` and at most ``max_pixels``.

    All frames of a window together have at most about ``total_pixels``, two of a pair counted once.
    """

    factor: int
    min_pixels: int
    max_pixels: int
    total_pixels: int


def _qwen(factor: int) -> PixelBudget:
    token = factor**2  # the pixels that become one token
    return PixelBudget(factor, 128 * token, 768 * token, 24_576 * token)


BUDGETS = {"qwen": _qwen(28), "qwen2.5": _qwen(28), "qwen3": _qwen(32)}
"""By variant; others get their frames as they were sampled."""


def num_frames_shown(window: FrameSpan, *, source_fps: float, sampling_fps: float) -> int:
    """How many frames show a window: ``sampling_fps`` a second, even, at least 4, at most 768."""
    total = window.num_frames
    most = min(MAX_FRAMES, total) // FRAMES_OF_A_PATCH * FRAMES_OF_A_PATCH
    wanted = min(max(total / source_fps * sampling_fps, MIN_FRAMES), max(most, MIN_FRAMES))
    return round(wanted / FRAMES_OF_A_PATCH) * FRAMES_OF_A_PATCH


def frames_shown(
    samples: np.ndarray, sampled: np.ndarray, window: FrameSpan, *, num_frames: int
) -> np.ndarray:
    """``num_frames`` of the samples that lie in a window, spread evenly; where there are fewer, some twice.

    ``samples`` is uint8 ``(N, H, W, 3)``, ``sampled`` int ``(N,)`` the frame of the clip that each shows,
    ascending. A window between two samples is shown by the one before it. ValueError without samples.
    """
    if len(samples) == 0 or len(samples) != len(sampled):
        raise ValueError(f"{len(samples)} samples at {len(sampled)} frames show nothing")
    first, last = np.searchsorted(sampled, [window.start_frame, window.end_frame])
    if first == last:
        first, last = max(0, int(first) - 1), max(1, int(first))
    return samples[np.linspace(first, last - 1, num_frames).round().astype(np.intp)]


def fitted_size(height_px: int, width_px: int, *, num_frames: int, budget: PixelBudget) -> tuple[int, int]:
    """Height and width nearest to a frame's shape that keep within ``budget``.

    The formula is that of Qwen's own preprocessing (qwen-vl-utils, ``smart_resize``).
    """
    share = budget.total_pixels / num_frames * FRAMES_OF_A_PATCH
    most = max(min(budget.max_pixels, share), int(budget.min_pixels * 1.05))
    factor = budget.factor
    height, width = (max(factor, round(side / factor) * factor) for side in (height_px, width_px))
    if height * width > most:
        shrink = sqrt(height_px * width_px / most)
        height, width = (
            max(factor, floor(side / shrink / factor) * factor) for side in (height_px, width_px)
        )
    elif height * width < budget.min_pixels:
        grow = sqrt(budget.min_pixels / (height_px * width_px))
        height, width = (ceil(side * grow / factor) * factor for side in (height_px, width_px))
    return height, width


def resized(frames: np.ndarray, size: tuple[int, int], *, dtype: str = "uint8") -> np.ndarray:
    """Frames uint8 ``(T, H, W, 3)`` at ``size`` (height, width), bicubic, uint8 again.

    ``dtype`` names the numbers in which they are resized: ``uint8`` rounds between the two directions, the
    others do not, and differ from it, and from each other, by a level or so.
    """
    if frames.shape[1:3] == size:
        return frames
    if dtype == "uint8":
        return np.stack([resized_picture(one, size, resample=Image.Resampling.BICUBIC) for one in frames])
    return np.stack([_resized_floating(frame, size, dtype) for frame in frames])


def prepared(frames: np.ndarray, options: WindowOptions) -> np.ndarray:
    """Frames of a window as the captioner gets them: within the budget of its variant, where it has one."""
    budget = BUDGETS.get(options.variant)
    if budget is None or options.does_preprocess:
        return frames
    num_frames, height, width, _ = frames.shape
    size = fitted_size(height, width, num_frames=num_frames, budget=budget)
    return resized(frames, size, dtype=options.dtype)


def window_frames(
    samples: np.ndarray,
    sampled: np.ndarray,
    window: FrameSpan,
    *,
    source_fps: float,
    options: WindowOptions,
) -> tuple[np.ndarray, float]:
    """The frames a captioner gets of one window, and how many of them make a second.

    Arguments are those of ``frames_shown``; ``source_fps`` is that of the clip.
    """
    num_frames = num_frames_shown(window, source_fps=source_fps, sampling_fps=options.sampling_fps)
    shown = frames_shown(samples, sampled, window, num_frames=num_frames)
    return prepared(shown, options), num_frames * source_fps / window.num_frames


def _resized_floating(frame: np.ndarray, size: tuple[int, int], dtype: str) -> np.ndarray:
    height, width = size
    planes = [
        Image.fromarray(np.ascontiguousarray(frame[..., channel], dtype=np.float32)).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        for channel in range(3)
    ]
    picture = _rounded(np.stack([np.asarray(plane) for plane in planes], axis=-1), dtype)
    return picture.round().clip(0, 255).astype(np.uint8)


def _rounded(values: np.ndarray, dtype: str) -> np.ndarray:
    """Float32 values as a narrower type has them; bfloat16 is the upper half of a float32, rounded."""
    if dtype == "float16":
        return values.astype(np.float16).astype(np.float32)
    if dtype == "bfloat16":
        bits = values.astype(np.float32).view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)
    return values
