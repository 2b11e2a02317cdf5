"""The result of dedup: which clips repeat which, and the documented tree that shows how it was found."""

from collections.abc import Collection, Iterable, Sequence

import numpy as np
import pyarrow as pa

from clipmill import layout
from clipmill.dedup import groups
from clipmill.reduce.clusters import as_matrix, read_table
from clipmill.reduce.handover import FoundCluster
from clipmill.storage import parquet, store, tables

METHOD = "semantic"
SCOPE = "clip"

_KMEANS, _PAIRWISE, _DUPLICATES = "kmeans_results", "pairwise_results", "duplicates"


def work_dir(output: str) -> str:
    """Where the steps before ``select_keepers`` write."""
    return layout.join(layout.work_dir(output), "dedup")


def kmeans_name(cluster: int) -> str:
    """Documented place of a cluster's rows."""
    return layout.join(_KMEANS, f"centroid={cluster}", "part-0.parquet")


def pairwise_name(cluster: int) -> str:
    """Documented place of a cluster's pairs."""
    return layout.join(_PAIRWISE, f"cluster_{cluster}.parquet")


def table_uri(output: str) -> str:
    """Where the duplicates with their keepers lie, in the columns of ``tables.DUPLICATES``."""
    return layout.join(layout.dedup_dir(output), "semantic_duplicates.parquet")


def duplicates(members: Iterable[FoundCluster], *, eps: float) -> pa.Table:
    """The clips that repeat another, with their keepers, by clip id; columns of ``tables.DUPLICATES``."""
    parts = [_duplicates_of(member, eps) for member in members]
    return pa.concat_tables([tables.DUPLICATES.empty_table(), *parts]).sort_by("clip_id")


def publish(members: Sequence[FoundCluster], table: pa.Table, output: str) -> str:
    """Put the documented tree in place of what was there; URI of the table."""
    root = layout.dedup_dir(output)
    copies = {kmeans_name(one.cluster): one.kmeans_uri for one in members}
    copies |= {pairwise_name(one.cluster): one.pairwise_uri for one in members}
    for name, uri in copies.items():
        store.put_if_changed(layout.join(root, name), store.read_bytes(uri))
    names = layout.join(_DUPLICATES, "part-0.parquet")
    ids = table.select(["clip_id"]).rename_columns(["id"])
    store.put_if_changed(layout.join(root, names), parquet.encode(ids))
    store.put_if_changed(table_uri(output), parquet.encode(table))
    _remove_others(root, {*copies, names})
    return table_uri(output)


def remove_earlier_work(output: str, folders: Collection[str]) -> None:
    """Delete what earlier runs on other embeddings left to hand over, all but ``folders``."""
    keep = tuple(store.normalise(folder) + "/" for folder in folders)
    for file in store.find(work_dir(output)):
        if not file.uri.startswith(keep):
            store.delete(file.uri)


def _duplicates_of(member: FoundCluster, eps: float) -> pa.Table:
    pairs = read_table(member.pairwise_uri)
    alike = np.flatnonzero(groups.is_duplicate(pairs["cosine_sim_score"].to_numpy(), eps=eps))
    if not len(alike):
        return tables.DUPLICATES.empty_table()
    ids: list[str] = pairs["id"].to_pylist()
    rank = {name: row for row, name in enumerate(ids)}
    best = np.array([rank[name] for name in pairs["max_id"].to_pylist()], dtype=np.intp)
    kept = groups.keepers(len(ids), np.stack([alike, best[alike]], axis=1))
    rows = np.flatnonzero(kept != np.arange(len(ids)))
    kmeans_rows = read_table(member.kmeans_uri)
    order = np.argsort([rank[name] for name in kmeans_rows["id"].to_pylist()])
    unit = as_matrix(kmeans_rows["embedding"])[order]
    keeper_ids = [ids[row] for row in kept[rows]]
    columns = {
        "clip_id": [ids[row] for row in rows],
        "duplicate_of": keeper_ids,
        "group_id": [groups.group_id(keeper) for keeper in keeper_ids],
        "similarity": groups.similarity_to(unit, rows, kept[rows]),
        "cluster": [member.cluster] * len(rows),
        "method": [METHOD] * len(rows),
        "scope": [SCOPE] * len(rows),
    }
    return pa.table(columns, schema=tables.DUPLICATES)


def _remove_others(root: str, names: Collection[str]) -> None:
    """Delete files of the documented folders under ``root`` other than ``names``."""
    keep = {store.normalise(layout.join(root, name)) for name in names}
    for folder in (_KMEANS, _PAIRWISE, _DUPLICATES):
        for file in store.find(layout.join(root, folder)):
            if file.uri not in keep:
                store.delete(file.uri)
