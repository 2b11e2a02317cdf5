"""Embeddings as their owner named them, brought to the names that deduplication reads."""

import json
import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from clipmill.errors import SpecError
from clipmill.stages.fault_words import listed
from clipmill.storage import store

FileType = Literal["parquet", "jsonl"]
SUFFIXES: Mapping[FileType, tuple[str, ...]] = {"parquet": (".parquet",), "jsonl": (".jsonl", ".json")}
_ID, _EMBEDDING = "id", "embedding"
_BATCH_ROWS = 8192
_PLAIN_NAMES = ("embedding", "embeddings")


def is_plain(
    paths: Sequence[str], file_type: FileType, names: Mapping[str, str], extensions: Sequence[str]
) -> bool:
    """Returns True if deduplication can read the files as they lie: one place, and the usual names."""
    return (
        len(paths) == 1
        and file_type == "parquet"
        and names[_ID] == _ID
        and names[_EMBEDDING] in _PLAIN_NAMES
        and tuple(extensions) == (".parquet",)
    )


def endings_of(file_type: str, extensions: Sequence[str] | None) -> tuple[str, ...]:
    """Returns the endings of the files that are read. SpecError for another type of files."""
    for known, endings in SUFFIXES.items():
        if file_type == known:
            return tuple(extensions or endings)
    raise SpecError(f"input_filetype is {file_type!r}; it is {' or '.join(SUFFIXES)}")


def check_columns(path: str, names: Mapping[str, str]) -> None:
    """Raises SpecError for a column that the parquet files of a place do not have, by the first of them."""
    for file in store.find(path, SUFFIXES["parquet"])[:1]:
        with store.open_reader(file.uri) as opened, pq.ParquetFile(opened) as parquet_file:
            _check_columns(file.uri, names, parquet_file.schema_arrow.names)


def names_of(id_field: str, embedding_field: str, metadata_fields: Sequence[str]) -> dict[str, str]:
    """Returns the name that deduplication reads -> the name in the files."""
    return {_ID: id_field, _EMBEDDING: embedding_field, **{name: name for name in metadata_fields}}


def rewrite(
    paths: Sequence[str],
    folder: str,
    names: Mapping[str, str],
    *,
    file_type: FileType,
    extensions: Sequence[str],
) -> None:
    """Writes the named columns of all files into a folder, one parquet file for each, batch by batch.

    SpecError for a place without files, and for a file without one of the columns.
    """
    for place, path in enumerate(paths):
        files = store.find(path, tuple(extensions))
        if not files:
            raise SpecError(f"input_path: {path} holds no files {' '.join(extensions)}")
        for number, file in enumerate(files):
            target = os.path.join(folder, f"{place:04d}-{number:06d}.parquet")
            _rewrite_file(file.uri, target, names, file_type)


def _rewrite_file(uri: str, target: str, names: Mapping[str, str], file_type: FileType) -> None:
    batches = _parquet_batches(uri, names) if file_type == "parquet" else _json_batches(uri, names)
    writer: pq.ParquetWriter | None = None
    try:
        for batch in batches:
            table = pa.table({name: batch[column] for name, column in names.items()})
            writer = writer or pq.ParquetWriter(target, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _parquet_batches(uri: str, names: Mapping[str, str]) -> Iterator[pa.Table]:
    with store.open_reader(uri) as opened, pq.ParquetFile(opened) as file:
        _check_columns(uri, names, file.schema_arrow.names)
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=list(dict.fromkeys(names.values()))):
            yield pa.Table.from_batches([batch])


def _json_batches(uri: str, names: Mapping[str, str]) -> Iterator[pa.Table]:
    with store.open_reader(uri) as opened:
        rows: list[dict[str, object]] = []
        for number, line in enumerate(opened, 1):
            row = _json_row(uri, number, line)
            _check_columns(f"{uri} line {number}", names, list(row))
            rows.append({column: row[column] for column in names.values()})
            if len(rows) == _BATCH_ROWS:
                yield pa.Table.from_pylist(rows)
                rows = []
        if rows:
            yield pa.Table.from_pylist(rows)


def _json_row(uri: str, number: int, line: bytes) -> dict[str, object]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise SpecError(f"{uri} line {number} is no JSON: {error}") from error
    if not isinstance(row, dict):
        raise SpecError(f"{uri} line {number} is no JSON object")
    return row


def _check_columns(where: str, names: Mapping[str, str], there: Sequence[str]) -> None:
    for column in names.values():
        if column not in there:
            raise SpecError(f"{posixpath.basename(where)} has no column {column}; it has {listed(there)}")
