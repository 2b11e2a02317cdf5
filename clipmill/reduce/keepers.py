"""The result of dedup: which clips repeat which, and the documented tree that shows how it was found."""

from collections.abc import Collection, Sequence
from typing import Literal

import pyarrow as pa

from clipmill import layout
from clipmill.reduce import links
from clipmill.reduce.handover import FoundCluster, Ranking
from clipmill.storage import parquet, store, tables

Linkage = Literal["connected", "complete"]

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


def border_name(cluster: int) -> str:
    """Place of the pairs across a cluster's border, in the work folder."""
    return layout.join("border_results", f"cluster_{cluster}.parquet")


def table_uri(output: str) -> str:
    """Where the duplicates with their keepers lie, in the columns of ``tables.DUPLICATES``."""
    return layout.join(layout.dedup_dir(output), "semantic_duplicates.parquet")


def duplicates(members: Sequence[FoundCluster], how: Ranking, *, eps: float, linkage: Linkage) -> pa.Table:
    """The clips that repeat another, with their keepers, by clip id; columns of ``tables.DUPLICATES``."""
    pairs = links.alike(links.read_links(members), eps=eps)
    if not len(pairs):
        return tables.DUPLICATES.empty_table()
    nodes = links.read_nodes([one.kmeans_uri for one in members if one.kmeans_uri], pairs)
    order = links.node_order(nodes, [False] * len(nodes), how)
    return links.duplicates(pairs, nodes, order, eps=eps, linkage=linkage)


def publish(members: Sequence[FoundCluster], table: pa.Table, output: str) -> str:
    """Put the documented tree in place of what was there; URI of the table."""
    root = layout.dedup_dir(output)
    copies = {kmeans_name(one.cluster): one.kmeans_uri for one in members if one.kmeans_uri}
    copies |= {pairwise_name(one.cluster): one.pairwise_uri for one in members if one.pairwise_uri}
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


def _remove_others(root: str, names: Collection[str]) -> None:
    """Delete files of the documented folders under ``root`` other than ``names``."""
    keep = {store.normalise(layout.join(root, name)) for name in names}
    for folder in (_KMEANS, _PAIRWISE, _DUPLICATES):
        for file in store.find(layout.join(root, folder)):
            if file.uri not in keep:
                store.delete(file.uri)
