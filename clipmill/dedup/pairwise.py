"""Each row's most similar earlier row, by tiles of the upper triangle: N x N never exists."""

import numpy as np
import numpy.typing as npt

from clipmill.dedup.vectors import Indices, Unit

_SCALE = np.float32(1e6)  # scores are whole millionths: equal copies tie exactly, whatever the tile


def nearest_earlier(unit: Unit, *, batch_size: int = 1024) -> tuple[Indices, npt.NDArray[np.float64]]:
    """Index ``(N,)`` and cosine similarity ``(N,)`` of the most similar earlier row, in [0, 1], to 6 digits.

    ``unit`` is float32 ``(N, D)``, rows of unit length in rank order, best first. Of equally similar rows the
    earliest counts. A row with no earlier row of positive similarity, as the first, names itself with 0.0.
    Memory beyond the rows is a tile of ``batch_size`` squared.
    """
    _check(unit, batch_size)
    best = np.zeros(len(unit), dtype=np.float32)
    index = np.arange(len(unit), dtype=np.intp)
    for start in range(0, len(unit), batch_size):
        rows = slice(start, start + batch_size)
        for earlier in range(0, start + 1, batch_size):
            _take_better(unit, rows, slice(earlier, earlier + batch_size), best[rows], index[rows])
    return index, np.minimum(best.astype(np.float64) / _SCALE, 1.0)


def _take_better(
    unit: Unit, rows: slice, earlier: slice, best: npt.NDArray[np.float32], index: Indices
) -> None:
    """Update ``best`` and ``index`` of ``rows`` in place from one tile."""
    tile = (unit[rows] * _SCALE) @ unit[earlier].T
    np.rint(tile, out=tile)
    if rows == earlier:
        tile = np.tril(tile, -1)
    column = tile.argmax(axis=1)
    score = np.take_along_axis(tile, column[:, None], axis=1)[:, 0]
    better = score > best
    best[better] = score[better]
    index[better] = column[better] + earlier.start


def _check(unit: Unit, batch_size: int) -> None:
    if unit.ndim != 2:
        raise ValueError(f"rows must be (N, D), got {unit.shape = }")
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    off = np.flatnonzero(~(np.abs(np.linalg.norm(unit, axis=1) - 1.0) < 1e-3))
    if len(off):
        raise ValueError(f"row {off[0]} does not have unit length")
