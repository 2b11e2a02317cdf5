"""The pairs of new clips: each with the most similar one of earlier runs, or better-ranked new one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from clipmill.dedup.candidates import candidates_among
from clipmill.dedup.pairwise import nearest_among, nearest_earlier, nearest_earlier_across
from clipmill.dedup.vectors import Indices, Unit
from clipmill.dedup_job.assign import as_matrix, cluster_ranges
from clipmill.dedup_job.pairs.of_cluster import ClusterPairs, Scores, Side, sides
from clipmill.dedup_job.pairs.verified import Verified, joined, verified_pairs
from clipmill.dedup_job.previous.rows import Part, rows_of_clusters, sketches_at
from clipmill.dedup_job.tables.arrow_lookup import all_names, are_among
from clipmill.dedup_job.tables.fingerprint_column import Sketches, pair_similarity, sketches_of


@dataclass(frozen=True)
class _Best:
    """For each row the most similar other so far, an index into all ids or -1, and how similar, ``(N,)``."""

    index: Indices
    score: Scores

    @classmethod
    def none_of(cls, num_rows: int) -> "_Best":
        """Nothing found yet."""
        return cls(np.full(num_rows, -1, dtype=np.intp), np.zeros(num_rows))

    def of(self, rows: npt.NDArray[np.bool_]) -> "_Best":
        """What was found of some rows."""
        return _Best(np.where(rows, self.index, -1), np.where(rows, self.score, 0.0))

    def take(self, rows: Indices | slice, index: Indices, score: Scores) -> None:
        """Note others of ``rows``, -1 for none, that are more similar than what is noted."""
        better = (index >= 0) & (score > self.score[rows])
        self.index[rows] = np.where(better, index, self.index[rows])
        self.score[rows] = np.where(better, score, self.score[rows])


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


def find_new_pairs(
    rows: pa.Table,
    place: Indices,
    known: Sequence[Part],
    *,
    removed: pa.ChunkedArray,
    dimensions: int,
    batch_size: int,
) -> ClusterPairs:
    """The pairs of new clips ``rows``, sorted by ``host``, in each of their clusters.

    ``place`` ranks them among each other; the ``known`` clips all rank before and are not compared with each
    other, those named in ``removed`` not at all. Both tables name the clips' own ``cluster``. Of clips with
    sketches the similarity is that which those verify. Memory is that of the rows and of a stretch of the
    known ones.
    """
    unit, hosts, sketches = as_matrix(rows["embedding"]), cluster_ranges(rows), sketches_of(rows)
    ids = all_names([part.ids for part in known])
    is_guest = rows["cluster"].to_numpy() != rows["host"].to_numpy()
    to_known, verified = _Best.none_of(len(unit)), list[Verified]()
    for one in _known_clips(hosts, known, removed=removed, dimensions=dimensions):
        _compare_known(unit, one, to_known)
        if sketches is not None:
            verified.append(_verified_known(unit, one, sketches, is_guest, batch_size=batch_size))
    within, across = to_known.of(~is_guest), to_known.of(is_guest)
    for own in hosts.values():
        residents, guests = sides(unit[own], is_guest[own], place[own])
        base = len(ids) + own.start
        _compare(residents, guests, within, across, own=own, base=base, batch_size=batch_size)
        if sketches is not None:
            found = verified_pairs(unit[own], is_guest[own], place[own], sketches[own], batch_size=batch_size)
            verified.append(Verified(found.row + own.start, found.other + base, found.score, found.is_across))
    if verified:
        within, across = _by_sketches(joined(verified), within, across)
    order = np.lexsort((place, rows["host"].to_numpy()))
    residents_row = order[~is_guest[order]]
    itself = np.where(within.index < 0, np.arange(len(unit)) + len(ids), within.index)
    linked = np.flatnonzero(across.index >= 0)
    return ClusterPairs(
        _table(rows, ids, residents_row, itself, within.score),
        _table(rows, ids, linked, across.index, across.score),
    )


def _known_clips(
    hosts: Mapping[int, slice], known: Sequence[Part], *, removed: pa.ChunkedArray, dimensions: int
) -> Iterator[_Known]:
    base = 0
    for part in known:
        stays = _stays(part, removed)
        for found in rows_of_clusters(part, list(hosts), dimensions=dimensions):
            compared = np.flatnonzero(stays[found.first_row : found.first_row + len(found.unit)])
            others = found.unit if len(compared) == len(found.unit) else found.unit[compared]
            yield _Known(hosts[found.cluster], others, part, compared + found.first_row, base)
        base += len(part.ids)


def _compare_known(unit: Unit, known: _Known, best: _Best) -> None:
    index, score = nearest_among(unit[known.own], known.unit)
    has = np.flatnonzero(index >= 0)
    index[has] = known.places[index[has]] + known.base
    best.take(known.own, index, score)


def _verified_known(
    unit: Unit, known: _Known, sketches: Sketches, is_guest: npt.NDArray[np.bool_], *, batch_size: int
) -> Verified:
    found = candidates_among(unit[known.own], known.unit, batch_size=batch_size)
    row, other = found.row + known.own.start, known.places[found.other]
    own = [sketches[one] for one in row]
    score = pair_similarity(found.similarity, own, sketches_at(known.part, other))
    return Verified(row, other + known.base, score, is_guest[row])


def _by_sketches(verified: Verified, within: _Best, across: _Best) -> tuple[_Best, _Best]:
    rows = np.arange(len(within.index))
    return (
        _Best(*verified.in_place_of(rows, within.index, within.score, is_across=False)),
        _Best(*verified.in_place_of(rows, across.index, across.score, is_across=True)),
    )


def _stays(part: Part, removed: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    if not len(removed):
        return np.ones(len(part.ids), dtype=bool)
    return ~are_among(part.ids, removed)


def _compare(
    residents: Side, guests: Side, within: _Best, across: _Best, *, own: slice, base: int, batch_size: int
) -> None:
    """New clips of one cluster with each other; row 0 of it is row ``own.start`` and id ``base`` of all."""
    index, score = nearest_earlier(residents.unit, batch_size=batch_size)
    within.take(residents.row + own.start, residents.row[index] + base, score)
    found = nearest_earlier_across(guests.in_order, residents.in_order, batch_size=batch_size)
    for (index, score), side, other in zip(found, (guests, residents), (residents, guests), strict=True):
        has = np.flatnonzero(index >= 0)
        across.take(side.row[has] + own.start, other.row[index[has]] + base, score[has])


def _table(
    rows: pa.Table, known: pa.ChunkedArray, chosen: Indices, index: Indices, score: Scores
) -> pa.Table:
    """The pairs of the ``chosen`` rows; ``index`` counts the ``known`` clips and then the rows."""
    other = index[chosen]
    is_known = other < len(known)
    names = pa.concat_arrays([
        known.chunk(0).take(pa.array(other[is_known])),
        rows["id"].combine_chunks().take(pa.array(other[~is_known] - len(known))),
    ])  # fmt: skip
    place = np.argsort(np.argsort(~is_known, kind="stable"))
    columns = {
        "id": rows["id"].take(pa.array(chosen)),
        "max_id": names.take(pa.array(place)),
        "cosine_sim_score": pc.cast(pa.array(score[chosen]), pa.float32(), safe=False),
        "cluster": rows["cluster"].take(pa.array(chosen)),
    }
    return pa.table(columns)
