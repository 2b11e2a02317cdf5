"""Tables spread over local files by a hash of each row's id, so that memory holds one part at a time."""

import hashlib
import math
import os
from collections.abc import Callable, Iterable, Iterator
from typing import cast

import numpy as np
import pyarrow as pa

from clipmill.scratch import ScratchFolder

ROWS_AT_ONCE = 16_384
"""Rows of a part, about, and of a batch that is read."""
ORDER = "order"
"""Column of the 64 bits by which rows are shuffled."""


def order_of(ids: Iterable[str], seed: int) -> np.ndarray:
    """Returns uint64 ``(N,)``: a hash of each id, in which no two neighbours have to do with each other."""
    key = seed.to_bytes(8, "little")
    digests = b"".join(hashlib.blake2b(one.encode(), digest_size=8, key=key).digest() for one in ids)
    return np.frombuffer(digests, ">u8").astype(np.uint64)


class Spool:
    """Rows of one table in ``2 ** bits`` files: part ``i`` has the ``i``-th range of all hashes."""

    def __init__(self, folder: str, name: str, bits: int) -> None:
        self._stem = os.path.join(folder, name)
        self._bits = bits
        self._writers: dict[int, tuple[pa.OSFile, pa.ipc.RecordBatchStreamWriter]] = {}
        self._schema: pa.Schema | None = None

    def add(self, table: pa.Table, order: np.ndarray) -> None:
        """Adds rows; ``order`` uint64 ``(N,)`` decides the part of each."""
        parts = (
            (order >> np.uint64(64 - self._bits)).astype(np.int64)
            if self._bits
            else np.zeros(len(order), int)
        )
        for part in np.unique(parts).tolist():
            self._writer(part, table.schema).write_table(table.take(pa.array(np.flatnonzero(parts == part))))

    def tables(self) -> Iterator[pa.Table]:
        """Yields all rows of a spool of one part, in the order in which they were added."""
        self._close()
        with pa.OSFile(f"{self._stem}-0", "rb") as file:
            for batch in pa.ipc.open_stream(file):
                yield pa.Table.from_batches([batch])

    def part(self, index: int) -> pa.Table | None:
        """Returns the rows of a part, in the order in which they were added; None where there is none."""
        path = f"{self._stem}-{index}"
        if index not in self._writers:
            return None
        self._close()
        with pa.OSFile(path, "rb") as file:
            table = cast(pa.Table, pa.ipc.open_stream(file).read_all())
        return table.combine_chunks()

    def remove(self, index: int) -> None:
        """Frees the disk of a part."""
        if index in self._writers:
            os.unlink(f"{self._stem}-{index}")

    def _writer(self, part: int, schema: pa.Schema) -> pa.ipc.RecordBatchStreamWriter:
        if part not in self._writers:
            file = pa.OSFile(f"{self._stem}-{part}", "wb")
            self._writers[part] = file, pa.ipc.new_stream(file, schema)
        return self._writers[part][1]

    def _close(self) -> None:
        for file, writer in self._writers.values():
            if not file.closed:
                writer.close()
                file.close()


def bits_for(num_rows: int) -> int:
    """Returns how many bits of the hash spread so many rows over parts of about ``ROWS_AT_ONCE``."""
    return max(0, math.ceil(math.log2(max(1, num_rows) / ROWS_AT_ONCE)))


def in_order(tables: Callable[[], Iterator[pa.Table]], num_rows: int) -> Iterator[pa.Table]:
    """Yields rows by their column ``order``, which is ascending from the first table to the last."""
    bits = bits_for(num_rows)
    with ScratchFolder("export-order") as scratch:
        spool = Spool(scratch.path, "rows", bits)
        for table in tables():
            spool.add(table, table[ORDER].to_numpy())
        for index in range(1 << bits):
            if (part := spool.part(index)) is not None:
                spool.remove(index)
                yield part.sort_by([(ORDER, "ascending"), ("sample_id", "ascending")])
