"""A source as a file object that counts what it reads, whatever store it lies in.

Reads go through a cache of large blocks: a demuxer that jumps between the index at the end and the samples at
the start, or between far apart audio and video, still fetches each byte about once. A run of neighbouring
blocks is fetched in ever larger requests, so that a distant store is not asked a thousand times.
"""

import io
import os
import sys
from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol, cast

import fsspec
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from clipmill.errors import TRANSIENT_ERRNOS, StoreError, TransientStoreError

BLOCK_BYTES = 1 << 18
CACHED_BLOCKS = 24
"""A file that fits is never read twice; of a larger one at most one block at the index is."""
LONGEST_RUN = 4


class RangeStore(Protocol):
    """Where bytes come from."""

    size_bytes: int

    def fetch(self, start: int, end: int) -> bytes:
        """Bytes ``[start, end)``; within the size."""
        ...

    def close(self) -> None:
        """Let go of the store."""
        ...


class _LocalFile:
    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size_bytes = os.fstat(self._descriptor).st_size

    def fetch(self, start: int, end: int) -> bytes:
        return os.pread(self._descriptor, end - start, start)

    def close(self) -> None:
        os.close(self._descriptor)


class _RemoteFile:
    def __init__(self, files: fsspec.AbstractFileSystem, path: str) -> None:
        size = files.info(path)["size"]
        if size is None:
            raise OSError("the server does not say how large the file is")
        self._files, self._path = files, path
        self.size_bytes = int(size)

    def fetch(self, start: int, end: int) -> bytes:
        return bytes(cast(bytes, self._files.cat_file(self._path, start=start, end=end)))

    def close(self) -> None:
        """Connections belong to the file system, which is shared."""


class _InMemory:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size_bytes = len(data)

    def fetch(self, start: int, end: int) -> bytes:
        return self._data[start:end]

    def close(self) -> None:
        """Nothing was opened."""


class CountingReader(io.RawIOBase):
    """Read-only file object over a store. ``bytes_read`` counts what was fetched, not what was asked for.

    ``failure`` keeps the first StoreError: a demuxer may take it for the end of the file.
    """

    def __init__(self, uri: str, store: RangeStore) -> None:
        super().__init__()
        self.uri = uri
        self.size_bytes = store.size_bytes
        self.bytes_read = 0
        self.failure: StoreError | None = None
        self._store = store
        self._position = 0
        self._blocks: OrderedDict[int, memoryview] = OrderedDict()
        self._next_block = -1
        self._run = 1

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Where the next read starts."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move; a place beyond the end is allowed and reads as nothing."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size_bytes}[whence]
        if base + offset < 0:
            raise ValueError(f"cannot seek to {base + offset}")
        self._position = base + offset
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        """Up to ``size`` bytes, fewer only at the end of the file."""
        left = max(0, self.size_bytes - self._position)
        size = left if size < 0 else min(size, left)
        parts: list[memoryview] = []
        while size > 0:
            index, skip = divmod(self._position, BLOCK_BYTES)
            part = self._block(index)[skip : skip + size]
            parts.append(part)
            self._position += len(part)
            size -= len(part)
        return b"".join(parts)

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override] - RawIOBase asks for any buffer
        """Fill ``buffer`` as far as the file goes; the number of bytes."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read_range(self, start: int, end: int) -> bytes:
        """Bytes ``[start, end)`` without moving the position; from the cache where it holds them all."""
        first, last = start // BLOCK_BYTES, (end - 1) // BLOCK_BYTES
        if any(index not in self._blocks for index in range(first, last + 1)):
            return self._fetch(start, end)
        data = b"".join(self._blocks[index] for index in range(first, last + 1))
        return data[start - first * BLOCK_BYTES : end - first * BLOCK_BYTES]

    def close(self) -> None:
        """Let go of the store and the cache."""
        if not self.closed:
            self._store.close()
            self._blocks.clear()
        super().close()

    def _block(self, index: int) -> memoryview:
        if index in self._blocks:
            self._blocks.move_to_end(index)
        else:
            self._fetch_run(index)
        return self._blocks[index]

    def _fetch_run(self, index: int) -> None:
        """Fetch a block and, where the last request ended before it, more and more of those behind it."""
        self._run = min(2 * self._run, LONGEST_RUN) if index == self._next_block else 1
        wanted = [index]
        while len(wanted) < self._run and self._may_fetch(wanted[-1] + 1):
            wanted.append(wanted[-1] + 1)
        self._next_block = wanted[-1] + 1
        start = index * BLOCK_BYTES
        data = memoryview(self._fetch(start, min(self._next_block * BLOCK_BYTES, self.size_bytes)))
        for block in wanted:
            offset = block * BLOCK_BYTES - start
            self._blocks[block] = data[offset : offset + BLOCK_BYTES]
        while len(self._blocks) > CACHED_BLOCKS:
            self._blocks.popitem(last=False)

    def _may_fetch(self, index: int) -> bool:
        return index * BLOCK_BYTES < self.size_bytes and index not in self._blocks

    def _fetch(self, start: int, end: int) -> bytes:
        if self.failure is not None:
            raise self.failure
        try:
            with named_faults(self.uri):
                data = self._store.fetch(start, end)
                if len(data) != end - start:
                    raise OSError(f"asked for bytes {start} to {end}, got {len(data)} bytes")
        except StoreError as error:
            self.failure = error
            raise
        self.bytes_read += len(data)
        return data


def open_source(uri: str) -> CountingReader:
    """The file at a local path or an fsspec URI (``s3://``, ``http://``, ``memory://`` ...).

    StoreError when it cannot be opened, TransientStoreError when another try may succeed.
    """
    with named_faults(uri):
        return CountingReader(uri, _open_store(uri))


def _open_store(uri: str) -> RangeStore:
    if "://" not in uri and "::" not in uri:
        return _LocalFile(uri)
    files, path = url_to_fs(uri)
    return _LocalFile(path) if isinstance(files, LocalFileSystem) else _RemoteFile(files, path)


@contextmanager
def named_faults(uri: str) -> Generator[None]:
    """Raise what a store raises inside as StoreError or TransientStoreError naming ``uri``."""
    try:
        yield
    except StoreError:
        raise
    except _store_faults() as error:
        kind = TransientStoreError if _is_transient(error) else StoreError
        cause = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise kind(uri, cause or type(error).__name__) from error


def _store_faults() -> tuple[type[Exception], ...]:
    """Errors of the stores in use; clients are not imported for theirs, a local file needs none."""
    faults: list[type[Exception]] = [OSError, ValueError, ImportError]
    for module, name in (
        ("botocore.exceptions", "BotoCoreError"),
        ("botocore.exceptions", "ClientError"),
        ("aiohttp", "ClientError"),
    ):
        if module in sys.modules:
            faults.append(getattr(sys.modules[module], name))
    return tuple(faults)


def _is_transient(error: Exception) -> bool:
    if isinstance(error, (TimeoutError, ConnectionError)):
        return True
    if isinstance(error, OSError):
        return error.errno in TRANSIENT_ERRNOS
    status = getattr(error, "status", 0)  # aiohttp's answers carry the HTTP status
    names = {kind.__name__ for kind in type(error).__mro__}
    return status == 429 or status >= 500 or bool(names & {"HTTPClientError", "ConnectionError"})


def bytes_source(data: bytes, name: str) -> CountingReader:
    """A source that is in memory already; ``name`` is what errors call it."""
    return CountingReader(name, _InMemory(data))
