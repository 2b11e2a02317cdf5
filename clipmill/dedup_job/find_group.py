"""The search of one group of clusters: its rows in the documented form, and its pairs."""

import posixpath

import pyarrow as pa
import pyarrow.compute as pc

from clipmill import layout
from clipmill.dedup.vectors import Indices
from clipmill.dedup_job import assign, selection, step_io
from clipmill.dedup_job.assign import read_table
from clipmill.dedup_job.pairs.of_cluster import ClusterPairs, find_pairs, linked_sketches
from clipmill.dedup_job.pairs.of_new_clips import find_new_pairs
from clipmill.dedup_job.previous.rows import write_part
from clipmill.dedup_job.previous.run import parts_of
from clipmill.dedup_job.tables.arrow_lookup import all_names
from clipmill.dedup_job.tables.fingerprint_column import concatenated
from clipmill.storage import parquet, store

_OWN = ("cluster", *assign.KMEANS_COLUMNS)


def search(group: step_io.Group) -> step_io.Found:
    """Write what is found in a group; what ``select_keepers`` needs to know of it."""
    found = step_io.Found(
        folder=group.kmeans_folder,
        ranking=group.ranking,
        rows_folder=group.rows_folder,
        known_uri=group.known_uri,
    )
    if not group.part_uris:
        return found
    rows = assign.sorted_by_cluster(concatenated(map(read_table, group.part_uris)))
    place = assign.places(rows, group.ranking)
    own = rows.filter(pc.field("cluster") == pc.field("host"))
    left = write_part(group.rows_folder, own) if len(own) else None
    if group.known_uri:
        new = _search_new(group, rows, place)
        return found.model_copy(update={"new": new, "rows": left})
    ranges = assign.cluster_ranges(rows)
    each = tuple(_search_cluster(group, one, rows[range_], place[range_]) for one, range_ in ranges.items())
    return found.model_copy(update={"clusters": each, "rows": left})


def _search_cluster(
    group: step_io.Group, cluster: int, rows: pa.Table, place: Indices
) -> step_io.FoundCluster:
    pairs = find_pairs(rows, place, cluster=cluster, batch_size=group.batch_size, backend=group.backend)
    own = rows.filter(pc.field("cluster") == cluster).select(assign.KMEANS_COLUMNS)
    return step_io.FoundCluster(
        cluster=cluster,
        kmeans_uri=_write(layout.join(group.kmeans_folder, selection.kmeans_name(cluster)), own),
        pairwise_uri=_write(layout.join(group.pairs_folder, selection.pairwise_name(cluster)), pairs.within),
        border_uri=_write(layout.join(group.pairs_folder, selection.border_name(cluster)), pairs.across),
        sketches_uri=_write(
            layout.join(group.pairs_folder, selection.sketches_name(cluster)), linked_sketches(rows, pairs)
        ),
    )


def _search_new(group: step_io.Group, rows: pa.Table, place: Indices) -> step_io.FoundTables:
    pairs = _new_pairs(group, rows, place)
    own = rows.filter(pc.field("cluster") == pc.field("host")).select(_OWN)
    folder = layout.join(group.pairs_folder, f"group_{group.index}")
    return step_io.FoundTables(
        kmeans_uri=_write(layout.join(folder, "rows.parquet"), own),
        pairwise_uri=_write(layout.join(folder, "pairs.parquet"), pairs.within),
        border_uri=_write(layout.join(folder, "border.parquet"), pairs.across),
        sketches_uri=_write(layout.join(folder, "sketches.parquet"), linked_sketches(rows, pairs)),
    )


def _new_pairs(group: step_io.Group, rows: pa.Table, place: Indices) -> ClusterPairs:
    known = step_io.read(group.known_uri, step_io.Known)
    root = posixpath.dirname(group.known_uri)
    removed = all_names([])
    if not group.links_to_removed:
        removed = selection.noted_duplicates(root, known, ["clip_id"])["clip_id"]
    hosts = rows["host"]
    parts = parts_of(known, root, clusters=range(hosts[0].as_py(), hosts[-1].as_py() + 1))
    return find_new_pairs(
        rows, place, parts, removed=removed, dimensions=known.dimensions,
        batch_size=group.batch_size, replaces=group.replaces,
    )  # fmt: skip


def _write(uri: str, table: pa.Table) -> str:
    """Write a table that has rows; where it is, or nothing."""
    if not len(table):
        return ""
    store.put_if_changed(uri, parquet.encode(table))
    return uri
