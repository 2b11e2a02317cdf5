"""Tables as parquet files named by their content: the same rows have the same names."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa

from clipmill.storage import parquet

MAX_ROWS_PER_FILE = 1_000_000
"""A table with more rows is a folder of parts."""
_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class StagedPart:
    """A part that lies in a local folder until it is published as ``name``."""

    local_path: str
    name: str
    sha256: str
    num_rows: int

    @property
    def num_bytes(self) -> int:
        """Size of the file."""
        return os.path.getsize(self.local_path)


def stage_parts(
    folder: str, tables: Iterable[pa.Table], *, schema: pa.Schema, is_one_file: bool
) -> tuple[StagedPart, ...]:
    """Writes tables, one part for each that has rows or all in one part; at least one part.

    Only one table is in memory at a time.
    """
    os.makedirs(folder, exist_ok=True)
    groups = [tables] if is_one_file else ([table] for table in tables if len(table))
    parts = [_stage(folder, index, group, schema) for index, group in enumerate(groups)]
    return tuple(parts) or (_stage(folder, 0, [], schema),)


def _stage(folder: str, index: int, tables: Iterable[pa.Table], schema: pa.Schema) -> StagedPart:
    path = os.path.join(folder, f"part-{index:05d}")
    num_rows = parquet.write_file(path, tables, schema=schema)
    with open(path, "rb") as file:
        sha256 = digest_of(file)
    return StagedPart(path, f"part-{index:05d}-{sha256[:8]}.parquet", sha256, num_rows)


def digest_of(file: BinaryIO) -> str:
    """Returns the SHA-256 of the rest of a file, in hex."""
    digest = hashlib.sha256()
    while block := file.read(_READ_BYTES):
        digest.update(block)
    return digest.hexdigest()
