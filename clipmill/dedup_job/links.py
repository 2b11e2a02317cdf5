"""Each clip's link to the most similar better-ranked clip, and the groups that the links come to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clipmill import base_columns
from clipmill.dedup import groups
from clipmill.dedup.vectors import Indices, Unit
from clipmill.dedup_job import similarity_histogram
from clipmill.dedup_job.assign import as_matrix, ranked, read_table
from clipmill.dedup_job.keepers import best_copies, ranked_first
from clipmill.dedup_job.pairs.of_cluster import Scores
from clipmill.dedup_job.step_io import FoundCluster, FoundTables, Ranking
from clipmill.dedup_job.tables.fingerprint_column import Sketches, joined_with, pair_similarity, sketches_of

WITHIN, ACROSS = "semantic", "cross_border"
SCOPE = "clip"

NODE_COLUMNS = ("id", "embedding", "l2_dist_to_cent", "cosine_dist_to_cent", "cluster")
_LINKS = pa.schema(
    [
        ("id", pa.string()), ("max_id", pa.string()), ("cosine_sim_score", pa.float32()),
        ("cluster", pa.int32()), ("method", pa.string()),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Selected:
    """The links that join duplicates, and how many clips there are by the similarity of their best link."""

    links: pa.Table
    counts: tuple[int, ...]


def select(members: Sequence[FoundCluster], *, eps: float) -> Selected:
    """One link for each clip that has any: the best of those in its cluster and beyond its border.

    Columns ``id``, ``max_id``, ``cosine_sim_score``, the clip's ``cluster`` and the ``method``, by id. Those
    of one cluster at a time are in memory, and those across all borders.
    """
    across = pa.concat_tables([_LINKS.empty_table(), *map(_across, members)]).sort_by("cluster")
    clusters = across["cluster"].to_numpy()
    counts = similarity_histogram.count_links(_LINKS.empty_table())
    chosen: list[pa.Table] = []
    for member in members:
        start, end = np.searchsorted(clusters, [member.cluster, member.cluster + 1])
        own = best(pa.concat_tables([_within(member), across.slice(start, end - start)]))
        counts = similarity_histogram.added(counts, similarity_histogram.count_links(own))
        chosen.append(alike(own, eps=eps))
    return Selected(pa.concat_tables([_LINKS.empty_table(), *chosen]).sort_by("id"), counts)


def select_new(found: Iterable[FoundTables], *, eps: float) -> Selected:
    """As ``select``, of new clips, which are few."""
    tables = list(found)
    within = [_with_method(_linked(one.pairwise_uri), WITHIN) for one in tables if one.pairwise_uri]
    across = [_with_method(read_table(one.border_uri), ACROSS) for one in tables if one.border_uri]
    links = best(pa.concat_tables([_LINKS.empty_table(), *within, *across]))
    return Selected(alike(links, eps=eps), similarity_histogram.count_links(links))


def best(links: pa.Table) -> pa.Table:
    """The most similar link of each clip, by id; of equals one within its cluster, then to the smaller id."""
    keys = [("id", "ascending"), ("cosine_sim_score", "descending"), ("method", "descending")]
    ordered = links.sort_by([*keys, ("max_id", "ascending")])
    codes = ordered["id"].combine_chunks().dictionary_encode().indices.to_numpy()
    return ordered.take(np.unique(codes, return_index=True)[1])


def alike(links: pa.Table, *, eps: float) -> pa.Table:
    """The links that join duplicates."""
    return links.filter(pa.array(groups.is_duplicate(links["cosine_sim_score"].to_numpy(), eps=eps)))


def duplicates(
    links: pa.Table,
    nodes: pa.Table,
    order: Indices,
    how: Ranking,
    *,
    eps: float,
    linkage: Literal["connected", "complete"],
    num_known: int = 0,
    regroups: bool = False,
) -> pa.Table:
    """The clips that go, with their keepers, by id; columns of ``base_columns.DUPLICATES``.

    ``links`` are those of duplicates; ``nodes`` hold every clip they name, ``order`` ranks them, the
    ``num_known`` of earlier runs, which stay, first. A link leads to an earlier row; with ``regroups`` it may
    lead to a later one too: the groups of earlier runs are then chosen from anew.
    """
    nodes = nodes.take(order)
    ids: list[str] = nodes["id"].to_pylist()
    compare = partial(_similarity, as_matrix(nodes["embedding"]), sketches_of(nodes))
    rank = {name: row for row, name in enumerate(ids)}
    linked = np.array([rank[name] for name in links["id"].to_pylist()], dtype=np.intp)
    better = np.arange(len(ids), dtype=np.intp)
    better[linked] = [rank[name] for name in links["max_id"].to_pylist()]
    if regroups:
        better = groups.keepers(len(ids), np.stack([np.arange(len(ids)), better], axis=1))
    if how.which_to_keep == "best":
        choice = best_copies(nodes, better, how, num_known=num_known)
        kept = choice.kept if linkage == "connected" else choice.alike(compare, eps=eps)
        because = choice.because
    else:
        alike_first = groups.regrouped if regroups else groups.keepers_alike
        kept = groups.roots(better) if linkage == "connected" else alike_first(compare, better, eps=eps)
        because = partial(ranked_first, how, num_known=num_known)
    rows = np.flatnonzero(kept != np.arange(len(ids)))
    link = np.full(len(ids), -1, dtype=np.intp)
    link[linked] = np.arange(len(linked))
    own = np.where(link[rows] >= 0, link[rows], link[kept[rows]])  # the first of a group has no link itself
    keepers = [ids[row] for row in kept[rows]]
    columns = {
        "clip_id": [ids[row] for row in rows],
        "duplicate_of": keepers,
        "group_id": [groups.group_id(keeper) for keeper in keepers],
        "similarity": compare(rows, kept[rows]),
        "cluster": nodes["cluster"].take(pa.array(rows)),
        "method": links["method"].take(pa.array(own)),
        "scope": [SCOPE] * len(rows),
        "kept_because": [
            because(row, keeper) for row, keeper in zip(rows.tolist(), kept[rows].tolist(), strict=True)
        ],
    }
    return pa.table(columns, schema=base_columns.DUPLICATES).sort_by("clip_id")


def _similarity(unit: Unit, sketches: Sketches | None, rows: Indices, others: Indices) -> Scores:
    """By sketches where both have one, whatever the embeddings say: pictures may have joined the group."""
    similarity = groups.similarity_to(unit, rows, others)
    if sketches is None:
        return similarity
    ours, theirs = [sketches[row] for row in rows], [sketches[row] for row in others]
    return pair_similarity(similarity, ours, theirs, least=-1.0)


def of_duplicates(table: pa.Table) -> pa.Table:
    """The links that duplicates of earlier runs stand for."""
    names = ["clip_id", "duplicate_of", "similarity", "cluster", "method"]
    return table.select(names).rename_columns(_LINKS.names).cast(_LINKS)


def read_nodes(found: Iterable[FoundTables], links: pa.Table) -> pa.Table:
    """The clips that ``links`` name, of the k-means results and with the sketches that were found."""
    tables = list(found)
    named = pa.chunked_array([*links["id"].chunks, *links["max_id"].chunks], pa.string()).unique()
    is_named = pc.field("id").isin(named)
    rows = [_node_rows(one).filter(is_named) for one in tables if one.kmeans_uri]
    nodes = pa.concat_tables(rows) if rows else pa.table({})
    sketches = [read_table(one.sketches_uri).filter(is_named) for one in tables if one.sketches_uri]
    return joined_with(nodes, pa.concat_tables(sketches)) if sketches else nodes


def node_order(nodes: pa.Table, known: Sequence[bool], how: Ranking) -> Indices:
    """Rank order of nodes; those that are ``known`` before all others."""
    order = ranked(nodes, how)
    return order[np.argsort(~np.array(known, dtype=bool)[order], kind="stable")]


def _node_rows(found: FoundTables) -> pa.Table:
    rows = read_table(found.kmeans_uri)
    if isinstance(found, FoundCluster):
        cluster = pa.array(np.full(len(rows), found.cluster, dtype=np.int32))
        rows = rows.append_column("cluster", cluster)
    return rows.select(NODE_COLUMNS)


def _within(member: FoundCluster) -> pa.Table:
    if not member.pairwise_uri:
        return _LINKS.empty_table()
    pairs = _linked(member.pairwise_uri)
    clusters = pa.array(np.full(len(pairs), member.cluster, dtype=np.int32))
    return _with_method(pairs.append_column("cluster", clusters), WITHIN)


def _across(member: FoundCluster) -> pa.Table:
    return _with_method(read_table(member.border_uri), ACROSS) if member.border_uri else _LINKS.empty_table()


def _linked(uri: str) -> pa.Table:
    """The pairs of two clips: one that has no better-ranked neighbour names itself."""
    return read_table(uri).filter(pc.field("id") != pc.field("max_id"))


def _with_method(pairs: pa.Table, method: str) -> pa.Table:
    return pairs.append_column("method", pa.array([method] * len(pairs), pa.string())).cast(_LINKS)
