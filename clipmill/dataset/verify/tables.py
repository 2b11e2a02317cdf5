"""The tables of a snapshot against its manifest."""

import hashlib
import io
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from clipmill import layout
from clipmill.dataset.verify.findings import Finding
from clipmill.dataset.verify.published import Part, Published
from clipmill.errors import StoreError
from clipmill.storage import store

BATCH_ROWS = 65_536


def check_tables(published: Published, output: str) -> Iterator[Finding]:
    """Yields the parts that are missing, or other than the manifest says."""
    for part in published.parts:
        uri = layout.join(output, part.path)
        if not store.exists(uri):
            yield Finding("table", part.path, "missing")
            continue
        data = store.read_bytes(uri)
        if hashlib.sha256(data).hexdigest() != part.sha256:
            yield Finding("table", part.path, "damaged", "its bytes are not those that were published")
        elif (num_rows := pq.read_metadata(io.BytesIO(data)).num_rows) != part.num_rows:
            yield Finding("table", part.path, "wrong", f"{num_rows} rows instead of {part.num_rows}")


def rows_of(part: Part, output: str, columns: list[str]) -> Iterator[dict[str, object]]:
    """Yields the rows of a part with those of ``columns`` that it has; none of a part that cannot be read."""
    try:
        file = pq.ParquetFile(pa.BufferReader(store.read_bytes(layout.join(output, part.path))))
        there = [name for name in dict.fromkeys(columns) if name in file.schema_arrow.names]
        for batch in file.iter_batches(BATCH_ROWS, columns=there):
            yield from batch.to_pylist()
    except (StoreError, pa.ArrowException, OSError):  # check_tables names it
        return
