"""Decoded frames as the small arrays that stages look at."""

from fractions import Fraction
from typing import cast

import numpy as np
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from clipmill.media.frames.orientation import Orientation
from clipmill.media.frames.tone_mapping import matrix_of, tone_map
from clipmill.media.types import THUMBNAIL_HW

_AREA, _POINT = int(Interpolation.AREA), int(Interpolation.POINT)
_GRID_HW, _GRID_STEP = (4 * THUMBNAIL_HW[0], 4 * THUMBNAIL_HW[1]), 4
"""Pixels that a thumbnail is made of, where they lie so far apart or farther: others take time to read."""
_PLAIN_LUMA = {"yuv420p", "yuv422p", "yuv444p", "yuv440p", "yuv411p", "yuv410p", "nv12", "nv16", "nv21"}


class Renderer:
    """Turns frames of one video into arrays; keeps one scaler per output, as making one costs like a frame.

    swscale's area filter: the mean of what a pixel covers, and for large reductions cheaper than any other
    filter that looks at every pixel. A pixel of a large frame's thumbnail is the mean of 16 on a grid: the
    rows and columns between them are not read, which saves half of the time. Frames of another size than
    the first's are scaled to its geometry.
    """

    def __init__(
        self,
        *,
        coded_size_px: tuple[int, int],
        orientation: Orientation,
        sar: Fraction,
    ) -> None:
        self._coded_size_px, self._sar, self._rotation_deg = coded_size_px, sar, orientation.rotation_deg
        self._turns = -orientation.rotation_deg // 90  # np.rot90 turns counterclockwise
        self._is_mirrored = orientation.is_mirrored
        self._grid, self._thumbnails, self._lumas, self._small_lumas = (VideoReformatter() for _ in range(4))
        self._pictures: dict[int, tuple[VideoReformatter, tuple[int, int]]] = {}

    def thumbnail(self, frame: VideoFrame) -> np.ndarray:
        """Uint8 ``(27, 48, 3)`` RGB, upright, whatever the aspect."""
        height, width = self._as_coded(_GRID_HW)
        is_large = frame.height >= _GRID_STEP * height and frame.width >= _GRID_STEP * width
        if is_large and frame.format.is_planar and not frame.format.is_rgb:  # swscale writes all of these
            frame = self._grid.reformat(frame, width, height, interpolation=_POINT, threads=1)
        return self._upright(self._thumbnails, frame, THUMBNAIL_HW)

    def picture(self, frame: VideoFrame, height_px: int) -> np.ndarray:
        """Uint8 ``(h, w, 3)`` RGB, upright, square pixels, at most ``height_px`` high."""
        if height_px not in self._pictures:
            hw = picture_hw(
                self._coded_size_px, rotation_deg=self._rotation_deg, sar=self._sar, max_height_px=height_px
            )
            self._pictures[height_px] = VideoReformatter(), hw
        scaler, hw = self._pictures[height_px]
        return self._upright(scaler, frame, hw)

    def luma(self, frame: VideoFrame) -> np.ndarray:
        """Uint8 ``(H, W)``, limited range (16 is black), as coded: not turned, not scaled. May be a view."""
        if frame.format.name not in _PLAIN_LUMA or frame.color_range == ColorRange.JPEG:
            frame = self._lumas.reformat(frame, format="yuv420p", dst_color_range=ColorRange.MPEG, threads=1)
        return _rows(frame.planes[0], frame.height, frame.width)

    def small_luma(self, frame: VideoFrame, size_px: tuple[int, int]) -> np.ndarray:
        """Uint8 ``(h, w)``, full range (0 is black), as coded; ``size_px`` is (width, height)."""
        width, height = size_px
        small = self._small_lumas.reformat(frame, width, height, "gray", interpolation=_AREA, threads=1)
        return _rows(small.planes[0], height, width).copy()

    def _as_coded(self, hw: tuple[int, int]) -> tuple[int, int]:
        """(height, width) before a frame is turned."""
        height, width = hw
        return (height, width) if self._turns % 2 == 0 else (width, height)

    def _upright(self, scaler: VideoReformatter, frame: VideoFrame, hw: tuple[int, int]) -> np.ndarray:
        height, width = self._as_coded(hw)
        tone = tone_map(frame.color_trc, frame.color_primaries)
        pixels = "rgb24" if tone is None else "rgb48le"
        matrix = None if tone is None else matrix_of(frame)
        small = scaler.reformat(
            frame, width, height, pixels, src_colorspace=matrix, interpolation=_AREA, threads=1
        )
        # One thread: starting more costs more than they save.
        if tone is None:
            rgb = _rows(small.planes[0], height, 3 * width).reshape(height, width, 3)
        else:
            deep = _rows(small.planes[0], height, 6 * width).copy().view("<u2")
            rgb = tone(deep.reshape(height, width, 3))
        rgb = rgb if self._turns == 0 else np.rot90(rgb, self._turns)
        return rgb[:, ::-1] if self._is_mirrored else rgb


def picture_hw(
    coded_size_px: tuple[int, int], *, rotation_deg: int, sar: Fraction, max_height_px: int
) -> tuple[int, int]:
    """(height, width) of sampled frames, both even: upright, square pixels, never higher than the source."""
    width, height = Fraction(coded_size_px[0]) * sar, Fraction(coded_size_px[1])
    if rotation_deg % 180:
        width, height = height, width
    target = min(Fraction(max_height_px), height)
    even_height = max(2, int(target) // 2 * 2)
    return even_height, max(2, round(width * even_height / height / 2) * 2)


def gray(frame: VideoFrame) -> np.ndarray:
    """Returns the luma of a frame as coded, uint8 ``(H, W)``, of deep frames the high bits. May be a view."""
    if frame.format.name not in _PLAIN_LUMA:
        frame = frame.reformat(
            format="gray", src_color_range=frame.color_range, dst_color_range=frame.color_range, threads=1
        )
    return _rows(frame.planes[0], frame.height, frame.width)


def is_transparent(frame: VideoFrame) -> bool:
    """Returns True for a frame of which not all is opaque."""
    if not any(component.is_alpha for component in frame.format.components):
        return False
    return bool(frame.reformat(format="rgba", threads=1).to_ndarray()[..., 3].min() < 255)


def _rows(plane: VideoPlane, num_rows: int, row_bytes: int) -> np.ndarray:
    """Uint8 ``(num_rows, row_bytes)``: a view of a plane without the padding of its lines."""
    lines = np.frombuffer(memoryview(cast(bytes, plane)), np.uint8)[: num_rows * plane.line_size].reshape(
        num_rows, plane.line_size
    )
    return lines[:, :row_bytes]
