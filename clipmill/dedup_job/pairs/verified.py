"""The best pair of each clip by its sketch, in place of what its embedding alone says."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clipmill.dedup.candidates import MIN_BESIDE_PICTURES, Candidates, are_far, earlier_candidates
from clipmill.dedup.vectors import Indices, Unit
from clipmill.dedup_job.tables.fingerprint_column import Sketches, best_rows, verified, verified_by_pictures

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Verified:
    """Pairs of rows ``(P,)`` with their verified similarity, and whether a border lies between the two."""

    row: Indices
    other: Indices
    score: Scores
    is_across: npt.NDArray[np.bool_]

    def in_place_of(
        self, rows: Indices, index: Indices, score: Scores, *, is_across: bool
    ) -> tuple[Indices, Scores]:
        """The best others of ``rows`` and their scores: ``index`` and ``score`` where nothing is verified."""
        chosen = np.flatnonzero(self.is_across == is_across)
        best = chosen[best_rows(self.row[chosen], self.score[chosen])]
        size = int(max(rows.max(initial=-1), self.row.max(initial=-1))) + 1
        other, value = np.full(size, -1, dtype=np.intp), np.zeros(size)
        other[self.row[best]], value[self.row[best]] = self.other[best], self.score[best]
        is_new = other[rows] >= 0
        return np.where(is_new, other[rows], index), np.where(is_new, value[rows], score)


def verified_pairs(
    unit: Unit, is_guest: npt.NDArray[np.bool_], place: Indices, sketches: Sketches, *, batch_size: int
) -> Verified:
    """The candidates among the rows of a cluster, each with an earlier one by ``place``."""
    order = np.argsort(place)
    found = earlier_candidates(unit[order], is_guest[order], batch_size=batch_size, least=MIN_BESIDE_PICTURES)
    pairs = Candidates(order[found.row], order[found.other], found.similarity)

    def may_go(rows: Indices, others: Indices) -> npt.NDArray[np.bool_]:
        is_earlier = place[others] < place[rows][:, None]
        return is_earlier & ~(is_guest[rows][:, None] & is_guest[others]) & are_far(unit[rows], unit[others])

    score = verified(pairs, sketches, sketches)
    more = verified_by_pictures(sketches, sketches, may_go=may_go)
    row, other = np.concatenate([pairs.row, more.row]), np.concatenate([pairs.other, more.other])
    score = np.concatenate([score, more.similarity])
    return Verified(row, other, score, is_guest[row] | is_guest[other])


def joined(parts: list[Verified]) -> Verified:
    """The pairs of all parts."""
    return Verified(
        np.concatenate([part.row for part in parts]),
        np.concatenate([part.other for part in parts]),
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.is_across for part in parts]),
    )
