"""A source as a file object that counts what it reads, whatever store it lies in.

Reads go through a cache of large blocks: a demuxer that jumps between the index at the end and the samples at
the start, or between far apart audio and video, still fetches each byte about once. A run of neighbouring
blocks is fetched in ever larger requests, so that a distant store is not asked a thousand times.
"""

import errno
import io
import os
from collections import OrderedDict

from clipmill.errors import StoreError, UnreadableVideo
from clipmill.media.io.stores import InMemory, RangeStore, store_of
from clipmill.records import SourceFile, VideoReason
from clipmill.storage.faults import named_faults

BLOCK_BYTES = 1 << 18
CACHED_BLOCKS = 24
"""A file that fits is never read twice; of a larger one at most one block at the index is."""
LONGEST_RUN = 4
MAX_COPY_BYTES = 1 << 40
"""Of a file that has to be copied to be read, where no other limit is known."""


class CountingReader(io.RawIOBase):
    """Read-only file object over a store. ``bytes_read`` counts what was fetched, not what was asked for.

    ``failure`` keeps the first StoreError: a demuxer may take it for the end of the file.
    """

    def __init__(self, uri: str, store: RangeStore) -> None:
        super().__init__()
        self.uri = uri
        self.size_bytes = store.size_bytes
        self.is_verified = store.is_verified
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

    def verify(self) -> None:
        """Raise SourceChanged unless the file that was read is still the one under its name."""
        try:
            with named_faults(self.uri, also=(ValueError,)):
                self._store.check()
        except StoreError as error:
            self.failure = self.failure or error
            raise

    def again(self) -> "CountingReader":
        """Another reader of the same open file, with a cache of its own; ``self`` stays open longer."""
        return CountingReader(self.uri, _Borrowed(self._store))

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
            with named_faults(self.uri, also=(ValueError,)):
                data = self._store.fetch(start, end)
                if len(data) != end - start:
                    raise OSError(f"asked for bytes {start} to {end}, got {len(data)} bytes")
        except StoreError as error:
            self.failure = error
            raise
        self.bytes_read += len(data)
        return data


class _Borrowed:
    """A store that another reader closes."""

    def __init__(self, store: RangeStore) -> None:
        self.size_bytes, self.is_verified = store.size_bytes, store.is_verified
        self.fetch, self.check = store.fetch, store.check

    def close(self) -> None:
        """It is not ours."""


def open_source(source: SourceFile | str, *, max_bytes: int | None = None) -> CountingReader:
    """The file of a listing, or at a path or URI of which nothing is known.

    StoreError when it cannot be opened, TransientStoreError when another try may succeed, SourceChanged when
    it is not the file that was listed. UnreadableVideo ``over_limit`` when it has to be copied to be read and
    has more than ``max_bytes``.
    """
    if isinstance(source, str):
        source = SourceFile(source, 0, "")
    try:
        with named_faults(source.uri, also=(ValueError,)):
            return CountingReader(source.uri, store_of(source, max_bytes=max_bytes or MAX_COPY_BYTES))
    except StoreError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EFBIG:
            raise UnreadableVideo(source.uri, VideoReason.OVER_LIMIT, error.cause) from error
        raise


def bytes_source(data: bytes, name: str) -> CountingReader:
    """A source that is in memory already; ``name`` is what errors call it."""
    return CountingReader(name, InMemory(data))


class ReaderView:
    """The bytes of a source as FFmpeg is shown them: ``read`` of a subclass changes what it must not see."""

    def __init__(self, reader: CountingReader) -> None:
        self._reader = reader

    def tell(self) -> int:
        """Where the next read starts."""
        return self._reader.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move, as the reader does."""
        return self._reader.seek(offset, whence)
