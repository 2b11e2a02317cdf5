"""What a manifest says of the tables of its snapshot, and reading them by it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa

from clipmill import layout
from clipmill.errors import SourceError
from clipmill.storage import parquet, store


@dataclass(frozen=True)
class Part:
    """One file of a table; ``path`` is relative to the output."""

    path: str
    sha256: str
    rows: int


@dataclass(frozen=True)
class Snapshot:
    """A published snapshot, as its manifest describes it."""

    snapshot_id: str
    is_complete: bool
    tables: Mapping[str, Sequence[Part]]
    manifest: Mapping[str, Any]

    def num_rows(self, table: str) -> int:
        """Returns the rows of a table."""
        return sum(part.rows for part in self.tables[table])


def snapshot_of(manifest: bytes) -> Snapshot:
    """Returns the snapshot that a manifest describes."""
    content = cast("dict[str, Any]", json.loads(manifest))
    return Snapshot(
        snapshot_id=content["snapshot_id"],
        is_complete=content["complete"],
        tables={
            name: tuple(Part(**part) for part in table["parts"]) for name, table in content["tables"].items()
        },
        manifest=content,
    )


def current_snapshot(output: str) -> Snapshot:
    """Returns the snapshot that stands. SourceError where nothing was published."""
    uri = layout.manifest_path(store.normalise(output))
    if not store.exists(uri):
        raise SourceError(f"{output} holds no manifest.json: nothing was published there")
    return snapshot_of(store.read_bytes(uri))


def table_parts(output: str, table: str, *, snapshot: Snapshot | None = None) -> list[str]:
    """Returns the URIs of the parts of a table, in the order of its rows."""
    found = current_snapshot(output) if snapshot is None else snapshot
    return [layout.join(store.normalise(output), part.path) for part in found.tables[table]]


def read_table(
    output: str,
    table: str,
    *,
    columns: Sequence[str] | None = None,
    schema: pa.Schema | None = None,
    snapshot: Snapshot | None = None,
) -> pa.Table:
    """Returns a table of the snapshot that stands, or of another one.

    With a ``schema`` the table has its columns, null where the file lacks them; else ``columns`` of the file.
    """
    uris = table_parts(output, table, snapshot=snapshot)
    return pa.concat_tables(
        [
            parquet.read_columns(uri, columns)
            if schema is None
            else parquet.read(uri, schema=schema, columns=None if columns is None else list(columns))
            for uri in uris
        ]
    )
