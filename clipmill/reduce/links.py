"""Each clip's link to the most similar better-ranked clip, and the groups that the links come to."""

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clipmill.dedup import groups
from clipmill.dedup.vectors import Indices
from clipmill.reduce.clusters import as_matrix, ranked, read_table
from clipmill.reduce.handover import FoundCluster, Ranking
from clipmill.storage import tables

WITHIN, ACROSS = "semantic", "cross_border"
SCOPE = "clip"

_NODE_COLUMNS = ("id", "embedding", "l2_dist_to_cent", "cosine_dist_to_cent")
_LINKS = pa.schema(
    [
        ("id", pa.string()), ("max_id", pa.string()), ("cosine_sim_score", pa.float32()),
        ("cluster", pa.int32()), ("method", pa.string()),
    ]
)  # fmt: skip


def read_links(members: Iterable[FoundCluster]) -> pa.Table:
    """One link for each clip that has any: the best of those in its cluster and beyond its border.

    Columns ``id``, ``max_id``, ``cosine_sim_score``, the clip's ``cluster`` and the ``method``, by id.
    """
    parts = [part for member in members for part in _links_of(member)]
    keys = [("id", "ascending"), ("cosine_sim_score", "descending"), ("method", "descending")]
    links = pa.concat_tables([_LINKS.empty_table(), *parts]).sort_by([*keys, ("max_id", "ascending")])
    codes = links["id"].combine_chunks().dictionary_encode().indices.to_numpy()
    return links.take(np.unique(codes, return_index=True)[1])


def alike(links: pa.Table, *, eps: float) -> pa.Table:
    """The links that join duplicates."""
    return links.filter(pa.array(groups.is_duplicate(links["cosine_sim_score"].to_numpy(), eps=eps)))


def duplicates(
    links: pa.Table,
    nodes: pa.Table,
    order: Indices,
    *,
    eps: float,
    linkage: Literal["connected", "complete"],
) -> pa.Table:
    """The clips that go, with their keepers, by id; columns of ``tables.DUPLICATES``.

    ``links`` are those of duplicates; ``nodes`` hold every clip they name, ``order`` ranks them.
    """
    ids: list[str] = nodes["id"].take(order).to_pylist()
    unit = as_matrix(nodes["embedding"].take(order))
    rank = {name: row for row, name in enumerate(ids)}
    rows = np.array([rank[name] for name in links["id"].to_pylist()], dtype=np.intp)
    better = np.arange(len(ids), dtype=np.intp)
    better[rows] = [rank[name] for name in links["max_id"].to_pylist()]
    kept = groups.roots(better) if linkage == "connected" else groups.keepers_alike(unit, better, eps=eps)
    goes = kept[rows] != rows
    rows, links = rows[goes], links.filter(pa.array(goes))
    keepers = [ids[row] for row in kept[rows]]
    columns = {
        "clip_id": links["id"],
        "duplicate_of": keepers,
        "group_id": [groups.group_id(keeper) for keeper in keepers],
        "similarity": groups.similarity_to(unit, rows, kept[rows]),
        "cluster": links["cluster"],
        "method": links["method"],
        "scope": [SCOPE] * len(rows),
    }
    return pa.table(columns, schema=tables.DUPLICATES).sort_by("clip_id")


def read_nodes(uris: Iterable[str], links: pa.Table) -> pa.Table:
    """The rows of the k-means results at ``uris`` that ``links`` name."""
    named = pa.chunked_array([*links["id"].chunks, *links["max_id"].chunks], pa.string()).unique()
    found = [_node_rows(uri).filter(pc.field("id").isin(named)) for uri in uris]
    return pa.concat_tables(found) if found else pa.table({})


def node_order(nodes: pa.Table, known: Sequence[bool], how: Ranking) -> Indices:
    """Rank order of nodes; those that are ``known`` before all others."""
    order = ranked(nodes, how)
    return order[np.argsort(~np.array(known, dtype=bool)[order], kind="stable")]


def _node_rows(uri: str) -> pa.Table:
    return read_table(uri).select(_NODE_COLUMNS)


def _links_of(member: FoundCluster) -> Iterable[pa.Table]:
    if member.pairwise_uri:
        pairs = read_table(member.pairwise_uri)
        pairs = pairs.filter(pc.field("id") != pc.field("max_id"))
        clusters = pa.array(np.full(len(pairs), member.cluster, dtype=np.int32))
        yield _with_method(pairs.append_column("cluster", clusters), WITHIN)
    if member.border_uri:
        yield _with_method(read_table(member.border_uri), ACROSS)


def _with_method(pairs: pa.Table, method: str) -> pa.Table:
    return pairs.append_column("method", pa.array([method] * len(pairs), pa.string())).cast(_LINKS)
