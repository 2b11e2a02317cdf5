"""The pairs of new clips: each with the most similar one of earlier runs, or better-ranked new one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from clipmill.dedup.pairwise import nearest_among, nearest_earlier, nearest_earlier_across
from clipmill.dedup.vectors import Indices, Unit
from clipmill.reduce.clusters import as_matrix, cluster_ranges
from clipmill.reduce.known_rows import Part, rows_of_clusters
from clipmill.reduce.lookup import all_names, are_among
from clipmill.reduce.pairs import ClusterPairs, Scores, Side, sides


@dataclass(frozen=True)
class _Best:
    """For each row the most similar other so far, an index into all ids or -1, and how similar, ``(N,)``."""

    index: Indices
    score: Scores = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "score", np.zeros(len(self.index)))

    def take(self, rows: Indices | slice, index: Indices, score: Scores) -> None:
        """Note others of ``rows``, -1 for none, that are more similar than what is noted."""
        better = (index >= 0) & (score > self.score[rows])
        self.index[rows] = np.where(better, index, self.index[rows])
        self.score[rows] = np.where(better, score, self.score[rows])


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
    other, those named in ``removed`` not at all. Both tables name the clips' own ``cluster``. Memory is that
    of the rows and of a stretch of the known ones.
    """
    unit, hosts = as_matrix(rows["embedding"]), cluster_ranges(rows)
    ids = all_names([part.ids for part in known])
    to_known = _nearest_known(unit, hosts, known, removed=removed, dimensions=dimensions)
    is_guest = rows["cluster"].to_numpy() != rows["host"].to_numpy()
    within, across = (_Best(np.where(is_guest == which, to_known.index, -1)) for which in (False, True))
    within.score[:] = np.where(is_guest, 0.0, to_known.score)
    across.score[:] = np.where(is_guest, to_known.score, 0.0)
    for own in hosts.values():
        residents, guests = sides(unit[own], is_guest[own], place[own])
        base = len(ids) + own.start
        _compare(residents, guests, within, across, own=own, base=base, batch_size=batch_size)
    order = np.lexsort((place, rows["host"].to_numpy()))
    residents_row = order[~is_guest[order]]
    itself = np.where(within.index < 0, np.arange(len(unit)) + len(ids), within.index)
    linked = np.flatnonzero(across.index >= 0)
    return ClusterPairs(
        _table(rows, ids, residents_row, itself, within.score),
        _table(rows, ids, linked, across.index, across.score),
    )


def _nearest_known(
    unit: Unit,
    hosts: Mapping[int, slice],
    known: Sequence[Part],
    *,
    removed: pa.ChunkedArray,
    dimensions: int,
) -> _Best:
    best, offset = _Best(np.full(len(unit), -1, dtype=np.intp)), 0
    for part in known:
        stays = _stays(part, removed)
        for found in rows_of_clusters(part, list(hosts), dimensions=dimensions):
            own = hosts[found.cluster]
            compared = np.flatnonzero(stays[found.first_row : found.first_row + len(found.unit)])
            others = found.unit if len(compared) == len(found.unit) else found.unit[compared]
            index, score = nearest_among(unit[own], others)
            has = np.flatnonzero(index >= 0)
            index[has] = compared[index[has]] + found.first_row + offset
            best.take(own, index, score)
        offset += len(part.ids)
    return best


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
