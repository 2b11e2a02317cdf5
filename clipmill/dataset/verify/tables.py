"""The tables of a snapshot against its manifest."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from clipmill import layout
from clipmill.dataset.snapshots.parts import digest_of
from clipmill.dataset.verify.findings import Finding
from clipmill.dataset.verify.published import Part, Published
from clipmill.errors import StoreError
from clipmill.state import part_file
from clipmill.state.store import ResultStore
from clipmill.storage import parquet, store

BATCH_ROWS = 65_536


def check_tables(published: Published, output: str) -> Iterator[Finding]:
    """Yields the parts that are missing, or other than the manifest says."""
    for part in published.parts:
        uri = layout.join(output, part.path)
        if fault := _fault(uri, part.path, part.sha256):
            yield fault
        elif (num_rows := parquet.num_rows(uri)) != part.num_rows:
            yield Finding("table", part.path, "wrong", f"{num_rows} rows instead of {part.num_rows}")


def check_copies(published: Published, output: str) -> Iterator[Finding]:
    """Yields the files below ``tables/`` that are missing, or other than the parts that they copy."""
    for part in published.parts:
        is_alone = len(published.parts_of(part.table)) == 1
        name = part.path.rpartition("/")[2]
        folder = layout.table_parts_dir(output, part.table)
        uri = layout.table_path(output, part.table) if is_alone else layout.join(folder, name)
        if fault := _fault(uri, uri.removeprefix(f"{output}/"), part.sha256):
            yield fault


def check_parts(published: Published, output: str) -> Iterator[Finding]:
    """Yields the parts of the state whose bytes are other than their names say."""
    state = ResultStore(output)
    for key, digest in sorted(published.digests.items()):
        for uri in state.parts(key, digest).live:
            with store.open_reader(uri) as file:
                if digest_of(file)[:16] != part_file.digest_in(uri):
                    path = uri.removeprefix(f"{output}/")
                    yield Finding("part", path, "damaged", "its bytes are not those that were written")


def _fault(uri: str, path: str, sha256: str) -> Finding | None:
    if not store.exists(uri):
        return Finding("table", path, "missing")
    with store.open_reader(uri) as file:
        if digest_of(file) == sha256:
            return None
    return Finding("table", path, "damaged", "its bytes are not those that were published")


def rows_of(part: Part, output: str, columns: list[str]) -> Iterator[dict[str, object]]:
    """Yields the rows of a part with those of ``columns`` that it has; none of a part that cannot be read."""
    try:
        file = pq.ParquetFile(pa.BufferReader(store.read_bytes(layout.join(output, part.path))))
        there = [name for name in dict.fromkeys(columns) if name in file.schema_arrow.names]
        for batch in file.iter_batches(BATCH_ROWS, columns=there):
            yield from batch.to_pylist()
    except (StoreError, pa.ArrowException, OSError):  # check_tables names it
        return
