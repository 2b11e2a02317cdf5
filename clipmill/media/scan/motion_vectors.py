"""The decoder's own motion vectors, summed into blocks. Only H.264 (and older codecs) exports them."""

from math import ceil

import numpy as np
from av.sidedata.motionvectors import MotionVectors
from av.video.codeccontext import VideoCodecContext

from clipmill.media.frames.orientation import side_data
from clipmill.media.scan.samplers import Shown
from clipmill.scores.flow import BLOCK_PX
from clipmill.scores.motion import motion_luma_size

MACROBLOCK_PX = 16
"""Largest block a vector stands for; a cell is never smaller."""


def export_vectors(codec: VideoCodecContext) -> None:
    """Ask the decoder for its vectors; before it is opened."""
    codec.options = {**codec.options, "flags2": "+export_mvs"}


class VectorMotion:
    """Motion of a frame by its vectors. A frame without any (a key picture) has nothing to measure."""

    def __init__(self, *, coded_size_px: tuple[int, int]) -> None:
        self._size_px = coded_size_px
        small = motion_luma_size(*coded_size_px)
        self._grid_xy = tuple(
            min(blocks // BLOCK_PX, ceil(px / MACROBLOCK_PX))
            for blocks, px in zip(small, coded_size_px, strict=True)
        )

    def __call__(self, shown: Shown) -> np.ndarray | None:
        """Float32 ``(By, Bx)``, vector lengths over (height + width)."""
        for data in side_data(shown.frame):
            if isinstance(data, MotionVectors):
                return block_lengths(data.to_ndarray(), size_px=self._size_px, grid_xy=self._grid_xy)
        return None


def block_lengths(vectors: np.ndarray, *, size_px: tuple[int, int], grid_xy: tuple[int, ...]) -> np.ndarray:
    """Mean vector length of each cell over (height + width), float32 ``(By, Bx)``.

    ``vectors`` has the fields of AVMotionVector. Where two predict one block (B-frames) the last counts; what
    no vector covers stands still. A block belongs to the cell of its centre.
    """
    width, height = size_px
    columns, rows = grid_xy
    place = vectors["dst_y"].astype(np.int64) * (1 << 20) + vectors["dst_x"]
    last = len(vectors) - 1 - np.unique(place[::-1], return_index=True)[1]
    kept = vectors[last]
    scale = np.maximum(kept["motion_scale"], 1).astype(np.float64)
    lengths = np.hypot(kept["motion_x"] / scale, kept["motion_y"] / scale)
    covered = kept["w"].astype(np.float64) * kept["h"]
    column = np.clip(kept["dst_x"].astype(np.int64) * columns // width, 0, columns - 1)
    row = np.clip(kept["dst_y"].astype(np.int64) * rows // height, 0, rows - 1)
    sums = np.bincount(row * columns + column, lengths * covered, minlength=rows * columns)
    cell_px = width * height / (rows * columns)
    return (sums / cell_px / (height + width)).reshape(rows, columns).astype(np.float32)
