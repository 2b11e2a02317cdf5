"""Pairs of rows alike enough to be looked at again: of each row the few most similar ones."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clipmill.dedup.vectors import Indices, Unit, round_scores

MIN_SIMILARITY = 0.2
"""Least cosine similarity of perceptual embeddings of what may be a copy; see ``bench.copies``."""

MIN_BESIDE_PICTURES = 0.3
"""The same where pictures propose copies as well; see ``copies.picture_candidates``."""

MOST = 16
"""Candidates of one row at most: what keeps the cost in proportion to the rows."""


@dataclass(frozen=True)
class Candidates:
    """Pairs of a row and another, indices and cosine similarity ``(P,)``, by row, the most similar first."""

    row: Indices
    other: Indices
    similarity: npt.NDArray[np.float64]

    def where(self, mask: npt.NDArray[np.bool_]) -> "Candidates":
        """Those of the pairs that a mask ``(P,)`` has."""
        return Candidates(self.row[mask], self.other[mask], self.similarity[mask])


NONE = Candidates(np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0))


def are_far(unit: Unit, others: Unit) -> npt.NDArray[np.bool_]:
    """Returns bool ``(N, M)``: the pairs that embeddings do not propose where pictures do as well."""
    return unit @ others.T < MIN_BESIDE_PICTURES


def earlier_candidates(
    unit: Unit, is_guest: npt.NDArray[np.bool_], *, batch_size: int, least: float = MIN_SIMILARITY
) -> Candidates:
    """Of each row ``(N, D)`` of unit length, best first, the earlier ones; no two guests are compared.

    Memory beyond the rows and the result is a tile of ``batch_size`` squared.
    """
    return joined(
        _few(_earlier_tiles(unit, is_guest, start, batch_size=batch_size), start, least)
        for start in range(0, len(unit), batch_size)
    )


def candidates_among(
    unit: Unit, others: Unit, *, batch_size: int, least: float = MIN_SIMILARITY
) -> Candidates:
    """Of each row ``(N, D)`` those among ``others`` ``(M, D)``, all of unit length."""
    return joined(
        _few(_tiles(unit[start : start + batch_size], others, batch_size=batch_size), start, least)
        for start in range(0, len(unit), batch_size)
    )


def _earlier_tiles(
    unit: Unit, is_guest: npt.NDArray[np.bool_], start: int, *, batch_size: int
) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    rows = slice(start, start + batch_size)
    for other, tile in _tiles(unit[rows], unit[: start + batch_size], batch_size=batch_size):
        tile *= ~(is_guest[rows, None] & is_guest[other : other + batch_size])
        yield other, np.tril(tile, -1) if other == start else tile


def _tiles(unit: Unit, others: Unit, *, batch_size: int) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    for start in range(0, len(others), batch_size):
        yield start, unit @ others[start : start + batch_size].T


def _few(tiles: Iterator[tuple[int, npt.NDArray[np.float32]]], first_row: int, least: float) -> Candidates:
    """The best of each row over all tiles, which hold the same rows, the first of them ``first_row``."""
    kept = NONE
    for start, tile in tiles:
        row, other = np.nonzero(tile >= least)
        found = Candidates(row + first_row, other + start, round_scores(tile[row, other]))
        kept = best_of(joined([kept, found])) if len(row) else kept
    return kept


def best_of(candidates: Candidates, most: int = MOST) -> Candidates:
    """The ``most`` most similar of each row; of equals the smaller index."""
    order = np.lexsort((candidates.other, -candidates.similarity, candidates.row))
    row = candidates.row[order]
    is_first = np.append(True, row[1:] != row[:-1])[: len(row)]
    starts = np.maximum.accumulate(np.where(is_first, np.arange(len(row)), 0))
    order = order[np.arange(len(row)) - starts < most]
    return Candidates(candidates.row[order], candidates.other[order], candidates.similarity[order])


def joined(parts: Iterable[Candidates]) -> Candidates:
    """The pairs of all parts, one behind the other."""
    parts = [NONE, *parts]
    return Candidates(
        np.concatenate([part.row for part in parts]),
        np.concatenate([part.other for part in parts]),
        np.concatenate([part.similarity for part in parts]),
    )
