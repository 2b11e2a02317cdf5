"""Tables as bytes: the same rows give the same bytes, on every run with the same library."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from clipmill.errors import StoreError
from clipmill.storage import store

_ROW_GROUP_ROWS = 1 << 17


def encode(table: pa.Table, *, row_group_rows: int = _ROW_GROUP_ROWS) -> bytes:
    """A parquet file; nothing in it depends on time, host or how ``table`` is chunked in memory."""
    sink = pa.BufferOutputStream()
    whole = table.combine_chunks().replace_schema_metadata(None)
    pq.write_table(
        whole, sink, version="2.6", compression="zstd", row_group_size=row_group_rows,
        use_dictionary=repeating(whole.schema),  # pyright: ignore[reportArgumentType] names are fine too
    )  # fmt: skip
    return sink.getvalue().to_pybytes()


def write_file(path: str, tables: Iterable[pa.Table], *, schema: pa.Schema) -> int:
    """Writes tables one behind the other into a local file, as ``encode`` does; returns the rows."""
    plain, num_rows = schema.remove_metadata(), 0
    with pq.ParquetWriter(
        path, plain, version="2.6", compression="zstd",
        use_dictionary=repeating(plain),  # pyright: ignore[reportArgumentType] names are fine too
    ) as writer:  # fmt: skip
        for table in tables:
            num_rows += len(table)
            table = table.combine_chunks().replace_schema_metadata(None)
            writer.write_table(table, row_group_size=_ROW_GROUP_ROWS)
            del table  # before the next one is made
    return num_rows


@contextmanager
def _named(uri: str) -> Generator[None]:
    """Raises StoreError for what Arrow says of a damaged file; it says some of it as an OSError."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise StoreError(uri, f"not a readable table: {str(error).splitlines()[0]}") from error


def read_columns(uri: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Returns columns of a file in its own types, all by default. StoreError names an unreadable file."""
    data = store.read_bytes(uri)
    with _named(uri):
        return pq.ParquetFile(pa.BufferReader(data)).read(columns=None if columns is None else list(columns))


def read_batches(uri: str, columns: Sequence[str] | None = None, *, max_rows: int) -> Iterator[pa.Table]:
    """Yields the rows of a file in its order, at most ``max_rows`` at once; columns it lacks are left out.

    StoreError names an unreadable file.
    """
    with store.open_reader(uri) as reader, store.named_faults(uri), _named(uri):
        file = pq.ParquetFile(reader)
        names = file.schema_arrow.names
        wanted = names if columns is None else [name for name in columns if name in names]
        for batch in file.iter_batches(max_rows, columns=wanted):
            yield pa.Table.from_batches([batch])


def decode(data: bytes) -> pa.Table:
    """Returns the table that ``encode`` made."""
    return pq.ParquetFile(pa.BufferReader(data)).read()


def schema_of(uri: str) -> pa.Schema:
    """Returns the columns of a file. StoreError names an unreadable file."""
    with store.open_reader(uri) as reader, store.named_faults(uri), _named(uri):
        return pq.read_schema(reader)


def num_rows(uri: str) -> int:
    """Returns the number of rows of a file. StoreError names an unreadable file."""
    with store.open_reader(uri) as reader, store.named_faults(uri), _named(uri):
        return pq.read_metadata(reader).num_rows


def column_names(uri: str) -> list[str]:
    """Returns the names of a file's columns. StoreError names an unreadable file."""
    return schema_of(uri).names


def repeating(schema: pa.Schema) -> list[str] | bool:
    """Columns worth a dictionary: numbers of embeddings hardly repeat, and to look for that takes longest."""
    if not any(_holds_numbers(field.type) for field in schema):
        return True
    return [field.name for field in schema if not pa.types.is_nested(field.type)]


def _holds_numbers(kind: pa.DataType) -> bool:
    is_list = pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)
    return is_list and pa.types.is_floating(kind.value_type)


def read(uri: str, *, schema: pa.Schema, columns: list[str] | None = None) -> pa.Table:
    """The file's ``columns`` (all of ``schema`` by default) in the types of ``schema``.

    A column the file lacks, because it was written before the column existed, is null. StoreError names a
    file that is no parquet or is cut off.
    """
    wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    data = store.read_bytes(uri)
    with _named(uri):
        table = pq.ParquetFile(pa.BufferReader(data)).read(columns=wanted.names)
        return pa.Table.from_arrays([_column(table, field) for field in wanted], schema=wanted)


def _column(table: pa.Table, field: pa.Field) -> pa.ChunkedArray | pa.Array:
    if field.name in table.column_names:
        return table[field.name].cast(field.type)
    return pa.nulls(len(table), field.type)
