"""Each row's most similar earlier row, by tiles of the upper triangle: N x N never exists."""

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clipmill.dedup.vectors import Indices, Unit

_USUAL_ROWS = 1024
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


@dataclass(frozen=True)
class Ranked:
    """float32 rows ``(N, D)`` of unit length, best first, and the place ``(N,)`` of each in one order."""

    unit: Unit
    place: Indices

    def __post_init__(self) -> None:
        _check(self.unit, 1)
        if self.place.shape != (len(self.unit),) or (np.diff(self.place) <= 0).any():
            raise ValueError(f"places must ascend, one for each row, got {self.place.shape = }")


def nearest_earlier_across(
    guests: Ranked, residents: Ranked, *, batch_size: int = 1024
) -> tuple[tuple[Indices, npt.NDArray[np.float64]], tuple[Indices, npt.NDArray[np.float64]]]:
    """As ``nearest_earlier``, between two sets: of the guests among the residents, and the other way round.

    Earlier is by the common order. Index and similarity ``(N,)`` of each set; -1 and 0.0 where the other set
    has no earlier row of positive similarity. No two rows of one set are compared.
    """
    sets = (guests, residents)
    best = [np.zeros(len(one.unit), dtype=np.float32) for one in sets]
    index = [np.full(len(one.unit), -1, dtype=np.intp) for one in sets]
    for start in range(0, len(guests.unit), batch_size):
        own = slice(start, start + batch_size)
        for other in range(0, len(residents.unit), batch_size):
            theirs = slice(other, other + batch_size)
            tile = _tile(guests.unit[own], residents.unit[theirs])
            is_earlier = residents.place[theirs] < guests.place[own, None]
            earlier = tile * is_earlier
            _keep_better(earlier, other, best[0][own], index[0][own])
            tile -= earlier
            _keep_better(tile.T, start, best[1][theirs], index[1][theirs])
    first, second = (np.minimum(score.astype(np.float64) / _SCALE, 1.0) for score in best)
    return (index[0], first), (index[1], second)


def nearest_among(
    unit: Unit, others: Unit, *, batch_size: int = 1024
) -> tuple[Indices, npt.NDArray[np.float64]]:
    """Index ``(N,)`` into ``others`` ``(M, D)`` and similarity of the most similar one, the first of equals.

    -1 and 0.0 where none has positive similarity. Rows are taken as they are: of unit length.
    """
    best, index = np.zeros(len(unit), dtype=np.float32), np.full(len(unit), -1, dtype=np.intp)
    for start in range(0, len(unit), batch_size):
        rows = slice(start, start + batch_size)
        for other in range(0, len(others), batch_size):
            tile = _tile(unit[rows], others[other : other + batch_size])
            _keep_better(tile, other, best[rows], index[rows])
    return index, np.minimum(best.astype(np.float64) / _SCALE, 1.0)


def _take_better(
    unit: Unit, rows: slice, earlier: slice, best: npt.NDArray[np.float32], index: Indices
) -> None:
    """Update ``best`` and ``index`` of ``rows`` in place from one tile."""
    tile = _tile(unit[rows], unit[earlier])
    if rows == earlier:
        tile *= _below_diagonal(len(tile))
    _keep_better(tile, earlier.start, best, index)


def _tile(rows: Unit, others: Unit) -> npt.NDArray[np.float32]:
    """Similarities ``(N, M)`` in millionths."""
    tile = (rows @ others.T).astype(np.float32, copy=False)
    tile *= _SCALE
    return np.rint(tile, out=tile)


def _below_diagonal(num_rows: int) -> npt.NDArray[np.float32]:
    """Ones below the diagonal, else zeros: made once where tiles are of the usual size."""
    return _triangle(max(num_rows, _USUAL_ROWS))[:num_rows, :num_rows]


@functools.lru_cache(maxsize=1)
def _triangle(num_rows: int) -> npt.NDArray[np.float32]:
    return np.tri(num_rows, k=-1, dtype=np.float32)


def _keep_better(
    tile: npt.NDArray[np.float32], offset: int, best: npt.NDArray[np.float32], index: Indices
) -> None:
    """Update ``best`` and ``index`` where a column of ``tile``, the first at ``offset``, is better."""
    if not tile.size:
        return
    column = tile.argmax(axis=1)
    score = tile[np.arange(len(tile)), column]
    better = score > best
    np.copyto(best, score, where=better)
    np.copyto(index, column + offset, where=better)


def _check(unit: Unit, batch_size: int) -> None:
    if unit.ndim != 2:
        raise ValueError(f"rows must be (N, D), got {unit.shape = }")
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    squares = np.vecdot(unit, unit)
    is_unit = np.abs(squares - 1.0) < 2e-3  # a length off by at most a thousandth
    if not is_unit.all():
        raise ValueError(f"row {np.argmin(is_unit)} does not have unit length")
