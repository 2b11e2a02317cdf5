"""One shard at work: its rows, where its files go, and what is noted when they are there."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

import pyarrow as pa

from clipmill import layout
from clipmill.dataset.snapshots.record import Snapshot
from clipmill.export.clip_files import ClipFiles, Row
from clipmill.export.record import ExportPlan, Shard, receipt_path
from clipmill.export.spec import ExportSpec
from clipmill.storage import local, store

_ROWS = 256


@dataclass(frozen=True)
class Receipt:
    """What became of a shard: its files below the destination with their sizes, and what ``finish`` needs."""

    files: Mapping[str, int]
    facts: Mapping[str, Any]

    def encoded(self) -> bytes:
        """Returns the JSON."""
        return json.dumps({"files": dict(self.files), "facts": dict(self.facts)}, ensure_ascii=False).encode()


@dataclass(frozen=True)
class ShardJob:
    """What a format writes a shard with."""

    dest: str
    spec: ExportSpec
    shard: Shard
    rows: pa.Table
    clips: ClipFiles

    def samples(self) -> Iterator[tuple[Row, str]]:
        """Yields each row of the shard with the path of its video, in order."""
        for batch in self.rows.to_batches(max_chunksize=_ROWS):
            yield from self.clips.in_turn(batch.to_pylist())

    def put(self, path: str, source: str | bytes) -> int:
        """Writes a file below the destination, from bytes or a local file; returns its size."""
        uri = layout.join(self.dest, path)
        if isinstance(source, bytes):
            store.put_bytes(uri, source)
            return len(source)
        store.put_file(uri, source)
        return os.path.getsize(source)

    def write(self, path: str, write: Callable[[BinaryIO], object]) -> int:
        """Writes a file below the destination by a function that fills it; returns its size."""
        uri = layout.join(self.dest, path)
        with store.named_faults(uri):
            if store.is_local(uri):
                local.replace(store.normalise(uri), write)
                return os.path.getsize(store.normalise(uri))
        scratch = os.path.join(self.clips.scratch, "shard")
        with open(scratch, "wb") as file:
            write(file)
        store.put_file(uri, scratch)
        return os.path.getsize(scratch)


@dataclass(frozen=True)
class FinishJob:
    """What a format writes the last files with: all receipts, in the order of the shards."""

    dest: str
    plan: ExportPlan
    snapshot: Snapshot
    receipts: Sequence[Receipt]

    def by_part(self) -> Mapping[str, list[tuple[Shard, Receipt]]]:
        """Returns shards and receipts of each part."""
        found: dict[str, list[tuple[Shard, Receipt]]] = {}
        for shard, receipt in zip(self.plan.shards, self.receipts, strict=True):
            found.setdefault(shard.part, []).append((shard, receipt))
        return found

    def put(self, path: str, data: bytes) -> None:
        """Writes a file below the destination."""
        store.put_if_changed(layout.join(self.dest, path), data)


class Format(Protocol):
    """A kind of export."""

    def write(self, job: ShardJob) -> Receipt:
        """Writes the files of a shard."""
        ...

    def finish(self, job: FinishJob) -> Sequence[str]:
        """Writes what names the shards; returns lines that tell a user how to read them."""
        ...


def read_receipt(dest: str, shard: Shard) -> Receipt | None:
    """Returns the receipt of a shard; None for one that is not written."""
    uri = receipt_path(dest, shard)
    if not store.exists(uri):
        return None
    content = store.read_record(uri)
    return Receipt(content["files"], content["facts"])
