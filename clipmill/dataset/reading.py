"""A published output as Python reads it: ``for clip in clipmill.dataset("curated")``."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from clipmill import arrow, layout
from clipmill.dataset.snapshots.record import Snapshot, named_snapshot, read_table, table_parts
from clipmill.storage import parquet, store

_ROWS = 4096

Row = Mapping[str, Any]
"""Column -> value, as in the published tables."""


@dataclass(frozen=True)
class KeptClip:
    """A kept clip: its row of the clips table, and its windows in order.

    ``path`` is the full path or URI of its file, empty without one.
    """

    clip_id: str
    path: str
    source_uri: str
    start_s: float
    end_s: float
    row: Row
    windows: Sequence[Row]


@dataclass(frozen=True)
class PublishedDataset:
    """A snapshot of an output. Iterating yields its kept clips, a few thousand of which are in memory."""

    output: str
    snapshot: Snapshot

    def __iter__(self) -> Iterator[KeptClip]:
        windows = _Windows(self._batches("windows"))
        for table in self._batches("clips"):
            for row in table.filter(arrow.equal(table["status"], "kept")).to_pylist():
                file = row.get(self._file_column)
                yield KeptClip(
                    clip_id=row["clip_id"],
                    path=layout.join(self.output, file) if file else "",
                    source_uri=row["source_uri"],
                    start_s=row["start_s"],
                    end_s=row["end_s"],
                    row=row,
                    windows=windows.of(row["clip_id"]),
                )

    def __len__(self) -> int:
        kept = (arrow.equal(one["status"], "kept") for one in self._batches("clips"))
        return sum(int(arrow.flags(one).sum()) for one in kept)

    @property
    def _file_column(self) -> str:
        """The column of clips that names their files; empty where nothing was encoded."""
        files = self.snapshot.manifest["files"]
        return next((one["column"] for one in files if one["table"] == "clips"), "")

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Returns a table of the snapshot as Arrow; ``.to_pandas()`` makes a data frame of it."""
        return read_table(self.output, name, columns=columns, snapshot=self.snapshot)

    def _batches(self, table: str) -> Iterator[pa.Table]:
        for uri in table_parts(self.output, table, snapshot=self.snapshot):
            yield from parquet.read_batches(uri, max_rows=_ROWS)


class _Windows:
    """Windows of clips, read on as clips ask for theirs: both tables have the same order."""

    def __init__(self, tables: Iterator[pa.Table]) -> None:
        self._rows = (row for table in tables for row in table.to_pylist())
        self._next: Row | None = next(self._rows, None)
        self._passed: dict[str, list[Row]] = {}

    def of(self, clip_id: str) -> Sequence[Row]:
        while self._next is not None and clip_id not in self._passed:
            self._take_one_clip()
        return self._passed.pop(clip_id, [])

    def _take_one_clip(self) -> None:
        assert self._next is not None
        clip_id, own = self._next["clip_id"], list[Row]()
        while self._next is not None and self._next["clip_id"] == clip_id:
            own.append(self._next)
            self._next = next(self._rows, None)
        self._passed[clip_id] = own


def open_dataset(output: str, snapshot: str = "") -> PublishedDataset:
    """Returns a published output, its current snapshot unless another one is named.

    SourceError where there is none.
    """
    output = store.normalise(output)
    return PublishedDataset(output, named_snapshot(output, snapshot))
