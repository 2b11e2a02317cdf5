"""The pairs of one cluster: each clip with the most similar better-ranked one, also across its border."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from clipmill.dedup.backend_name import DedupBackend
from clipmill.dedup.backends.select import nearest_earlier_by
from clipmill.dedup.pairwise import Ranked, nearest_earlier_across
from clipmill.dedup.vectors import Indices, Unit
from clipmill.dedup_job.assign import as_matrix
from clipmill.dedup_job.pairs.verified import verified_pairs
from clipmill.dedup_job.tables.arrow_lookup import all_names, are_among
from clipmill.dedup_job.tables.fingerprint_column import LEAST_ALIKE, SKETCH, sketches_of

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

    ``place`` ``(N,)`` says how they rank: the same two clips alike in any cluster. Of clips with sketches the
    similarity is that which those verify.
    """
    unit, is_guest = as_matrix(rows["embedding"]), rows["cluster"].to_numpy() != cluster
    residents, guests = sides(unit, is_guest, place)
    ids, clusters = rows["id"].combine_chunks(), rows["cluster"].to_numpy()
    index, similarity = nearest_earlier_by(backend)(residents.unit, batch_size=batch_size)
    within = residents.row[index], similarity
    found = nearest_earlier_across(guests.in_order, residents.in_order, batch_size=batch_size)
    across = [_in_rows(one, other) for one, other in zip(found, (residents, guests), strict=True)]
    sketches = sketches_of(rows)
    if sketches is not None:
        pairs = verified_pairs(unit, is_guest, place, sketches, batch_size=batch_size)
        within = pairs.in_place_of(residents.row, *within, is_across=False)
        across = [
            pairs.in_place_of(side.row, *one, is_across=True)
            for side, one in zip((guests, residents), across, strict=True)
        ]
    parts = [
        across_table(ids, clusters, side, one) for side, one in zip((guests, residents), across, strict=True)
    ]
    return ClusterPairs(pair_table(ids, residents.row, *within), pa.concat_tables(parts))


def linked_sketches(rows: pa.Table, pairs: ClusterPairs) -> pa.Table:
    """``id`` and ``sketch`` of the clips ``rows`` that a pair names which may be one of duplicates."""
    if SKETCH not in rows.column_names:
        return rows.select(["id"]).slice(0, 0)
    alike = [
        table.filter(pc.field("cosine_sim_score") >= LEAST_ALIKE) for table in (pairs.within, pairs.across)
    ]
    named = all_names([table[name] for table in alike for name in ("id", "max_id")])
    return rows.select(["id", SKETCH]).filter(pa.array(are_among(rows["id"], named)))


def _in_rows(found: tuple[Indices, Scores], other: Side) -> tuple[Indices, Scores]:
    """What is ``found`` in a side, by the rows of the cluster; -1 stays."""
    index, similarity = found
    return np.where(index >= 0, np.append(other.row, -1)[index], -1), similarity


def across_table(
    ids: pa.Array, clusters: npt.NDArray[np.int32], side: Side, found: tuple[Indices, Scores]
) -> pa.Table:
    """The pairs ``found`` of ``side``, rows of the cluster, with the clusters of their own."""
    index, similarity = found
    has = np.flatnonzero(index >= 0)
    table = pair_table(ids, side.row[has], index[has], similarity[has])
    return table.append_column("cluster", pa.array(clusters[side.row[has]].astype(np.int32)))


def pair_table(ids: pa.Array, rows: Indices, others: Indices, similarity: Scores) -> pa.Table:
    """``id``, ``max_id`` and ``cosine_sim_score`` of pairs of rows."""
    columns = {
        "id": ids.take(pa.array(rows)),
        "max_id": ids.take(pa.array(others)),
        "cosine_sim_score": pc.cast(pa.array(similarity), pa.float32(), safe=False),
    }
    return pa.table(columns)
