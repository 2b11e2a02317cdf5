"""The result of dedup: which clips repeat which, and the documented tree that shows how it was found."""

import posixpath
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from clipmill import identity, layout
from clipmill.reduce import evidence, handover, known, links
from clipmill.reduce.clusters import read_table
from clipmill.reduce.handover import FoundCluster, Known, Ranking, Similarities
from clipmill.specs import DedupSpec
from clipmill.storage import parquet, store, tables

Linkage = Literal["connected", "complete"]

_KMEANS, _PAIRWISE, _DUPLICATES = "kmeans_results", "pairwise_results", "duplicates"
_DUPLICATE_IDS = layout.join(_DUPLICATES, "part-0.parquet")
_TABLE = "semantic_duplicates.parquet"
_IDS = pa.schema([("id", pa.string())])


def work_dir(output: str) -> str:
    """Where the steps before ``select_keepers`` write."""
    return layout.join(layout.work_dir(output), "dedup")


def kmeans_name(cluster: int, run: int = 0) -> str:
    """Documented place of a cluster's rows; each run that adds some writes a part."""
    return layout.join(_KMEANS, f"centroid={cluster}", f"part-{run}.parquet")


def pairwise_name(cluster: int) -> str:
    """Documented place of a cluster's pairs."""
    return layout.join(_PAIRWISE, f"cluster_{cluster}.parquet")


def border_name(cluster: int) -> str:
    """Place of the pairs across a cluster's border, in the work folder."""
    return layout.join("border_results", f"cluster_{cluster}.parquet")


def table_uri(output: str) -> str:
    """Where the duplicates with their keepers lie, in the columns of ``tables.DUPLICATES``."""
    return layout.join(layout.dedup_dir(output), _TABLE)


def duplicates(
    found_links: pa.Table, members: Sequence[FoundCluster], how: Ranking, *, eps: float, linkage: Linkage
) -> pa.Table:
    """The clips that repeat another, with their keepers, by clip id; columns of ``tables.DUPLICATES``."""
    pairs = links.alike(found_links, eps=eps)
    if not len(pairs):
        return tables.DUPLICATES.empty_table()
    found = links.read_nodes([one.kmeans_uri for one in members if one.kmeans_uri], pairs)
    earlier = links.read_nodes([uri for one in members for uri in one.known_uris], pairs)
    nodes = pa.concat_tables([part for part in (found, earlier) if len(part)])
    order = links.node_order(nodes, [False] * len(found) + [True] * len(earlier), how)
    return links.duplicates(pairs, nodes, order, eps=eps, linkage=linkage)


def publish(
    members: Sequence[FoundCluster],
    table: pa.Table,
    output: str,
    spec: DedupSpec,
    *,
    similarities: Similarities,
    centroids_uri: str,
    known_uri: str,
) -> str:
    """Put the documented tree in place of what was there, or add to it; URI of the table.

    With ``known_uri`` the members and the table are new, and nothing of earlier runs goes.
    """
    root = layout.dedup_dir(output)
    earlier = handover.read(known_uri, Known) if known_uri else None
    if earlier is not None and not members:
        return table_uri(output)
    run = len(earlier.ids_names) if earlier else 0
    own = [one for one in members if one.kmeans_uri]
    pairs = {one.cluster: read_table(one.pairwise_uri) for one in own}
    ids = pa.concat_tables([_IDS.empty_table(), *(each.select(["id"]) for each in pairs.values())])
    kmeans_names = {one.cluster: (kmeans_name(one.cluster, run),) for one in own}
    files = {kmeans_name(one.cluster, run): store.read_bytes(one.kmeans_uri) for one in own}
    if earlier is not None:
        table = _added(parquet.read(table_uri(output), schema=tables.DUPLICATES), table, "clip_id", ids)
        table = table.sort_by("clip_id")
        for cluster, each in pairs.items():
            if cluster in earlier.kmeans_names:
                before = read_table(layout.join(root, pairwise_name(cluster)))
                pairs[cluster] = _added(before, each, "id", ids)
        added = {one: (*earlier.kmeans_names.get(one, ()), *names) for one, names in kmeans_names.items()}
        kmeans_names = {**earlier.kmeans_names, **added}
        both = zip(earlier.similarity_counts, similarities.counts, strict=True)
        similarities = similarities.model_copy(update={"counts": tuple(map(sum, both))})
    files |= {pairwise_name(cluster): parquet.encode(each) for cluster, each in pairs.items()}
    files[_DUPLICATE_IDS] = parquet.encode(table.select(["clip_id"]).rename_columns(["id"]))
    files[known.CENTROIDS] = store.read_bytes(centroids_uri)
    files[known.ids_name(run)] = parquet.encode(ids)
    files[_TABLE] = parquet.encode(table)
    now = Known(
        parameters=known.parameters(spec),
        duplicates_digest=identity.bytes_digest(files[_TABLE]),
        kmeans_names=dict(sorted(kmeans_names.items())),
        ids_names=(*(earlier.ids_names if earlier else ()), known.ids_name(run)),
        similarity_counts=similarities.counts,
    )
    handover.write(evidence.similarities_uri(output), similarities)
    _replace(files, now, output, keeps_others=earlier is not None)
    return table_uri(output)


def _replace(files: Mapping[str, bytes], now: Known, output: str, *, keeps_others: bool) -> None:
    root, uri = layout.dedup_dir(output), known.known_uri(output)
    if not keeps_others and store.exists(uri) and handover.read(uri, Known) != now:
        store.delete(uri)  # a tree that is half another one is nothing to add to
    for name, data in files.items():
        store.put_if_changed(layout.join(root, name), data)
    handover.write(uri, now)
    if not keeps_others:
        _remove_others(root, files)


def _added(before: pa.Table, new: pa.Table, key: str, ids: pa.Table) -> pa.Table:
    """``before`` and then ``new``; what an interrupted run has added of it already is not there twice."""
    again = pa.array(ids["id"].to_pylist(), pa.string())
    return pa.concat_tables([before.filter(~pc.field(key).isin(again)), new])


def remove_earlier_work(output: str, folders: Collection[str]) -> None:
    """Delete what earlier runs on other embeddings left to hand over, all but ``folders``."""
    keep = tuple(store.normalise(folder) + "/" for folder in folders)
    for file in store.find(work_dir(output)):
        if not file.uri.startswith(keep):
            store.delete(file.uri)


def _remove_others(root: str, names: Collection[str]) -> None:
    """Delete files of the documented folders under ``root`` other than ``names``."""
    keep = {store.normalise(layout.join(root, name)) for name in names}
    for folder in (_KMEANS, _PAIRWISE, _DUPLICATES, posixpath.dirname(known.ids_name(0))):
        for file in store.find(layout.join(root, folder)):
            if file.uri not in keep:
                store.delete(file.uri)
