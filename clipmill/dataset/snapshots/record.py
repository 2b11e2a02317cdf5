"""What a manifest says of the tables of its snapshot, and reading them by it."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa

from clipmill import layout
from clipmill.base_columns import SCHEMA_VERSION
from clipmill.errors import OutputError, SourceError
from clipmill.storage import parquet, store
from clipmill.storage.source_columns import SourceColumns, read_source_columns


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


def snapshot_of(content: Mapping[str, Any]) -> Snapshot:
    """Returns the snapshot that a manifest describes."""
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
    content = read_manifest(output)
    if content["schema_version"] < SCHEMA_VERSION:
        raise SourceError(f"{_of_version(output, content)}: curate its videos again, into a new folder")
    return snapshot_of(content)


def read_manifest(output: str) -> Mapping[str, Any]:
    """Returns the manifest of an output, of this version of clipmill or of an earlier one.

    SourceError where there is none, where it is no manifest of clipmill, and where a later version wrote it.
    """
    uri = layout.manifest_path(store.normalise(output))
    if not store.exists(uri):
        raise SourceError(f"{output} holds no manifest.json: nothing was published there")
    try:
        content = cast("dict[str, Any]", json.loads(store.read_bytes(uri)))
        is_later = int(content["schema_version"]) > SCHEMA_VERSION
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{uri} is no manifest of clipmill: name another folder") from error
    if is_later:
        raise SourceError(f"{_of_version(output, content)}: update clipmill, or name another folder")
    return content


def check_standing(output: str) -> None:
    """Raises OutputError if a run would replace a manifest of a later version, or a file that is none."""
    try:
        if store.exists(layout.manifest_path(store.normalise(output))):
            read_manifest(output)
    except SourceError as error:
        raise OutputError(str(error)) from error


def _of_version(output: str, content: Mapping[str, Any]) -> str:
    found = content["schema_version"]
    return f"{output} is of another version of clipmill (schema {found}, this one reads {SCHEMA_VERSION})"


def named_snapshot(output: str, snapshot_id: str) -> Snapshot:
    """Returns a snapshot by its id, the current one without. SourceError for one that is not there."""
    current = current_snapshot(output)
    if snapshot_id in ("", current.snapshot_id):
        return current
    uri = layout.snapshot_manifest_path(output, snapshot_id)
    if not re.fullmatch(r"[\w-]+", snapshot_id) or not store.exists(uri):
        raise SourceError(f"{output} has no snapshot {snapshot_id}: see clipmill snapshots list {output}")
    return snapshot_of(store.read_record(uri))


def source_columns_of(output: str, snapshot: Snapshot, metadata: str) -> SourceColumns | None:
    """Returns the columns of a file about the sources of a snapshot; None where none is named.

    SpecError where the file names none of its videos.
    """
    if not metadata:
        return None
    found = read_source_columns(metadata)
    if "videos" in snapshot.tables:
        found.check_against(
            read_table(output, "videos", columns=["uri"], snapshot=snapshot)["uri"].to_pylist()
        )
    return found


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
