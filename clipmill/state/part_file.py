"""A part: one immutable parquet file of a stage's rows, with ids as 16 bytes."""

import os
import re
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from clipmill import arrow, identity
from clipmill.errors import StoreError
from clipmill.planning.judgement import FINAL, RESULT, RETRYABLE
from clipmill.state import ids
from clipmill.storage import parquet

NAME = re.compile(r"[^/]+-([0-9a-f]{16})\.parquet")
"""Run, form and content; any other file in a folder of parts is foreign."""
_FORM = re.compile(r"-([rx])([0-9a-f]{7})-[0-9a-f]{16}\.parquet$")
"""What a name says of the rows: only results or others too, and a digest of the columns. Old names do not."""
_END = b"PAR1"
NARROW_ROWS, HEAVY_ROWS = 122_880, 10_000
"""Rows of a row group: of columns of single values, and where a column holds vectors or bytes."""


class DamagedPart(StoreError):
    """A part is empty, cut off, or holds no rows of a stage."""


def named_part(run_id: str, rows: pa.Table) -> tuple[str, bytes]:
    """Returns the name and the bytes of the part of rows: the same rows give the same bytes."""
    stored = ids.encoded(rows)
    data = parquet.encode(stored, row_group_rows=group_rows(rows.schema))
    is_result = arrow.flags(arrow.equal(rows["outcome"], RESULT))
    form = form_of(stored.schema, has_only_results=bool(is_result.all()))
    return name_of(run_id, form, identity.bytes_digest(data)), data


def name_of(run_id: str, form: str, digest: str) -> str:
    """Returns the name of a part of a form and with a digest of its bytes."""
    return f"{run_id}-{form}-{digest[:16]}.parquet"


def digest_in(uri: str) -> str:
    """Returns what a part's name says of the digest of its bytes."""
    found = NAME.fullmatch(uri.rpartition("/")[2])
    return found[1] if found else ""


def form_of(schema: pa.Schema, *, has_only_results: bool) -> str:
    """Returns what a part's name says of its rows; ``schema`` is that of the file."""
    columns = repr([(field.name, str(field.type)) for field in schema])
    return f"{'r' if has_only_results else 'x'}{identity.bytes_digest(columns.encode())[:7]}"


def columns_form(uri: str) -> str:
    """Returns what all parts with the same columns have in common; empty for a name that does not say."""
    found = _FORM.search(uri)
    return found[2] if found else ""


def has_only_results(uri: str) -> bool | None:
    """Returns what the name of a part says; None where it does not."""
    found = _FORM.search(uri)
    return found[1] == "r" if found else None


def group_rows(schema: pa.Schema) -> int:
    """Returns the rows of a row group for a schema."""
    return HEAVY_ROWS if any(is_heavy(field.type) for field in schema) else NARROW_ROWS


def is_heavy(kind: pa.DataType) -> bool:
    """Returns True for columns of vectors, bytes or lists."""
    return pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def has_end(path: str) -> bool:
    """Returns True if a local file ends like a part: one that is empty or cut off does not."""
    with open(path, "rb", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(_END)))
        return file.read() == _END


def decode(
    uri: str,
    content: bytes | BinaryIO,
    *,
    schema: pa.Schema | None = None,
    columns: list[str] | None = None,
) -> pa.Table:
    """Returns a part's rows in the types of ``schema``, its own by default, with ids as text.

    A column that the part lacks is null. DamagedPart names a file that is no part.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(content) if isinstance(content, bytes) else content)
        there = file.schema_arrow.names
        names = there if columns is None else columns
        needed = [*names, "reason"] if "outcome" in names and "outcome" not in there else names
        rows = ids.decoded(file.read(columns=needed, use_threads=False))
        if schema is None:
            return rows
        wanted = pa.schema([schema.field(name) for name in columns or schema.names])
        return pa.Table.from_arrays([_column(rows, field) for field in wanted], schema=wanted)
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
        raise DamagedPart(uri, f"not a readable part: {str(error).splitlines()[0]}") from error


def has_failures(content: BinaryIO) -> bool:
    """Returns False for a part whose footer says that all its rows are results; True for a damaged one."""
    try:
        metadata = pq.ParquetFile(content).metadata
        paths = (metadata.schema.column(index).path for index in range(metadata.num_columns))
        place = next((index for index, path in enumerate(paths) if path == "outcome"), -1)
        if place < 0:
            return True
        groups = (metadata.row_group(index).column(place) for index in range(metadata.num_row_groups))
        return not all(
            (found := group.statistics) and found.has_min_max and (found.min, found.max) == (RESULT, RESULT)
            for group in groups
        )
    except (pa.ArrowException, OSError, ValueError):
        return True


def schema_of(uri: str, data: bytes) -> pa.Schema:
    """Returns the schema of a part. DamagedPart for a file that is none."""
    try:
        return pq.read_schema(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as error:
        raise DamagedPart(uri, f"not a readable part: {str(error).splitlines()[0]}") from error


def _column(rows: pa.Table, field: pa.Field) -> pa.ChunkedArray | pa.Array:
    if field.name == "effects":  # clipmill 0.1.0 wrote none
        there = "effects" in rows.column_names
        return rows["effects"].fill_null("") if there else pa.array([""] * len(rows), pa.string())
    if field.name in rows.column_names:
        return rows[field.name].cast(field.type)
    if field.name == "id":
        raise KeyError("it has no column id")
    if field.name == "outcome":  # clipmill 0.1.0 wrote inspections without
        return outcomes_of(rows)
    if field.name == "run_id":
        return pa.array([""] * len(rows), pa.string())
    return pa.nulls(len(rows), field.type)


def outcomes_of(rows: pa.Table) -> pa.Array:
    """Returns the outcomes of rows that only have a reason."""
    reasons = rows["reason"].to_pylist() if "reason" in rows.column_names else [None] * len(rows)
    return pa.array([outcome_of(reason) for reason in reasons], pa.string())


def outcome_of(reason: str | None) -> str:
    """Returns the outcome of a source without a result for a reason, or with one."""
    if reason is None:
        return RESULT
    return RETRYABLE if reason == "store_error" else FINAL
