"""Which clips repeat which, of all clips or of new ones, and where the documented tree shows it."""

import posixpath
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pyarrow as pa

from clipmill import base_columns, layout
from clipmill.dedup.vectors import Indices
from clipmill.dedup_job import links, step_io
from clipmill.dedup_job.assign import as_lists
from clipmill.dedup_job.previous.rows import rows_at, sketches_at
from clipmill.dedup_job.previous.run import parts_of
from clipmill.dedup_job.step_io import FoundCluster, FoundTables, Known, Ranking
from clipmill.dedup_job.tables.arrow_lookup import all_names, are_among, places_among
from clipmill.dedup_job.tables.fingerprint_column import SKETCH, concatenated, with_sketches
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


def removed_ids(root: str) -> pa.ChunkedArray:
    """Ids of the clips that earlier runs removed; ``root`` is the folder of the documented tree."""
    table = parquet.read(layout.join(root, TABLE), schema=base_columns.DUPLICATES, columns=["clip_id"])
    return table["clip_id"]


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
) -> pa.Table:
    """The new clips that repeat another, as ``duplicates``; their rows are in the tables ``new``.

    A link to a clip that went before is one to the clip that stays for it.
    """
    if not len(pairs):
        return base_columns.DUPLICATES.empty_table()
    root = posixpath.dirname(known_uri)
    pairs = _to_keepers(pairs, root)
    own = links.read_nodes(new, pairs)
    earlier = _known_nodes(pairs["max_id"], step_io.read(known_uri, Known), root)
    order = links.node_order(own, [False] * len(own), how) + len(earlier)
    columns = [name for name in ("id", "embedding", "cluster", SKETCH) if name in own.column_names]
    nodes = concatenated([earlier, own.select(columns)])
    order = np.concatenate([np.arange(len(earlier)), order])
    return links.duplicates(pairs, nodes, order, how, eps=eps, linkage=linkage, num_known=len(earlier))


def _to_keepers(pairs: pa.Table, root: str) -> pa.Table:
    columns = ["clip_id", "duplicate_of"]
    removed = parquet.read(layout.join(root, TABLE), schema=base_columns.DUPLICATES, columns=columns)
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


def remove_earlier_work(folder: str) -> None:
    """Delete what earlier runs of the same kind left to hand over, all but ``folder``."""
    keep = store.normalise(folder) + "/"
    for file in store.find(posixpath.dirname(store.normalise(folder))):
        if not file.uri.startswith(keep):
            store.delete(file.uri)
