"""The pairs of one cluster: each clip with the most similar better-ranked one, also across its border."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from clipmill.dedup.backends import nearest_earlier_by
from clipmill.dedup.pairwise import Ranked, nearest_earlier_across
from clipmill.dedup.vectors import Indices, Unit
from clipmill.reduce.clusters import as_matrix
from clipmill.specs import DedupBackend

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ClusterPairs:
    """``within`` has ``id``, ``max_id``, ``cosine_sim_score``, best ranked first, a row for each clip.

    ``across`` has a row, with its own ``cluster``, for each clip with a better-ranked one beyond the border.
    """

    within: pa.Table
    across: pa.Table


@dataclass(frozen=True)
class Side:
    """Rows ``(N, D)`` of one cluster's residents or guests in rank order; where each lies, and its rank."""

    unit: Unit
    row: Indices
    place: Indices

    @property
    def in_order(self) -> Ranked:
        """As pairs are searched for."""
        return Ranked(self.unit, self.place)


def sides(unit: Unit, is_guest: npt.NDArray[np.bool_], place: Indices) -> tuple[Side, Side]:
    """Residents and guests among the rows of a cluster, ``place`` the rank of each."""
    order = np.argsort(place)
    rows = (order[~is_guest[order]], order[is_guest[order]])
    residents, guests = (Side(unit[one], one, place[one]) for one in rows)
    return residents, guests


def find_pairs(
    rows: pa.Table, place: Indices, *, cluster: int, batch_size: int, backend: DedupBackend
) -> ClusterPairs:
    """The pairs of the clips ``rows`` that are compared in ``cluster``, guests among them.

    ``place`` ``(N,)`` says how they rank: the same two clips alike in any cluster.
    """
    residents, guests = sides(as_matrix(rows["embedding"]), rows["cluster"].to_numpy() != cluster, place)
    ids, clusters = rows["id"].combine_chunks(), rows["cluster"].to_numpy()
    index, similarity = nearest_earlier_by(backend)(residents.unit, batch_size=batch_size)
    within = pair_table(ids, residents.row, residents.row[index], similarity)
    found = nearest_earlier_across(guests.in_order, residents.in_order, batch_size=batch_size)
    parts = [
        across_table(ids, clusters, side, other, one)
        for one, side, other in zip(found, (guests, residents), (residents, guests), strict=True)
    ]
    return ClusterPairs(within, pa.concat_tables(parts))


def across_table(
    ids: pa.Array, clusters: npt.NDArray[np.int32], side: Side, other: Side, found: tuple[Indices, Scores]
) -> pa.Table:
    """The pairs ``found`` of ``side`` among ``other``, with the clusters of their own."""
    index, similarity = found
    has = np.flatnonzero(index >= 0)
    table = pair_table(ids, side.row[has], other.row[index[has]], similarity[has])
    return table.append_column("cluster", pa.array(clusters[side.row[has]].astype(np.int32)))


def pair_table(ids: pa.Array, rows: Indices, others: Indices, similarity: Scores) -> pa.Table:
    """``id``, ``max_id`` and ``cosine_sim_score`` of pairs of rows."""
    columns = {
        "id": ids.take(pa.array(rows)),
        "max_id": ids.take(pa.array(others)),
        "cosine_sim_score": pc.cast(pa.array(similarity), pa.float32(), safe=False),
    }
    return pa.table(columns)
