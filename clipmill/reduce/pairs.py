"""The pairs of one cluster: each clip with the most similar better-ranked one, also across its border."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from clipmill.dedup.pairwise import Ranked, nearest_before, nearest_earlier_across
from clipmill.dedup.vectors import Indices, Unit
from clipmill.reduce.clusters import KMEANS_COLUMNS, as_matrix, ranked
from clipmill.reduce.handover import Ranking

_COLUMNS = ("cluster", *KMEANS_COLUMNS)


@dataclass(frozen=True)
class ClusterPairs:
    """``within`` has ``id``, ``max_id``, ``cosine_sim_score``, best ranked first, a row for each clip.

    ``across`` has a row, with its own ``cluster``, for each clip with a better-ranked one beyond the border.
    """

    within: pa.Table
    across: pa.Table


@dataclass(frozen=True)
class _Side:
    """Clips in rank order: ids, unit rows, clusters of their own, places in the common order."""

    ids: npt.NDArray[np.object_]
    unit: Unit
    cluster: Indices
    place: Indices

    @property
    def in_order(self) -> Ranked:
        return Ranked(self.unit, self.place)


def find_pairs(
    rows: pa.Table, known: pa.Table, *, cluster: int, how: Ranking, batch_size: int
) -> ClusterPairs:
    """The pairs of the clips ``rows`` that are compared in ``cluster``, guests among them.

    ``known`` are clips of the cluster that stay whatever is found: better than all others, not compared with
    each other.
    """
    rows, known = rows.select(_COLUMNS), known.select(_COLUMNS)
    order = ranked(rows, how)
    place = np.empty(len(order), dtype=np.intp)
    place[order] = np.arange(len(known), len(known) + len(order))
    is_guest = rows["cluster"].to_numpy() != cluster
    residents = _side(
        pa.concat_tables([known, rows.filter(pa.array(~is_guest))]),
        np.concatenate([np.arange(len(known)), place[~is_guest]]),
    )
    guests = _side(rows.filter(pa.array(is_guest)), place[is_guest])
    index, similarity = nearest_before(residents.unit, num_known=len(known), batch_size=batch_size)
    within = _table(residents.ids[len(known) :], residents.ids[index], similarity)
    return ClusterPairs(within, _across(guests, residents, batch_size=batch_size))


def _across(guests: _Side, residents: _Side, *, batch_size: int) -> pa.Table:
    found = nearest_earlier_across(guests.in_order, residents.in_order, batch_size=batch_size)
    parts: list[pa.Table] = []
    for (index, similarity), side, other in zip(found, (guests, residents), (residents, guests), strict=True):
        rows = np.flatnonzero(index >= 0)
        part = _table(side.ids[rows], other.ids[index[rows]], similarity[rows])
        parts.append(part.append_column("cluster", pa.array(side.cluster[rows].astype(np.int32))))
    return pa.concat_tables(parts)


def _side(table: pa.Table, place: Indices) -> _Side:
    order = np.argsort(place)
    table = table.take(order)
    ids = np.array(table["id"].to_pylist(), dtype=object)
    return _Side(ids, as_matrix(table["embedding"]), table["cluster"].to_numpy(), place[order])


def _table(
    ids: npt.NDArray[np.object_], others: npt.NDArray[np.object_], similarity: npt.NDArray[np.float64]
) -> pa.Table:
    columns = {
        "id": pa.array(ids, pa.string()),
        "max_id": pa.array(others, pa.string()),
        "cosine_sim_score": pc.cast(pa.array(similarity), pa.float32(), safe=False),
    }
    return pa.table(columns)
