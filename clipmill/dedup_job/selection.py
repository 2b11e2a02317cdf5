"""Which clips repeat which, of all clips or of new ones, and where the documented tree shows it."""

import posixpath
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pyarrow as pa

from clipmill import base_columns, layout
from clipmill.dedup.nearest import Search
from clipmill.dedup.vectors import Indices
from clipmill.dedup_job import fit, links, step_io
from clipmill.dedup_job.assign import as_lists, as_matrix, assigned_rows
from clipmill.dedup_job.previous.rows import rows_at, sketches_at
from clipmill.dedup_job.previous.run import CENTROIDS, ROWS, known_uri, parts_of
from clipmill.dedup_job.step_io import Borders, FoundCluster, FoundTables, Known, Ranking
from clipmill.dedup_job.tables.arrow_lookup import all_names, are_among, places_among
from clipmill.dedup_job.tables.embedding_files import Batch
from clipmill.dedup_job.tables.fingerprint_column import SKETCH, concatenated, sketches_of, with_sketches
from clipmill.storage import parquet, store

Linkage = Literal["connected", "complete"]

KMEANS, PAIRWISE, DUPLICATES = "kmeans_results", "pairwise_results", "duplicates"
TABLE = "semantic_duplicates.parquet"


def fit_uri(output: str, digest: str, *, folder: Literal["dedup", "dedup_added"] = "dedup") -> str:
    """Where a run over all clips, or one that adds some, writes its fit, beside what its steps leave."""
    return layout.join(layout.work_dir(output), folder, digest, "fit.json")


def output_of(fit_folder: str) -> str:
    """The output of ``fit_uri``."""
    return posixpath.dirname(posixpath.dirname(posixpath.dirname(fit_folder)))


def kmeans_name(cluster: int) -> str:
    """Documented place of a cluster's rows."""
    return layout.join(KMEANS, f"centroid={cluster}", "part-0.parquet")


def pairwise_name(cluster: int) -> str:
    """Documented place of a cluster's pairs."""
    return layout.join(PAIRWISE, f"cluster_{cluster}.parquet")


def border_name(cluster: int) -> str:
    """Place of the pairs across a cluster's border, in the work folder."""
    return layout.join("border_results", f"cluster_{cluster}.parquet")


def sketches_name(cluster: int) -> str:
    """Place of the sketches of a cluster's rows that may be duplicates, in the work folder."""
    return layout.join("sketches", f"cluster_{cluster}.parquet")


def added_name(folder: str, run: int) -> str:
    """Place, beside the documented files of a folder, of what a later run adds to all clusters."""
    return layout.join(folder, f"added-{run}.parquet")


def duplicates_name(run: int) -> str:
    """Documented place of the ids that go, as a run found them."""
    return layout.join(DUPLICATES, f"part-{run}.parquet")


def table_uri(output: str) -> str:
    """Where the duplicates with their keepers lie, in the columns of ``base_columns.DUPLICATES``."""
    return layout.join(layout.dedup_dir(output), TABLE)


def noted_duplicates(root: str, known: Known, columns: Sequence[str] = ()) -> pa.Table:
    """Returns the duplicates that belong to ``known``; ``root`` is the folder of the documented tree.

    They lie beside what is known, so that an interrupted run, whose table may be there already, is repeated
    to the same end.
    """
    uri = layout.join(root, noted_name(known.result_digest))
    return parquet.read(uri, schema=base_columns.DUPLICATES, columns=list(columns) or None)


def restore_table(output: str) -> bytes:
    """Puts the duplicates of earlier runs in their place, should an interrupted run have replaced them."""
    root = layout.dedup_dir(output)
    known = step_io.read(known_uri(output), Known)
    data = store.read_bytes(layout.join(root, noted_name(known.result_digest)))
    store.put_if_changed(table_uri(output), data)
    return data


def noted_name(digest: str) -> str:
    """Place of a table of duplicates for the next run, by the digest of its bytes."""
    return layout.join(ROWS, f"duplicates-{digest}.parquet")


def duplicates(
    pairs: pa.Table, members: Sequence[FoundCluster], how: Ranking, *, eps: float, linkage: Linkage
) -> pa.Table:
    """The clips that repeat another, with their keepers, by clip id; columns of ``base_columns.DUPLICATES``.

    ``pairs`` are the links that join duplicates.
    """
    if not len(pairs):
        return base_columns.DUPLICATES.empty_table()
    nodes = links.read_nodes(members, pairs)
    order = links.node_order(nodes, [False] * len(nodes), how)
    return links.duplicates(pairs, nodes, order, how, eps=eps, linkage=linkage)


