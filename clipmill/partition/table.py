"""The append-only table of parts: each run adds a file, and the last row of a clip counts."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

import pyarrow as pa

from clipmill import layout
from clipmill.storage import parquet, store

HELD_OUT = "held_out"
"""Part of clips that are in none: they would leak, or exceed a cap."""

PARTS_SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()), ("group_id", pa.string()), ("part", pa.string()), ("reason", pa.string()),
        ("snapshot_id", pa.string()),
    ]
)  # fmt: skip
_ROWS = 16_384


def folder(output: str) -> str:
    """``splits/`` below an output."""
    return layout.join(store.normalise(output), "splits")


def settings_path(output: str) -> str:
    """What all files of the table were made by."""
    return layout.join(folder(output), "settings.json")


def read_settings(output: str) -> Mapping[str, Any] | None:
    """Returns what the table was made by; None for an output that was never split."""
    uri = settings_path(output)
    return cast("Mapping[str, Any]", json.loads(store.read_bytes(uri))) if store.exists(uri) else None


def part_files(output: str) -> list[str]:
    """Returns the URIs of the table's files, oldest first."""
    return [entry.uri for entry in store.find(folder(output), (".parquet",))]


def part_rows(output: str) -> Iterator[pa.Table] | None:
    """Yields the rows of the table, oldest first; None for an output that was never split."""
    files = part_files(output)
    if not files:
        return None
    columns = ["clip_id", "part", "reason"]
    return (table for uri in files for table in parquet.read_batches(uri, columns, max_rows=_ROWS))
