"""Rows of embeddings that cannot be compared: counted for an error, or listed and left out."""

import posixpath
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from clipmill import identity, layout
from clipmill.dedup.vectors import faults_of_rows
from clipmill.dedup_job.tables.embedding_files import raw_batches
from clipmill.errors import BadEmbeddings
from clipmill.storage import parquet, store

SCHEMA = pa.schema([("file", pa.string()), ("row", pa.int64()), ("id", pa.string()), ("cause", pa.string())])
NAME = "bad_rows.parquet"
"""Table of what was left out, below ``dedup/``."""


@dataclass(frozen=True)
class BadRow:
    """A row of a file, counted from 0, and why it cannot be compared. ``id`` is None where it has none."""

    file: str
    row: int
    id: str | None
    cause: str


def bad_rows(uris: Sequence[str]) -> Iterator[BadRow]:
    """Yields the rows without an id or a direction, of another length, or with an id that was there before.

    Lengths are compared with the first sound row of all files. BadEmbeddings for a file that is no table of
    embeddings. Memory is that of all ids and one batch.
    """
    seen: set[str] = set()
    length: int | None = None
    for uri in uris:
        for first_row, ids, lists in raw_batches(uri):
            lengths = lists.value_lengths().fill_null(-1).to_numpy(zero_copy_only=False)
            if length is None:
                length = next((int(one) for one in lengths if one > 0), None)
            causes = _causes_of_lists(lists, lengths, length or 0)
            for place, (one, cause) in enumerate(zip(ids.to_pylist(), causes, strict=True)):
                if cause := _cause_of_id(one, seen) or cause:
                    yield BadRow(uri, first_row + place, one, cause)


def _causes_of_lists(lists: pa.Array, lengths: np.ndarray, length: int) -> list[str]:
    """Returns for each row why its numbers are none to compare; empty for a sound one."""
    causes = [
        "" if one == length else "has no embedding" if one < 0 else f"has {one} numbers instead of {length}"
        for one in lengths.tolist()
    ]
    whole = np.flatnonzero(lengths == length)
    for place, cause in zip(whole, _causes_of_values(lists, whole), strict=True):
        causes[place] = cause
    return causes


def _cause_of_id(one: str | None, seen: set[str]) -> str:
    if one is None:
        return "has no id"
    if one in seen:
        return "has an id that was there before"
    seen.add(one)
    return ""


def _causes_of_values(lists: pa.Array, places: np.ndarray) -> list[str]:
    if not len(places):
        return []
    with np.errstate(over="ignore"):
        values = lists.take(pa.array(places)).flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    return faults_of_rows(values.reshape(len(places), -1)) if values.size else ["is empty"] * len(places)


@contextmanager
def counted(uris: Sequence[str]) -> Generator[None]:
    """Adds to a BadEmbeddings error about a row how many rows of how many files there are, and the remedy."""
    try:
        yield
    except BadEmbeddings as error:
        try:
            by_file = Counter(one.file for one in bad_rows(uris))
        except BadEmbeddings:  # about a whole file: the error that says so stays
            by_file = Counter[str]()
        if not by_file:
            raise
        rows = f"{by_file.total()} rows in {len(by_file)} files cannot be compared"
        raise BadEmbeddings(
            error.uri, f"{error.cause}; {rows}: dedup.on_bad_rows: skip leaves them out"
        ) from error


def without_bad_rows(
    files: Sequence[store.FileEntry], output: str
) -> tuple[list[store.FileEntry], list[BadRow]]:
    """Returns files without bad rows, in place of those that have some, and the rows that are left out.

    Copies lie in the work folder, named by their content; the rows are listed in ``dedup/bad_rows.parquet``.
    """
    found = list(bad_rows([file.uri for file in files]))
    table_uri = layout.join(layout.dedup_dir(output), NAME)
    if found:
        table = pa.Table.from_pylist([vars(one) for one in found], schema=SCHEMA)
        store.put_if_changed(table_uri, parquet.encode(table))
    else:
        store.delete(table_uri)
    places: dict[str, list[int]] = {}
    for one in found:
        places.setdefault(one.file, []).append(one.row)
    folder = layout.join(layout.work_dir(output), "dedup_sound")
    copies = {_write_sound(file.uri, places[file.uri], folder) for file in files if file.uri in places}
    there = store.find(folder, (".parquet",))
    for entry in there:
        if entry.uri not in copies:
            store.delete(entry.uri)
    sound = [file for file in files if file.uri not in places]
    return sorted([*sound, *(entry for entry in there if entry.uri in copies)]), found


def _write_sound(uri: str, places: Sequence[int], folder: str) -> str:
    """Writes a file's rows but those at ``places``; returns the URI."""
    table = parquet.read_columns(uri)
    keep = np.ones(len(table), bool)
    keep[list(places)] = False
    data = parquet.encode(table.filter(pa.array(keep)))
    name = f"{posixpath.basename(uri).removesuffix('.parquet')}-{identity.bytes_digest(data)[:16]}.parquet"
    copy = store.normalise(layout.join(folder, name))
    store.put_if_changed(copy, data)
    return copy