def new_duplicates(
    pairs: pa.Table,
    new: Sequence[FoundTables],
    known_uri: str,
    how: Ranking,
    *,
    eps: float,
    linkage: Linkage,
    replaces: bool,
) -> pa.Table:
    """All duplicates, of the ``new`` clips and of earlier ones, as ``duplicates``.

    A link to a clip that went before is one to the clip that stays for it. With ``replaces`` the groups that
    new clips join are chosen from anew, of all their members; else what stayed stays.
    """
    root, known = posixpath.dirname(known_uri), step_io.read(known_uri, Known)
    before = noted_duplicates(root, known)
    if not len(pairs):
        return before
    pairs = _to_keepers(pairs, before)
    own = links.read_nodes(new, pairs)
    if not replaces:
        earlier = _known_nodes(pairs["max_id"], known, root)
        order = links.node_order(own, [False] * len(own), how) + len(earlier)
        nodes = concatenated([earlier, own.select(_shared(own))])
        order = np.concatenate([np.arange(len(earlier)), order])
        added = links.duplicates(pairs, nodes, order, how, eps=eps, linkage=linkage, num_known=len(earlier))
        return pa.concat_tables([before, added]).sort_by("clip_id")
    is_joined = are_among(before["duplicate_of"], pairs["max_id"])
    joined = before.filter(pa.array(is_joined))
    pairs = pa.concat_tables([pairs, links.of_duplicates(joined)])
    named = all_names([pairs["id"], pairs["max_id"]])
    earlier = _ranked_nodes(_known_nodes(named, known, root), root)
    nodes = concatenated([earlier.select(_shared(earlier)), own.select(_shared(own))])
    order = links.node_order(nodes, [False] * len(nodes), how)
    found = links.duplicates(pairs, nodes, order, how, eps=eps, linkage=linkage, regroups=True)
    return pa.concat_tables([before.filter(pa.array(~is_joined)), found]).sort_by("clip_id")


def _shared(nodes: pa.Table) -> list[str]:
    return [name for name in (*links.NODE_COLUMNS, SKETCH) if name in nodes.column_names]


def _to_keepers(pairs: pa.Table, removed: pa.Table) -> pa.Table:
    place = places_among(pairs["max_id"], removed["clip_id"])
    both = all_names([pairs["max_id"], removed["duplicate_of"]])
    chosen = np.where(place < 0, np.arange(len(pairs)), place + len(pairs))
    return pairs.set_column(pairs.column_names.index("max_id"), "max_id", both.take(pa.array(chosen)))


def _known_nodes(named: pa.ChunkedArray, known: Known, root: str) -> pa.Table:
    """``id``, ``embedding`` and, where there is one, ``sketch`` of those known clips that are ``named``."""
    found: list[pa.Table] = []
    for part in parts_of(known, root):
        place: Indices = np.flatnonzero(are_among(part.ids, named))
        rows = rows_at(part, place, dimensions=known.dimensions)
        table = pa.table({"id": part.ids.take(pa.array(place)), "embedding": as_lists(rows)})
        found.append(with_sketches(table, pa.array(sketches_at(part, place), pa.binary())))
    return concatenated(found)


def _ranked_nodes(nodes: pa.Table, root: str) -> pa.Table:
    """Known clips with their cluster and their distances to its centroid."""
    unit = as_matrix(nodes["embedding"])
    sketches = pa.array(sketches_of(nodes) or [None] * len(nodes), pa.binary())
    batch = Batch(nodes["id"].combine_chunks(), unit, 0, sketches)
    centroids = fit.read_centroids(layout.join(root, CENTROIDS))
    return assigned_rows(batch, centroids, borders=Borders(width=0.0), search=Search("auto"))


def remove_earlier_work(folder: str) -> None:
    """Delete what earlier runs of the same kind left to hand over, all but ``folder``."""
    keep = store.normalise(folder) + "/"
    for file in store.find(posixpath.dirname(store.normalise(folder))):
        if not file.uri.startswith(keep):
            store.delete(file.uri)
