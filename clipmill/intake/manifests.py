"""Manifests: content-addressed files of records, one JSON per line, that travel between tasks by URI."""

import hashlib
import io
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import IO, TypeVar, cast

from pydantic import TypeAdapter

from clipmill import identity, layout
from clipmill.engine.work import Work
from clipmill.records import SourceFile
from clipmill.scratch import scratch_file
from clipmill.storage import store
from clipmill.storage.skipped_files import Skipped

Record = TypeVar("Record", SourceFile, Work)

_SKIPPED = ".skipped.json"
_SOURCE = TypeAdapter(SourceFile)
_WORK = TypeAdapter(Work)
_SKIPPED_FILES = TypeAdapter(Skipped)


def put_sources(output: str, sources: Sequence[SourceFile]) -> str:
    """Stores a list of sources; returns its URI."""
    data = b"".join(source_line(one) for one in sources)
    uri = _uri(output, "sources", identity.bytes_digest(data))
    store.put_if_changed(uri, data)
    return uri


@dataclass(frozen=True)
class Sources:
    """The sources of a manifest, read anew, line by line, each time that they are looked through."""

    uri: str

    def __iter__(self) -> Iterator[SourceFile]:
        """Yields the sources."""
        with store.open_reader(self.uri) as file:
            for line in io.BufferedReader(cast(io.RawIOBase, file)):
                yield source_of(line)


def put_skipped(listing_uri: str, skipped: Skipped) -> None:
    """Stores, beside the list of a run's sources, what else lies in the source; nothing for none."""
    if skipped == Skipped():
        store.delete(f"{listing_uri}{_SKIPPED}")
    else:
        store.put_if_changed(f"{listing_uri}{_SKIPPED}", _SKIPPED_FILES.dump_json(skipped))


def get_skipped(listing_uri: str) -> Skipped:
    """Returns what lies beside the sources of a manifest and is not curated."""
    uri = f"{listing_uri}{_SKIPPED}"
    return _SKIPPED_FILES.validate_json(store.read_bytes(uri)) if store.exists(uri) else Skipped()


def source_line(source: SourceFile) -> bytes:
    """Returns the line of a source in a manifest."""
    return _SOURCE.dump_json(source) + b"\n"


def source_of(line: str | bytes) -> SourceFile:
    """Returns the source of a line."""
    return _SOURCE.validate_json(line)


def get_work(uri: str) -> list[Work]:
    """Returns the work items of a manifest."""
    return [_WORK.validate_json(line) for line in store.read_bytes(uri).splitlines()]


@dataclass
class WorkSpool:
    """Work items in a file of scratch space, until their number is known."""

    file: IO[bytes]
    num_items: int = 0
    video_s: float = 0.0

    def add(self, item: Work) -> None:
        """Takes one more item."""
        self.file.write(_WORK.dump_json(item) + b"\n")
        self.num_items += 1
        self.video_s += item.facts.duration_s

    def put(self, output: str, num_groups: int) -> list[str]:
        """Stores the items as at most ``num_groups`` manifests; returns their URIs."""
        self.file.seek(0)
        size = max(1, -(-self.num_items // num_groups))
        return [_put_lines(output, islice(self.file, size)) for _ in range(0, self.num_items, size)]


@contextmanager
def work_spool() -> Generator[WorkSpool]:
    """A spool that is deleted at the end."""
    with scratch_file("work") as file:
        yield WorkSpool(file)


def in_groups(records: Sequence[Record], size: int) -> list[Sequence[Record]]:
    """Returns consecutive groups of at most ``size``."""
    return [records[start : start + size] for start in range(0, len(records), size)]


def _put_lines(output: str, lines: Iterator[bytes]) -> str:
    with scratch_file("work") as file:
        digest = _copied(lines, file)
        file.flush()
        uri = _uri(output, "videos", digest)
        if not store.exists(uri):
            store.put_file(uri, file.name)
        return uri


def _copied(lines: Iterable[bytes], file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line)
        file.write(line)
    return digest.hexdigest()


def _uri(output: str, kind: str, digest: str) -> str:
    return layout.join(layout.work_dir(output), f"{kind}-{digest[:24]}.jsonl")
