"""How a decoded picture has to be turned and mirrored to stand as the display matrix wants it.

The matrix is nine 32-bit numbers (ISO/IEC 14496-12, 6.2.2): ``x' = a x + c y``, ``y' = b x + d y``, with y
downwards.
"""

from dataclasses import dataclass
from math import atan2, degrees

import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.video.frame import VideoFrame


def side_data(frame: VideoFrame) -> SideDataContainer:
    """The side data of a frame; a reference to it keeps the frame alive."""
    return SideDataContainer(frame)  # pyright: ignore[reportCallIssue] PyAV's types leave its argument out


@dataclass(frozen=True)
class Orientation:
    """Turn clockwise by ``rotation_deg`` (0, 90, 180, 270), then mirror left to right if ``is_mirrored``."""

    rotation_deg: int = 0
    is_mirrored: bool = False


def orientation(frame: VideoFrame) -> Orientation:
    """What the frame's display matrix asks for, the nearest quarter turn; nothing without a matrix."""
    matrix = side_data(frame).get("DISPLAYMATRIX")
    if matrix is None:
        return Orientation()
    return orientation_of(np.frombuffer(bytes(matrix), "<i4"))


def orientation_of(matrix: np.ndarray) -> Orientation:
    """Orientation of a display matrix, int32 ``(9,)`` row by row; one that flattens pictures asks nothing."""
    if matrix.shape != (9,):
        raise ValueError(f"a display matrix has 9 numbers, got {matrix.shape = }")
    a, b, _, c, d = (float(number) for number in matrix[:5])
    if a * d == b * c:
        return Orientation()
    is_mirrored = a * d < b * c
    clockwise_deg = degrees(atan2(b, -a if is_mirrored else a))
    return Orientation(round(clockwise_deg / 90) % 4 * 90, is_mirrored)
