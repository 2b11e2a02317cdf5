"""Files that change under a reader, at a moment that the test names."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from clipmill import identity
from clipmill.media.io import container, source
from clipmill.media.io.source import CountingReader
from clipmill.records import SourceFile
from clipmill.storage import store

LAST = 0
"""The moment after the last read."""
LONG_AGO_NS = 1_700_000_000_000_000_000

Change = Callable[[str, Path], None]
"""Changes the file at a URI; the second one holds other bytes."""


def put(path: Path, film: Path) -> Path:
    """A copy that was not written to for long."""
    shutil.copyfile(film, path)
    os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS))
    return path


def listed(uri: str) -> SourceFile:
    """As the listing has it."""
    (entry,) = store.find(uri)
    version = identity.source_version(entry.uri, entry.size_bytes, entry.version)
    return SourceFile(entry.uri, entry.size_bytes, version, entry.version)


@dataclass
class Moment:
    """Calls ``act`` once, before the n-th read of readers, or before what was read is verified."""

    number: int
    act: Callable[[], None]
    num_reads: int = 0
    is_done: bool = False

    def reading(self) -> None:
        self.num_reads += 1
        if self.num_reads == self.number:
            self.do()

    def verifying(self) -> None:
        if self.number == LAST and not self.is_done:
            self.do()

    def do(self) -> None:
        self.is_done = True
        self.act()


def at(patch: pytest.MonkeyPatch, moment: Moment, *, block_bytes: int = 512) -> Moment:
    """Has readers in this process read small blocks and tell the moment."""
    fetch, verify = CountingReader._fetch, CountingReader.verify

    def fetched(reader: CountingReader, start: int, end: int) -> bytes:
        moment.reading()
        return fetch(reader, start, end)

    def verified(reader: CountingReader) -> None:
        moment.verifying()
        verify(reader)

    patch.setattr(source, "BLOCK_BYTES", block_bytes)
    patch.setattr(container, "IO_BUFFER_BYTES", block_bytes)
    patch.setattr(CountingReader, "_fetch", fetched)
    patch.setattr(CountingReader, "verify", verified)
    return moment


def replace(uri: str, other: Path) -> None:
    """By a rename, as tools that copy do."""
    put(Path(f"{uri}.new"), other)
    os.replace(f"{uri}.new", uri)


def replace_alike(uri: str, other: Path) -> None:
    """By a file of the same size and date."""
    before, new = os.stat(uri), Path(f"{uri}.new")
    new.write_bytes(other.read_bytes()[: before.st_size].ljust(before.st_size, b"\0"))
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.replace(new, uri)


def overwrite(uri: str, other: Path) -> None:
    """In place, to the same size."""
    size = os.path.getsize(uri)
    with open(uri, "r+b") as file:
        file.write(other.read_bytes()[:size].ljust(size, b"\0"))


def truncate(uri: str, other: Path) -> None:
    os.truncate(uri, os.path.getsize(uri) // 2)


def grow(uri: str, other: Path) -> None:
    with open(uri, "ab") as file:
        file.write(bytes(100))


def remove(uri: str, other: Path) -> None:
    os.unlink(uri)


LOCAL: dict[str, Change] = {
    "replaced": replace,
    "replaced by one alike": replace_alike,
    "overwritten": overwrite,
    "truncated": truncate,
    "grown": grow,
    "removed": remove,
}


def put_other(uri: str, other: Path) -> None:
    store.put_bytes(uri, other.read_bytes())


def put_shorter(uri: str, other: Path) -> None:
    data = store.read_bytes(uri)
    store.put_bytes(uri, data[: len(data) // 2])


def put_longer(uri: str, other: Path) -> None:
    store.put_bytes(uri, store.read_bytes(uri) + bytes(100))


def delete(uri: str, other: Path) -> None:
    store.delete(uri)


REMOTE: dict[str, Change] = {
    "replaced": put_other,
    "truncated": put_shorter,
    "grown": put_longer,
    "removed": delete,
}
