"""One short digest per column and file of a run, and the names of those that differ."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from tests.golden.outputs import Row, read_files, read_rows

Digests = dict[str, dict[str, str]]
"""Part -> column or file -> digest."""

ABSENT = "absent"
NUM_DIGITS = 8
NUM_DECIMALS = 6
"""Scores are published with so many; times and embeddings repeat beyond them on one kind of processor."""


def values_of(output: Path, source: Path) -> dict[str, dict[str, object]]:
    """Part -> column -> its values in the order of the rows; for files their digests."""
    parts = {name: _columns(rows) for name, rows in read_rows(output, source).items()}
    return {**parts, "files": dict(read_files(output))}


def digests_of(values: Mapping[str, Mapping[str, object]]) -> Digests:
    """Part -> column or file -> digest of its values."""
    return {
        part: {name: _digest(value) for name, value in sorted(columns.items())}
        for part, columns in values.items()
    }


def differences(golden: Digests, found: Digests, num_rows: Mapping[str, int]) -> list[str]:
    """Names of the columns and files that differ. A new column is no difference, a new file is one.

    Nor is a column that held the same for all rows without its stage, and is not there any more.
    """
    changed = [
        f"{part}: {name}"
        for part, columns in golden.items()
        for name, digest in columns.items()
        if found.get(part, {}).get(name, _without_stage(name, num_rows.get(part, 0), digest)) != digest
    ]
    new_files = found["files"].keys() - golden["files"].keys()
    return [*changed, *(f"new file: {name}" for name in sorted(new_files))]


def _without_stage(name: str, num_rows: int, digest: str) -> str | None:
    """The digest of what a column holds without its stage, if that is ``digest``."""
    fillers = (None, "skipped") if name == "status" else (None,)
    digests = [_digest([filler] * num_rows) for filler in fillers]
    return digest if digest in digests else None


def canonical(value: object) -> object:
    """The value with rounded numbers and bytes in hex, as JSON can hold it."""
    match value:
        case float():
            return round(value, NUM_DECIMALS) + 0.0  # no -0.0
        case bytes():
            return hashlib.sha256(value).hexdigest()
        case list():
            return [canonical(one) for one in value]
        case dict():
            return {str(name): canonical(one) for name, one in value.items()}
        case _:
            return value


def _columns(rows: list[Row]) -> dict[str, object]:
    names = {name: None for row in rows for name in row}
    return {name: [canonical(row.get(name, ABSENT)) for row in rows] for name in names}


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:NUM_DIGITS]
