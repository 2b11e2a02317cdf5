"""Animated WebP previews, made from frames the one decode has already sampled.

Pillow writes them: it takes the CPU that PyAV's libwebp_anim takes (10 frames of 426x240: 0.06 s at level 4,
1.3 s at level 6 for files 4 % smaller) and lets each frame's duration be stated.
"""

import io
import itertools

import numpy as np
from PIL import Image

from clipmill.records import VideoFacts
from clipmill.stages.video.preview.preview import PreviewStage

FOREVER = 0


def preview_rows(times_s: np.ndarray, *, start_s: float, end_s: float, target_fps: float) -> np.ndarray:
    """Which sampled frames a preview of ``[start_s, end_s)`` shows, ``target_fps`` a second, at least one.

    ``times_s`` is float (S,), ascending. Returns int64 indices: the last
    frame sampled by each instant.
    """
    if not len(times_s):
        raise ValueError("no sampled frames to choose from")
    num = max(1, int(np.ceil((end_s - start_s) * target_fps - 1e-6)))
    instants = start_s + np.arange(num) / target_fps
    rows = np.searchsorted(times_s, instants + 1e-6, side="right") - 1
    return np.maximum(rows, 0)


def encode_preview(frames: np.ndarray, *, spec: PreviewStage) -> bytes:
    """WebP that loops for ever, each of ``frames`` (uint8 (T, h, w, 3) RGB) shown for 1 / ``target_fps`` s.

    Scaled down to ``target_height``, never up. Frames that repeat the one before are merged with it.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or not frames.size:
        raise ValueError(f"frames must be (T, h, w, 3) and not empty, got {frames.shape = }")
    first, *rest = [_scaled(Image.fromarray(frame), spec.target_height) for frame in frames]
    file = io.BytesIO()
    first.save(
        file,
        "WEBP",
        save_all=True,
        append_images=rest,
        duration=durations_ms(len(frames), target_fps=spec.target_fps),
        loop=FOREVER,
        quality=spec.quality,
        method=spec.compression_level,
    )
    return file.getvalue()


def durations_ms(num_frames: int, *, target_fps: float) -> list[int]:
    """Whole milliseconds per frame; rounding never adds up to more than one over the whole preview."""
    ends = [round(index * 1000 / target_fps) for index in range(num_frames + 1)]
    return [after - before for before, after in itertools.pairwise(ends)]


def preview_warnings(facts: VideoFacts, spec: PreviewStage) -> list[str]:
    """What a preview of this video cannot give: fewer frames a second, or fewer lines, than asked for."""
    warnings: list[str] = []
    if facts.framerate < spec.target_fps:
        warnings.append(
            f"the video has {float(facts.framerate):g} frames a second, its previews should have "
            f"{spec.target_fps:g}: frames are repeated"
        )
    height = facts.shown_size_px[1]
    if height < spec.target_height:
        warnings.append(
            f"the video is {height} pixels high, its previews should be {spec.target_height}: "
            "they keep its height"
        )
    return warnings


def _scaled(image: Image.Image, height: int) -> Image.Image:
    if image.height <= height:
        return image
    width = max(1, round(image.width * height / image.height))
    return image.resize((width, height), Image.Resampling.LANCZOS)
