"""Animated WebP previews, made from frames the one decode has already sampled.

Each frame is a picture of its own (FFmpeg's ``libwebp``, as NeMo Curator's command has it): at level 6 the
encoder that predicts between frames takes 20 times the CPU for files a sixth smaller (measured: 10 frames of
426x240 in 1.6 s against 0.08 s).
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import Interpolation

from clipmill.records import FrameSpan, VideoFacts

_MILLISECOND = Fraction(1, 1000)


@dataclass(frozen=True)
class PreviewOptions:
    """Frames a second, most height, WebP's effort (0 fast .. 6 small) and quality (0..100) of a preview."""

    fps: float
    height_px: int
    compression_level: int
    quality: int


def encode_preview(frames: np.ndarray, *, options: PreviewOptions) -> bytes:
    """WebP that loops for ever, each of ``frames`` (uint8 (T, h, w, 3) RGB) shown for 1 / ``fps`` s.

    Scaled down to ``height_px``, never up.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or not frames.size:
        raise ValueError(f"frames must be (T, h, w, 3) and not empty, got {frames.shape = }")
    width, height = _size(frames, options.height_px)
    file = io.BytesIO()
    with av.open(file, "w", format="webp", options={"loop": "0"}) as container:
        stream = container.add_stream("libwebp", rate=Fraction(options.fps).limit_denominator(1000))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = stream.codec_context.time_base = _MILLISECOND
        stream.codec_context.options = {
            "compression_level": str(options.compression_level),
            "quality": str(options.quality),
            "lossless": "0",
        }
        for picture in _pictures(frames, width=width, height=height, fps=options.fps):
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return file.getvalue()


def _pictures(frames: np.ndarray, *, width: int, height: int, fps: float) -> Iterator[av.VideoFrame]:
    """Frames with their times in whole milliseconds; rounding never adds up."""
    for index, frame in enumerate(frames):
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24").reformat(
            width, height, "yuv420p", interpolation=Interpolation.AREA
        )
        picture.time_base = _MILLISECOND
        picture.pts = round(index * 1000 / fps)
        picture.duration = round((index + 1) * 1000 / fps) - picture.pts
        yield picture


def _size(frames: np.ndarray, target_height: int) -> tuple[int, int]:
    """(width, height) of the preview."""
    height, width = frames.shape[1:3]
    if height <= target_height:
        return width, height
    return max(1, round(width * target_height / height)), target_height


def frames_of_window(frames: np.ndarray, window: FrameSpan, *, num_frames: int) -> np.ndarray:
    """Returns the share of a clip's evenly sampled frames that falls into a window; at least one frame.

    ``num_frames`` is the length of the clip.
    """
    first = round(window.start_frame / num_frames * len(frames))
    last = round(window.end_frame / num_frames * len(frames))
    first = min(first, len(frames) - 1)
    return frames[first : max(last, first + 1)]


def preview_warnings(facts: VideoFacts, options: PreviewOptions) -> list[str]:
    """What a preview of this video cannot give: fewer frames a second, or fewer lines, than asked for."""
    warnings: list[str] = []
    if facts.framerate < options.fps:
        warnings.append(
            f"the video has {float(facts.framerate):g} frames a second, its previews should have "
            f"{options.fps:g}: frames are repeated"
        )
    height = facts.shown_size_px[1]
    if height < options.height_px:
        warnings.append(
            f"the video is {height} pixels high, its previews should be {options.height_px}: "
            "they keep its height"
        )
    return warnings
