"""Manifests: content-addressed files that list records and travel between tasks by URI."""

from collections.abc import Sequence
from typing import TypeVar

from pydantic import TypeAdapter

from clipmill import identity, layout
from clipmill.engine.work import Work
from clipmill.records import SourceFile
from clipmill.storage import store

Record = TypeVar("Record", SourceFile, Work)

_SOURCES = TypeAdapter(list[SourceFile])
_WORK = TypeAdapter(list[Work])


def put_sources(output: str, sources: Sequence[SourceFile]) -> str:
    """Store a list of sources; return its URI."""
    return _put(output, "sources", _SOURCES.dump_json(list(sources), indent=1))


def get_sources(uri: str) -> list[SourceFile]:
    """The sources of a manifest."""
    return _SOURCES.validate_json(store.read_bytes(uri))


def put_work(output: str, items: Sequence[Work]) -> str:
    """Store a list of work items; return its URI."""
    return _put(output, "videos", _WORK.dump_json(list(items), indent=1))


def get_work(uri: str) -> list[Work]:
    """The work items of a manifest."""
    return _WORK.validate_json(store.read_bytes(uri))


def in_groups(records: Sequence[Record], size: int) -> list[Sequence[Record]]:
    """Consecutive groups of at most ``size``."""
    return [records[start : start + size] for start in range(0, len(records), size)]


def _put(output: str, kind: str, data: bytes) -> str:
    uri = layout.join(layout.work_dir(output), f"{kind}-{identity.bytes_digest(data)[:24]}.json")
    store.put_if_changed(uri, data)
    return uri
