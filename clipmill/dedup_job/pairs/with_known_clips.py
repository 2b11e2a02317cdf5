"""Pairs of new clips with those of earlier runs, cluster by cluster."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from clipmill.dedup.best_copy import SAME_SIZE
from clipmill.dedup.candidates import MIN_BESIDE_PICTURES, MIN_SIMILARITY, are_far, candidates_among
from clipmill.dedup.copies.fingerprints import decode
from clipmill.dedup.pairwise import nearest_among
from clipmill.dedup.vectors import Indices, Unit
from clipmill.dedup_job.assign import as_matrix, cluster_ranges
from clipmill.dedup_job.pairs.verified import Scores, Verified, joined
from clipmill.dedup_job.previous.rows import Part, rows_of_clusters, sketches_at
from clipmill.dedup_job.tables.arrow_lookup import are_among
from clipmill.dedup_job.tables.fingerprint_column import (
    Sketches,
    pair_similarity,
    sketches_of,
    verified_by_pictures,
)

MOST_FOR_PICTURES = 512
"""Known clips of a cluster all of whose sketches are read, so that pictures may propose copies among them."""


@dataclass(frozen=True)
class Best:
    """For each row the most similar other so far, an index into all ids or -1, and how similar, ``(N,)``."""

    index: Indices
    score: Scores

    @classmethod
    def none_of(cls, num_rows: int) -> "Best":
        """Nothing found yet."""
        return cls(np.full(num_rows, -1, dtype=np.intp), np.zeros(num_rows))

    def of(self, rows: npt.NDArray[np.bool_]) -> "Best":
        """What was found of some rows."""
        return Best(np.where(rows, self.index, -1), np.where(rows, self.score, 0.0))

    def take(self, rows: Indices | slice, index: Indices, score: Scores) -> None:
        """Note others of ``rows``, -1 for none, that are more similar than what is noted."""
        better = (index >= 0) & (score > self.score[rows])
        self.index[rows] = np.where(better, index, self.index[rows])
        self.score[rows] = np.where(better, score, self.score[rows])


@dataclass(frozen=True)
class KnownRows:
    """Clips of earlier runs: the rows of a part, and which of them ``(M,)`` are compared."""

    part: Part
    is_compared: npt.NDArray[np.bool_]

    @classmethod
    def whole(cls, part: Part) -> "KnownRows":
        """All rows of a part."""
        return cls(part, np.ones(len(part.ids), dtype=bool))

    @classmethod
    def without(cls, part: Part, removed: pa.ChunkedArray) -> "KnownRows":
        """The rows of a part that are not named in ``removed``."""
        return cls(part, ~are_among(part.ids, removed)) if len(removed) else cls.whole(part)


@dataclass(frozen=True)
class _Known:
    """Known clips of one cluster, ``unit`` ``(M, D)``: rows ``places`` of a part; ``own`` are the new ones.

    Row 0 of the part is number ``base`` of all known clips.
    """

    own: slice
    unit: Unit
    part: Part
    places: Indices
    base: int


def similarity_to_known(
    rows: pa.Table, known: Sequence[KnownRows], *, dimensions: int, batch_size: int
) -> Scores:
    """The similarity ``(N,)`` of each of the new clips ``rows`` to the most similar known one.

    ``rows`` are sorted by ``host``. As ``find_new_pairs`` has it, each row by itself.
    """
    best, verified = to_known(rows, known, dimensions=dimensions, batch_size=batch_size)
    if verified:
        places = np.arange(len(rows))
        for is_across in (False, True):
            found = joined(verified).in_place_of(places, best.index, best.score, is_across=is_across)
            best = Best(*found)
    return best.score


def to_known(
    rows: pa.Table,
    known: Sequence[KnownRows],
    *,
    dimensions: int,
    batch_size: int,
    looks_at_pictures: bool = False,
) -> tuple[Best, list[Verified]]:
    """The most similar known clip of each row by embeddings, and the pairs that sketches verify."""
    unit, hosts, sketches = as_matrix(rows["embedding"]), cluster_ranges(rows), sketches_of(rows)
    is_guest = rows["cluster"].to_numpy() != rows["host"].to_numpy()
    best, verified = Best.none_of(len(unit)), list[Verified]()
    for one in _known_clips(hosts, known, dimensions=dimensions):
        index, score = nearest_among(unit[one.own], one.unit)
        has = np.flatnonzero(index >= 0)
        index[has] = one.places[index[has]] + one.base
        best.take(one.own, index, score)
        if sketches is not None:
            has_pictures = looks_at_pictures and _shows_pictures(one)
            least = MIN_BESIDE_PICTURES if has_pictures else MIN_SIMILARITY
            verified.append(
                _verified_known(unit, one, sketches, is_guest, batch_size=batch_size, least=least)
            )
            if has_pictures:
                verified.append(_by_pictures(unit[one.own], one, sketches, is_guest))
    return best, verified


def _known_clips(
    hosts: Mapping[int, slice], known: Sequence[KnownRows], *, dimensions: int
) -> Iterator[_Known]:
    base = 0
    for one in known:
        for found in rows_of_clusters(one.part, list(hosts), dimensions=dimensions):
            compared = np.flatnonzero(one.is_compared[found.first_row : found.first_row + len(found.unit)])
            others = found.unit if len(compared) == len(found.unit) else found.unit[compared]
            yield _Known(hosts[found.cluster], others, one.part, compared + found.first_row, base)
        base += len(one.part.ids)


def _verified_known(
    unit: Unit,
    known: _Known,
    sketches: Sketches,
    is_guest: npt.NDArray[np.bool_],
    *,
    batch_size: int,
    least: float,
) -> Verified:
    found = candidates_among(unit[known.own], known.unit, batch_size=batch_size, least=least)
    row, other = found.row + known.own.start, known.places[found.other]
    own = [sketches[one] for one in row]
    score = pair_similarity(found.similarity, own, sketches_at(known.part, other))
    return Verified(row, other + known.base, score, is_guest[row])


def _by_pictures(unit: Unit, known: _Known, sketches: Sketches, is_guest: npt.NDArray[np.bool_]) -> Verified:
    """New clips that repeat a known one, or are a part of it, as only their pictures propose."""

    def may_go(rows: Indices, others: Indices) -> npt.NDArray[np.bool_]:
        return are_far(unit[rows], known.unit[others])

    theirs = sketches_at(known.part, known.places)
    pairs = verified_by_pictures(sketches[known.own], theirs, may_go=may_go)
    row, other = pairs.row + known.own.start, known.places[pairs.other] + known.base
    return Verified(row, other, pairs.similarity, is_guest[row])


def parts_of_new(rows: pa.Table, known: Sequence[KnownRows], *, dimensions: int) -> list[Verified]:
    """The known clips that are a part of one of the new clips ``rows`` whose picture is as large."""
    hosts, sketches = cluster_ranges(rows), sketches_of(rows)
    if sketches is None:
        return []
    is_guest = rows["cluster"].to_numpy() != rows["host"].to_numpy()
    looked_at = filter(_shows_pictures, _known_clips(hosts, known, dimensions=dimensions))
    return [_parts_of_new(one, sketches, is_guest) for one in looked_at]


def _parts_of_new(known: _Known, sketches: Sketches, is_guest: npt.NDArray[np.bool_]) -> Verified:
    """Known clips that are a part of a new one whose picture is as large."""
    own, theirs = sketches[known.own], sketches_at(known.part, known.places)
    pairs = verified_by_pictures(theirs, own, may_go=_all_pairs)
    places = zip(pairs.row, pairs.other, strict=True)
    pairs = pairs.where(np.array([_is_as_large(own[new], theirs[part]) for part, new in places], bool))
    row, other = pairs.other + known.own.start, known.places[pairs.row] + known.base
    return Verified(row, other, pairs.similarity, is_guest[row])


def _shows_pictures(known: _Known) -> bool:
    return len(known.places) <= MOST_FOR_PICTURES


def _all_pairs(rows: Indices, others: Indices) -> npt.NDArray[np.bool_]:
    return np.ones((len(rows), len(others)), dtype=bool)


def _is_as_large(one: bytes | None, other: bytes | None) -> bool:
    """Returns True if the picture of one clip is known to be at least as large as that of the other."""
    details = [decode(sketch).detail if sketch else None for sketch in (one, other)]
    pixels = [math.prod(detail.picture_px) for detail in details if detail]
    return len(pixels) == 2 and pixels[0] * SAME_SIZE >= pixels[1]
