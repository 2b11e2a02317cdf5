"""The parts of one stage and digest, and the index that says which of them count.

``index-<n>.json`` names live, replaced and damaged parts. A reader takes the highest index and reads the live
parts and those that it does not know. An index never changes: a writer makes the next one, or finds that
another writer did and starts again.
"""

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

from pydantic import TypeAdapter, ValidationError

from clipmill import layout
from clipmill.errors import TransientStoreError
from clipmill.state import part_file
from clipmill.storage import store

logger = logging.getLogger(__name__)

_INDEX = re.compile(r"index-([1-9]\d*)\.json")
_TRIES = 20
_CHANGED_AT_MOST = 100
COMPLETE = "complete"
"""Folder beside the stages: videos that lack nothing."""
REMAINDER = "remainder.json"
"""Beside the notes of complete videos: what is believed only as long as all notes stand."""


@dataclass(frozen=True)
class PartIndex:
    """Which parts count.

    ``live`` are those that compaction wrote, with their numbers of rows; ``replaced`` maps the others to the
    time, in seconds since 1970, at which they stopped to count; ``damaged`` are unreadable.
    """

    number: int = 0
    live: Mapping[str, int] = field(default_factory=dict[str, int])
    replaced: Mapping[str, float] = field(default_factory=dict[str, float])
    damaged: tuple[str, ...] = ()


_JSON = TypeAdapter(PartIndex)


