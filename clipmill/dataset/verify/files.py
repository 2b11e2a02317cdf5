"""The files that rows name, and the files that no row names."""

import hashlib
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from clipmill import layout
from clipmill.dataset.verify.findings import Finding, Report
from clipmill.dataset.verify.published import FileColumn, Published
from clipmill.dataset.verify.tables import rows_of
from clipmill.errors import StoreError
from clipmill.storage import store

_READS_AT_ONCE = 16


@dataclass(frozen=True)
class Named:
    """A file that a row names, relative to the output; ``digest`` and ``size_bytes`` are None if unknown."""

    path: str
    item_id: str
    keys: tuple[str, ...]
    digest: str | None
    size_bytes: int | None

    def fault(self, cause: str, detail: str = "") -> Finding:
        """Returns the finding about the file."""
        found = "missing" if cause == "missing" else "damaged"
        return Finding("file", self.path, found, detail, self.item_id, self.keys)


def check_files(published: Published, output: str, *, sample: int | None) -> Report:
    """Returns what is wrong with the files that rows name, and the files that none names.

    All are looked for, and their sizes compared. ``sample`` files, None for all, are read and compared with
    their digests. Memory grows with the number of files, by their names.
    """
    named = {one.path: one for one in _named(published, output)}
    folders = sorted({path.partition("/")[0] for path in named})
    there = {
        entry.uri.removeprefix(output).lstrip("/"): entry.size_bytes
        for folder in folders
        for entry in store.find(layout.join(output, folder))
    }
    report = Report()
    sound: list[Named] = []
    for one in named.values():
        if fault := _seen(one, there.get(one.path)):
            report.findings.append(fault)
        elif one.digest:
            sound.append(one)
    chosen = sound if sample is None or sample >= len(sound) else random.sample(sound, sample)
    with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
        report.findings += [fault for fault in pool.map(lambda one: _read(one, output), chosen) if fault]
    report.looked_at.update({"files": len(named), "files read": len(chosen)})
    if strays := there.keys() - named.keys():
        earlier = set(_named_in_state(published, output))
        report.findings += [Finding("stray", path, "stray") for path in sorted(strays - earlier)]
    return report


def _seen(one: Named, size_bytes: int | None) -> Finding | None:
    if size_bytes is None:
        return one.fault("missing")
    if size_bytes == 0:
        return one.fault("damaged", "it is empty")
    if one.size_bytes not in (None, size_bytes):
        return one.fault("damaged", f"{size_bytes} bytes instead of {one.size_bytes}")
    return None


def _read(one: Named, output: str) -> Finding | None:
    try:
        data = store.read_bytes(layout.join(output, one.path))
    except StoreError as error:
        return one.fault("missing", error.cause)
    if hashlib.sha256(data).hexdigest() != one.digest:
        return one.fault("damaged", "its bytes are not those that were written")
    return None


def _named(published: Published, output: str) -> Iterator[Named]:
    for column in published.columns:
        keys = published.keys_of(column)
        wanted = [name for name in (column.id_column, column.name, column.digest, column.size) if name]
        for part in published.parts_of(column.table):
            for row in rows_of(part, output, wanted):
                if path := row.get(column.name):
                    yield _named_by(row, column, keys, _below(str(path), output))


def _named_by(row: dict[str, object], column: FileColumn, keys: tuple[str, ...], path: str) -> Named:
    digest, size = row.get(column.digest), row.get(column.size)
    return Named(
        path,
        str(row[column.id_column]),
        keys,
        digest=str(digest) if digest else None,
        size_bytes=int(str(size)) if size is not None else None,
    )


def _below(path: str, output: str) -> str:
    """A path of a table as it lies below the output; tables of clipmill 0.1 have it in full."""
    return path.removeprefix(output).lstrip("/")


def _named_in_state(published: Published, output: str) -> Iterator[str]:
    """Yields the files that any row of the state names: also of clips that the snapshot does not show."""
    for column in published.columns:
        for key in published.keys_of(column):
            for entry in store.find(layout.join(layout.state_dir(output), key), (".parquet",)):
                yield from _column_of(entry.uri, column.stored)


def _column_of(uri: str, name: str) -> list[str]:
    try:
        file = pq.ParquetFile(pa.BufferReader(store.read_bytes(uri)))
        found = file.read(columns=[name])[name].to_pylist() if name in file.schema_arrow.names else []
    except (StoreError, pa.ArrowException, OSError):
        return []
    return [path for path in found if path]
