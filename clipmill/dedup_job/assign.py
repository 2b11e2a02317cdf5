"""The rows of clusters as tables: what k-means and the search for pairs write in the documented form."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clipmill.dedup import ranking
from clipmill.dedup.kmeans import assign_directions
from clipmill.dedup.nearest import Search
from clipmill.dedup.vectors import Floats, Indices, Unit, unit_rows
from clipmill.dedup_job.step_io import Borders, Ranking
from clipmill.dedup_job.tables.embedding_files import Batch
from clipmill.dedup_job.tables.fingerprint_column import sizes_and_lengths, widened, with_sketches
from clipmill.dedup_job.tables.rank_columns import read_columns
from clipmill.errors import StoreError
from clipmill.storage import store

KMEANS_COLUMNS = ("id", "embedding", "l2_dist_to_cent", "cosine_dist_to_cent")


def assigned_rows(batch: Batch, centroids: Floats, *, borders: Borders, search: Search) -> pa.Table:
    """Every row's ``cluster``, ``digest``, unit embedding and distances, as ``KMEANS_COLUMNS`` name them.

    ``host`` is the cluster in which a row is compared: its own, and for a row near a border once more, as a
    guest, the one beyond it; rows are sorted by it. There is a ``sketch`` where any row has one.
    """
    unit = unit_rows(batch.rows)
    is_sketched = batch.sketches.null_count < len(batch.sketches)
    borders = widened(borders) if is_sketched else borders
    found = assign_directions(
        unit, centroids, border_width=borders.width, num_borders=borders.count, search=search
    )
    guests, border = np.nonzero(found.beyond >= 0)
    hosts = np.concatenate([found.labels, found.beyond[guests, border]]).astype(np.int32)
    order = np.argsort(hosts, kind="stable")
    rows = np.concatenate([np.arange(len(unit)), guests])[order]
    columns = {
        "cluster": pa.array(found.labels[rows].astype(np.int32)),
        "id": batch.ids.take(pa.array(rows)),
        "embedding": as_lists(unit[rows]),
        "digest": pa.array(batch.digests[rows]),
        "l2_dist_to_cent": pa.array(found.l2_distance[rows]),
        "cosine_dist_to_cent": pa.array(found.cosine_distance[rows]),
        "host": pa.array(hosts[order]),
    }
    return with_sketches(pa.table(columns), batch.sketches.take(pa.array(rows)))


def rows_of(table: pa.Table, clusters: Sequence[int]) -> pa.Table:
    """The rows that are compared in one of ``clusters``, a run of numbers, of a table by ``host``."""
    if not clusters:
        return table.slice(0, 0)
    start, end = np.searchsorted(table["host"].to_numpy(), [clusters[0], clusters[-1] + 1])
    return table.slice(start, end - start)


def sorted_by_cluster(table: pa.Table) -> pa.Table:
    """The rows by the cluster in which they are compared, then by id."""
    return table.sort_by([("host", "ascending"), ("id", "ascending")]).combine_chunks()


def cluster_ranges(table: pa.Table) -> dict[int, slice]:
    """Where the rows that are compared in each cluster lie, in a table sorted by that."""
    clusters, starts = np.unique(table["host"].to_numpy(), return_index=True)
    edges = [*starts.tolist(), len(table)]
    return {int(k): slice(edges[i], edges[i + 1]) for i, k in enumerate(clusters)}


def places(rows: pa.Table, how: Ranking) -> Indices:
    """The rank ``(N,)`` of each row among all, 0 the best."""
    order = ranked(rows, how)
    place = np.empty(len(order), dtype=np.intp)
    place[order] = np.arange(len(order))
    return place


def ranked(rows: pa.Table, how: Ranking) -> Indices:
    """Order of the rows, best first: the same for two rows whichever cluster they are in."""
    ids: list[str] = rows["id"].to_pylist()
    if how.which_to_keep == "best":  # of a group the best is chosen once it is known
        return ranking.rank_columns(ids, sizes_and_lengths(rows), ascending=[False, False])
    if how.which_to_keep == "random":
        return ranking.rank_random(ids, seed=how.seed)
    if how.which_to_keep == "columns":
        columns = read_columns(how.columns_uri, how.columns, ids=ids)
        return ranking.rank_columns(ids, columns, ascending=how.ascending)
    rank = ranking.rank_hard if how.which_to_keep == "hard" else ranking.rank_easy
    return rank(ids, rows[f"{how.metric}_dist_to_cent"].to_numpy())


def read_table(uri: str) -> pa.Table:
    """A parquet file that a step before wrote; StoreError when it is none."""
    data = store.read_bytes(uri)
    try:
        return pq.ParquetFile(pa.BufferReader(data)).read()
    except pa.ArrowException as error:
        raise StoreError(uri, f"not a readable table: {str(error).splitlines()[0]}") from error


def as_matrix(lists: pa.ChunkedArray) -> Unit:
    """float32 ``(N, D)`` of a column of fixed-size lists."""
    whole = lists.combine_chunks()
    return whole.flatten().to_numpy().reshape(len(whole), whole.type.list_size)


def as_lists(rows: Unit) -> pa.FixedSizeListArray:
    """The column of rows ``(N, D)``."""
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])
