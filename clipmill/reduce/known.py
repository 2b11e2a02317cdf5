"""What a run leaves for the next one: the clips it compared, which stay, and the centroids they belong to.

``dedup/known.json`` names immutable files and is written last: a run that is interrupted has added nothing.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clipmill import identity, layout
from clipmill.errors import BadEmbeddings
from clipmill.reduce import handover
from clipmill.reduce.clusters import read_table
from clipmill.reduce.embeddings import Rows, read_files, read_ids
from clipmill.reduce.handover import Known
from clipmill.specs import DedupSpec
from clipmill.storage import parquet, store, tables

CENTROIDS = "centroids.npy"


def known_uri(output: str) -> str:
    """Where the next run looks."""
    return layout.join(layout.dedup_dir(output), "known.json")


def ids_name(run: int) -> str:
    """Place of the ids that a run added."""
    return layout.join("known_ids", f"run-{run}.parquet")


def parameters(spec: DedupSpec) -> str:
    """Names what a result depends on beside the clips, so that no run adds to one of other parameters."""
    fields = {name: value for name, value in spec.result_fields().items() if name != "mode"}
    return identity.stage_digest("dedup", 1, fields)


def read_known(output: str, spec: DedupSpec) -> Known | None:
    """What earlier runs left for one of ``spec``; None where there is nothing to add to."""
    uri = known_uri(output)
    if spec.mode == "full" or not store.exists(uri):
        return None
    known = handover.read(uri, Known)
    return known if known.parameters == parameters(spec) and known.kmeans_names else None


def new_rows(
    known: Known, output: str, file_uris: Sequence[str], *, dimensions: int
) -> tuple[list[str], Rows]:
    """Ids and embeddings that earlier runs have not seen, by id; of other files only the ids are read.

    BadEmbeddings when they have other than ``dimensions`` numbers.
    """
    root = layout.dedup_dir(output)
    seen = {name for ids in known.ids_names for name in read_table(layout.join(root, ids))["id"].to_pylist()}
    fresh = [uri for uri in file_uris if not seen.issuperset(read_ids(uri))]
    ids, rows = read_files(fresh)
    if ids and rows.shape[1] != dimensions:
        raise BadEmbeddings(fresh[0], f"row 0 has {rows.shape[1]} numbers, earlier runs had {dimensions}")
    is_new = np.array([name not in seen for name in ids], dtype=bool)
    return [name for name in ids if name not in seen], rows[is_new] if ids else rows


def write_rows(uri: str, ids: Sequence[str], rows: Rows) -> str:
    """Write embeddings as they are read; the ``uri``."""
    lists = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])
    store.put_if_changed(
        uri, parquet.encode(pa.table({"id": pa.array(ids, pa.string()), "embedding": lists}))
    )
    return uri


def survivors(uris: Sequence[str], duplicates_uri: str) -> pa.Table:
    """The rows of the k-means results at ``uris`` that the table of duplicates does not name."""
    gone = parquet.read(duplicates_uri, schema=tables.DUPLICATES, columns=["clip_id"])["clip_id"].to_pylist()
    return pa.concat_tables([read_table(uri) for uri in uris]).filter(
        ~pc.field("id").isin(pa.array(gone, pa.string()))
    )
