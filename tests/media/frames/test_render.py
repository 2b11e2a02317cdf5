"""Thumbnails: what they are made of."""

from fractions import Fraction

import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from clipmill.media.frames.orientation import Orientation
from clipmill.media.frames.render import Renderer

pytestmark = pytest.mark.unit

SMOOTH = np.add.outer(np.arange(720) // 9, np.arange(1280) // 16).astype(np.uint8) + 20
WITHOUT_OUTPUT = "pal8"
"""Pixels that swscale reads and does not write."""


def frame_of(luma: np.ndarray, pixels: str = "yuv420p") -> VideoFrame:
    colours = np.full((len(luma) // 2, luma.shape[1]), 128, np.uint8)
    frame = VideoFrame.from_ndarray(np.concatenate([luma, colours]), format="yuv420p")
    return frame if pixels == "yuv420p" else VideoReformatter().reformat(frame, format=pixels)


def thumbnail_of(frame: VideoFrame, rotation_deg: int = 0) -> np.ndarray:
    """Signed, to be subtracted."""
    size_px, turn = (frame.width, frame.height), Orientation(rotation_deg)
    return Renderer(coded_size_px=size_px, orientation=turn, sar=Fraction(1)).thumbnail(frame).astype(int)


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p10le", "nv12", "yuyv422", "gbrp"])
def test_thumbnails_of_all_kinds_of_pixels_show_the_same(pixels: str) -> None:
    """RGB is looked at whole."""
    seen = thumbnail_of(frame_of(SMOOTH, pixels))
    assert np.abs(seen - thumbnail_of(frame_of(SMOOTH, "rgb24"))).max() <= 3


def test_a_palette_is_looked_at_whole() -> None:
    frame = VideoFrame(1280, 720, WITHOUT_OUTPUT)
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    assert not thumbnail_of(frame).any()


def test_a_turned_frame_has_the_thumbnail_of_the_upright_one() -> None:
    upright = frame_of(np.ascontiguousarray(SMOOTH[:, ::-1]))
    lying = frame_of(np.ascontiguousarray(np.rot90(SMOOTH[:, ::-1])))
    assert np.abs(thumbnail_of(lying, rotation_deg=90) - thumbnail_of(upright)).max() <= 3


def test_pixels_between_those_of_the_grid_do_not_count() -> None:
    """A large frame: 4 of 100 pixels are read. A small one is looked at whole."""
    points = SMOOTH.copy()
    points[::20, ::20] = 235
    assert np.abs(thumbnail_of(frame_of(points)) - thumbnail_of(frame_of(SMOOTH))).mean() < 1.5
    small = SMOOTH[:200, :320].copy()
    small[::2] = 235
    seen = thumbnail_of(frame_of(small))[..., 1]
    assert seen.min() > 90
    assert seen.max() < 200
