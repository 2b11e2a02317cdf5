"""Black bars around a picture, as frames without their aspect ratio or slides in a broadcast have them."""

import numpy as np

BLACK = 10
"""Level of the brightest colour of a row or column that may belong to a bar."""

MIN_INSIDE = 0.25
"""Share of a frame that bars leave at least; where less is lit, the picture is dark and has no bars."""


def bars_of(thumbnails: np.ndarray) -> np.ndarray:
    """Widths of the black bars, in pixels: top, bottom, left and right, int64 ``(N, 4)``.

    ``thumbnails`` is uint8 ``(N, H, W, 3)``. A black frame has none.
    """
    bars = np.zeros((len(thumbnails), 4), np.int64)
    frames = np.flatnonzero(_has_dark_edge(thumbnails))
    if len(frames):
        red, green, blue = np.moveaxis(thumbnails[frames], 3, 0)
        is_lit = np.maximum(np.maximum(red, green), blue) > BLACK
        rows, columns = is_lit.any(axis=2), is_lit.any(axis=1)
        sides = rows, rows[:, ::-1], columns, columns[:, ::-1]
        bars[frames] = np.stack([lit.argmax(axis=1) for lit in sides], axis=1)
    return bars


def blacken(luma: np.ndarray, bars: np.ndarray) -> None:
    """Take the noise out of the bars of pictures, ``(N, H, W)``, in place: they become 0."""
    if (bars == bars[0]).all():
        _blacken(luma, *bars[0].tolist())
        return
    for frame in np.flatnonzero(bars.any(axis=1)).tolist():
        _blacken(luma[frame : frame + 1], *bars[frame].tolist())


def share_inside(first: np.ndarray, second: np.ndarray, *, shape: tuple[int, int]) -> np.ndarray:
    """Share of the frame that the bars which two pictures have in common leave, float32 ``(...)``.

    ``first`` and ``second`` are rows of what ``bars_of`` gives, ``(..., 4)``; ``shape`` is the height and
    width of a picture.
    """
    common = np.minimum(first, second)
    rows = shape[0] - common[..., 0] - common[..., 1]
    columns = shape[1] - common[..., 2] - common[..., 3]
    share = (rows * columns / (shape[0] * shape[1])).astype(np.float32)
    return np.where(share < MIN_INSIDE, np.float32(1), share)


def _has_dark_edge(thumbnails: np.ndarray) -> np.ndarray:
    """Which pictures may have bars: those with an edge that is not green."""
    green = thumbnails[..., 1]
    edges = green[:, 0], green[:, -1], green[:, :, 0], green[:, :, -1]
    return np.minimum.reduce([edge.max(axis=1) for edge in edges]) <= BLACK


def _blacken(luma: np.ndarray, top: int, bottom: int, left: int, right: int) -> None:
    luma[:, :top] = 0
    luma[:, luma.shape[1] - bottom :] = 0
    luma[:, :, :left] = 0
    luma[:, :, luma.shape[2] - right :] = 0
