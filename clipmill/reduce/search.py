"""The search of one group of clusters: its rows in the documented form, and its pairs."""

import posixpath

import pyarrow as pa
import pyarrow.compute as pc

from clipmill import layout
from clipmill.dedup.vectors import Indices
from clipmill.reduce import clusters, handover, keepers
from clipmill.reduce.clusters import read_table
from clipmill.reduce.known import parts_of
from clipmill.reduce.known_rows import write_part
from clipmill.reduce.lookup import all_names
from clipmill.reduce.new_pairs import find_new_pairs
from clipmill.reduce.pairs import ClusterPairs, find_pairs, linked_sketches
from clipmill.reduce.sketch_column import concatenated
from clipmill.storage import parquet, store

_OWN = ("cluster", *clusters.KMEANS_COLUMNS)


def search(group: handover.Group) -> handover.Found:
    """Write what is found in a group; what ``select_keepers`` needs to know of it."""
    found = handover.Found(folder=group.kmeans_folder, ranking=group.ranking, known_uri=group.known_uri)
    if not group.part_uris:
        return found
    rows = clusters.sorted_by_cluster(concatenated(map(read_table, group.part_uris)))
    place = clusters.places(rows, group.ranking)
    own = rows.filter(pc.field("cluster") == pc.field("host"))
    left = write_part(group.rows_folder, own) if len(own) else None
    if group.known_uri:
        new = _search_new(group, rows, place)
        return found.model_copy(update={"new": new, "rows": left})
    ranges = clusters.cluster_ranges(rows)
    each = tuple(_search_cluster(group, one, rows[range_], place[range_]) for one, range_ in ranges.items())
    return found.model_copy(update={"clusters": each, "rows": left})


def _search_cluster(
    group: handover.Group, cluster: int, rows: pa.Table, place: Indices
) -> handover.FoundCluster:
    pairs = find_pairs(rows, place, cluster=cluster, batch_size=group.batch_size, backend=group.backend)
    own = rows.filter(pc.field("cluster") == cluster).select(clusters.KMEANS_COLUMNS)
    return handover.FoundCluster(
        cluster=cluster,
        kmeans_uri=_write(layout.join(group.kmeans_folder, keepers.kmeans_name(cluster)), own),
        pairwise_uri=_write(layout.join(group.pairs_folder, keepers.pairwise_name(cluster)), pairs.within),
        border_uri=_write(layout.join(group.pairs_folder, keepers.border_name(cluster)), pairs.across),
        sketches_uri=_write(
            layout.join(group.pairs_folder, keepers.sketches_name(cluster)), linked_sketches(rows, pairs)
        ),
    )


def _search_new(group: handover.Group, rows: pa.Table, place: Indices) -> handover.FoundTables:
    pairs = _new_pairs(group, rows, place)
    own = rows.filter(pc.field("cluster") == pc.field("host")).select(_OWN)
    folder = layout.join(group.pairs_folder, f"group_{group.index}")
    return handover.FoundTables(
        kmeans_uri=_write(layout.join(folder, "rows.parquet"), own),
        pairwise_uri=_write(layout.join(folder, "pairs.parquet"), pairs.within),
        border_uri=_write(layout.join(folder, "border.parquet"), pairs.across),
        sketches_uri=_write(layout.join(folder, "sketches.parquet"), linked_sketches(rows, pairs)),
    )


def _new_pairs(group: handover.Group, rows: pa.Table, place: Indices) -> ClusterPairs:
    known = handover.read(group.known_uri, handover.Known)
    root = posixpath.dirname(group.known_uri)
    removed = all_names([]) if group.links_to_removed else keepers.removed_ids(root)
    hosts = rows["host"]
    parts = parts_of(known, root, clusters=range(hosts[0].as_py(), hosts[-1].as_py() + 1))
    return find_new_pairs(
        rows, place, parts, removed=removed, dimensions=known.dimensions,
        batch_size=group.batch_size,
    )  # fmt: skip


def _write(uri: str, table: pa.Table) -> str:
    """Write a table that has rows; where it is, or nothing."""
    if not len(table):
        return ""
    store.put_if_changed(uri, parquet.encode(table))
    return uri