@dataclass(frozen=True)
class PartSet:
    """The parts under a folder, listed once.

    ``stand_ins`` are parts elsewhere that are read in place of those named in ``covered``.
    """

    folder: str
    files: tuple[store.FileEntry, ...]
    covered: frozenset[str] = frozenset()
    stand_ins: tuple[str, ...] = ()

    @cached_property
    def index(self) -> PartIndex:
        """The highest index that can be read; what a damaged one replaced counts again."""
        for number in sorted(self._numbers, reverse=True):
            uri = self.uri(f"index-{number}.json")
            try:
                found = _JSON.validate_json(store.read_bytes(uri))
            except ValidationError:
                found = PartIndex()
            if found.number == number:
                return found
            logger.warning("%s: not a readable index; it is left out", uri)
        return PartIndex()

    @property
    def _numbers(self) -> list[int]:
        return [int(found[1]) for name in self._names if (found := _INDEX.fullmatch(name))]

    @cached_property
    def names(self) -> frozenset[str]:
        """Names of the parts that count."""
        unread = {*self.index.replaced, *self.index.damaged}
        found = {name for name in self._names if part_file.NAME.fullmatch(name)}
        return frozenset((found - unread) | (set(self.index.live) - self._deleted))

    @cached_property
    def _deleted(self) -> frozenset[str]:
        """Names of the parts that the index has and the folder has not: they were there before the index."""
        return frozenset(set(self.index.live).difference(self._names))

    @cached_property
    def live(self) -> tuple[str, ...]:
        """URIs of the parts to read, sorted by name."""
        return (*map(self.uri, sorted(self.names - self.covered)), *self.stand_ins)

    @cached_property
    def sizes(self) -> Mapping[str, int]:
        """URI -> bytes of every listed file."""
        return {entry.uri: entry.size_bytes for entry in self.files}

    @cached_property
    def marks(self) -> dict[str, str]:
        """Name of each part that counts -> its size and version in the listing. Parts never change."""
        marks = {self.name(one.uri): f"{one.size_bytes} {one.version}" for one in self.files}
        return {name: marks[name] for name in sorted(self.names)}

    @property
    def _names(self) -> list[str]:
        return [self.name(entry.uri) for entry in self.files]

    def uri(self, name: str) -> str:
        """Returns the URI of a file of the folder."""
        return layout.join(self.folder, name)

    @staticmethod
    def name(uri: str) -> str:
        """Returns the name of a file of the folder."""
        return uri.rpartition("/")[2]

    @property
    def older_indexes(self) -> list[str]:
        """URIs of the indexes before the one that this one follows: a reader may be about to read that."""
        found = ((name, _INDEX.fullmatch(name)) for name in self._names)
        return [self.uri(name) for name, match in found if match and int(match[1]) < self.index.number - 1]

    def set_aside(self, uris: Iterable[str]) -> "PartSet":
        """Names damaged parts in the next index; returns the parts that are left.

        Their rows are missing from now on: what was noted of complete videos is forgotten first.
        """
        forget_complete(self.folder.rsplit("/", 2)[0])
        names = sorted(self.name(uri) for uri in uris if uri not in self.stand_ins)
        for name in names:
            logger.warning("%s: damaged, set aside; its rows are made again", self.uri(name))
        return (
            parts_of(self.folder)
            if not names
            else self.changed(
                lambda index: replace(
                    index,
                    damaged=tuple(sorted({*index.damaged, *names})),
                    live={name: num for name, num in index.live.items() if name not in names},
                )
            )
        )

    def without_gone(self) -> "PartSet | None":
        """Lists the folder again; returns what is there if a part to read is gone, None if all are there.

        Rows may be missing then: what was noted of complete videos is forgotten.
        """
        listed = {entry.uri for entry in parts_of(self.folder).files}
        gone = set(self.live) - listed.union(filter(store.exists, self.stand_ins))
        if not gone:
            return None
        logger.warning("%s: gone since it was listed, and %d more", min(gone), len(gone) - 1)
        forget_complete(self.folder.rsplit("/", 2)[0])
        return parts_of(self.folder)

    def checked(self, marks: Mapping[str, str] = MappingProxyType({})) -> "PartSet":
        """Returns the parts without damaged ones, which are set aside.

        These are parts that are empty or cut off or were deleted: an object store has an object whole or not
        at all, there nothing is read. Few parts with other marks than in ``marks`` are read whole; where many
        have, the output was copied.
        """
        damaged = set(map(self.uri, self._deleted))
        if store.is_local(self.folder):
            damaged |= {uri for uri in map(self.uri, self.names) if not part_file.has_end(uri)}
        changed = self.unlike(marks)
        if len(changed) <= _CHANGED_AT_MOST:
            damaged |= set(damaged_among(map(self.uri, changed)))
        return self.set_aside(damaged) if damaged else self

    def unlike(self, marks: Mapping[str, str]) -> list[str]:
        """Returns the names of parts that have other marks than in ``marks``: something changed them."""
        return [name for name, mark in marks.items() if self.marks.get(name, mark) != mark]

    def changed(self, change: Callable[[PartIndex], PartIndex]) -> "PartSet":
        """Writes the next index; where another writer wrote it, ``change`` is applied to that one."""
        parts = self
        for _ in range(_TRIES):
            index = replace(change(parts.index), number=max(parts._numbers, default=0) + 1)
            uri = parts.uri(f"index-{index.number}.json")
            is_first = store.create(uri, _JSON.dump_json(index))
            parts = parts_of(self.folder)
            if is_first:
                return parts
        raise TransientStoreError(self.folder, "other writers change its index all the time")


def parts_of(folder: str) -> PartSet:
    """Lists the parts under a folder."""
    found = store.find(folder, (".parquet", ".json"))
    depth = store.normalise(folder).count("/") + 1
    return PartSet(store.normalise(folder), tuple(one for one in found if one.uri.count("/") == depth))


def forget_complete(state_uri: str) -> None:
    """Deletes every note of complete videos, of all plans; first what relies on notes."""
    found = store.find(layout.join(state_uri, COMPLETE))
    for entry in sorted(found, key=lambda entry: not entry.uri.endswith(REMAINDER)):
        store.delete(entry.uri)


def damaged_among(uris: Iterable[str]) -> list[str]:
    """Returns the parts that cannot be read whole."""
    found: list[str] = []
    for uri in uris:
        try:
            part_file.decode(uri, store.read_bytes(uri))
        except part_file.DamagedPart:
            found.append(uri)
    return found
