"""Each row's most similar earlier row, by tiles of the upper triangle: N x N never exists."""

from dataclasses import dataclass

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
            _keep_better(_only(tile, is_earlier), other, best[0][own], index[0][own])
            _keep_better(_only(tile, ~is_earlier).T, start, best[1][theirs], index[1][theirs])
    first, second = (np.minimum(score.astype(np.float64) / _SCALE, 1.0) for score in best)
    return (index[0], first), (index[1], second)


def nearest_before(
    unit: Unit, *, num_known: int, batch_size: int = 1024
) -> tuple[Indices, npt.NDArray[np.float64]]:
    """``nearest_earlier`` of the rows from ``num_known`` on, among all rows; known ones are not compared.

    Index into all rows and similarity, both ``(N - num_known,)``.
    """
    fresh_index, fresh = nearest_earlier(unit[num_known:], batch_size=batch_size)
    places = np.arange(len(unit), dtype=np.intp)
    known = Ranked(unit[:num_known], places[:num_known])
    (index, score), _ = nearest_earlier_across(
        Ranked(unit[num_known:], places[num_known:]), known, batch_size=batch_size
    )
    is_known = (score >= fresh) & (index >= 0)
    return np.where(is_known, index, fresh_index + num_known), np.maximum(score, fresh)


def _take_better(
    unit: Unit, rows: slice, earlier: slice, best: npt.NDArray[np.float32], index: Indices
) -> None:
    """Update ``best`` and ``index`` of ``rows`` in place from one tile."""
    tile = _tile(unit[rows], unit[earlier])
    if rows == earlier:
        tile = np.tril(tile, -1)
    _keep_better(tile, earlier.start, best, index)


def _tile(rows: Unit, others: Unit) -> npt.NDArray[np.float32]:
    """Similarities ``(N, M)`` in millionths."""
    tile = ((rows * _SCALE) @ others.T).astype(np.float32, copy=False)
    np.rint(tile, out=tile)
    return tile


def _only(tile: npt.NDArray[np.float32], where: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """``tile`` with zeros elsewhere."""
    chosen = np.zeros_like(tile)
    np.copyto(chosen, tile, where=where)
    return chosen


def _keep_better(
    tile: npt.NDArray[np.float32], offset: int, best: npt.NDArray[np.float32], index: Indices
) -> None:
    """Update ``best`` and ``index`` where a column of ``tile``, the first at ``offset``, is better."""
    column = tile.argmax(axis=1)
    score = np.take_along_axis(tile, column[:, None], axis=1)[:, 0]
    better = score > best
    best[better] = score[better]
    index[better] = column[better] + offset


def _check(unit: Unit, batch_size: int) -> None:
    if unit.ndim != 2:
        raise ValueError(f"rows must be (N, D), got {unit.shape = }")
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    off = np.flatnonzero(~(np.abs(np.linalg.norm(unit, axis=1) - 1.0) < 1e-3))
    if len(off):
        raise ValueError(f"row {off[0]} does not have unit length")
