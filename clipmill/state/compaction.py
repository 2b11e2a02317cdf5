"""Many small parts become few: new parts first, then an index that names what they replace.

Of an id with a result only the row that counts is kept: a result counts before every other row. An id without
one keeps the rows that no cleared row takes away, and its last cleared row, because later runs count them.
Parts are joined in groups, so that memory is that of a group's keys and of one part; a part that is large
enough is left alone.
"""

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from clipmill import layout
from clipmill.errors import OutputError
from clipmill.state.joined_part import Group, Keys, read_keys, write_joined
from clipmill.state.part_file import DamagedPart
from clipmill.state.part_set import PartIndex, PartSet, parts_of
from clipmill.storage import store

logger = logging.getLogger(__name__)

PART_BYTES = 160_000_000
PART_ROWS = 1_000_000
KEPT_S = 24 * 3600.0
"""A replaced part stays so long: readers that listed it before may still read it."""
_AT_ONCE = 16


@dataclass(frozen=True)
class Target:
    """A joined part has about so many bytes or rows, whichever comes first."""

    part_bytes: int = PART_BYTES
    part_rows: int = PART_ROWS

    def is_reached(self, num_bytes: int, num_rows: int) -> bool:
        """Returns True for a part that is large enough."""
        return num_bytes >= self.part_bytes or num_rows >= self.part_rows


@dataclass(frozen=True)
class Compacted:
    """What a compaction did to the parts of one stage and digest."""

    folder: str
    num_before: int
    num_after: int
    num_damaged: int
    num_deleted: int


def check_state(output: str) -> None:
    """Raises OutputError where no run left a state."""
    if not store.exists(layout.state_dir(output)):
        raise OutputError(f"{output} has no state: no run wrote to it")


def compact(
    output: str, *, may_delete: Callable[[], bool] = lambda: True, target: Target = Target()
) -> list[Compacted]:
    """Compacts the state of an output; returns what was done, by folder.

    ``may_delete`` is asked before parts that were replaced a day ago are deleted: another run that stands may
    still read them.
    """
    root = layout.state_dir(store.normalise(output))
    found = store.find(root, (".parquet",))
    paths = {entry.uri.rpartition("/")[0] for entry in found}
    folders = sorted(path for path in paths if path.removeprefix(f"{root}/").count("/") == 1)
    return [compact_folder(folder, may_delete=may_delete, target=target) for folder in folders]


def compact_folder(
    folder: str, *, may_delete: Callable[[], bool] = lambda: True, target: Target = Target()
) -> Compacted:
    """Compacts the parts of one stage and digest; a damaged part is set aside."""
    parts = parts_of(folder)
    num_before, damaged = len(parts.live), list[str]()
    made, replaced = dict[str, int](), list[str]()
    for group in _groups(parts, target, damaged):
        name, num_rows = write_joined(parts.folder, group)
        made[name] = num_rows
        replaced += [uri for uri in group if uri != parts.uri(name)]
    if damaged:
        parts = parts.set_aside(damaged)
    if made:
        parts = parts.changed(lambda index: _swapped(index, made, [parts.name(uri) for uri in replaced]))
    num_deleted = _delete_replaced(parts) if may_delete() else 0
    logger.info("%s: %d parts before, %d after", folder, num_before, len(parts.live))
    return Compacted(folder, num_before, len(parts.live), len(damaged), num_deleted)


def _groups(parts: PartSet, target: Target, damaged: list[str]) -> Iterator[Group]:
    """Yields groups of two parts or more that make one of the target's size; ``damaged`` takes the others."""
    small = [uri for uri in parts.live if not _is_large(parts, uri, target)]
    group, num_bytes, num_rows = Group(), 0, 0
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for start in range(0, len(small), _AT_ONCE * 4):
            for uri, keys in pool.map(_try_keys, small[start : start + _AT_ONCE * 4]):
                if keys is None:
                    damaged.append(uri)
                    continue
                group[uri] = keys
                num_bytes += parts.sizes.get(uri, 0)
                num_rows += len(keys.rows)
                if target.is_reached(num_bytes, num_rows):
                    if len(group) > 1:
                        yield group
                    group, num_bytes, num_rows = Group(), 0, 0
    if len(group) > 1:
        yield group


def _is_large(parts: PartSet, uri: str, target: Target) -> bool:
    """Returns True for a part of at least half the target's size."""
    num_rows = parts.index.live.get(parts.name(uri), 0)
    return target.is_reached(2 * parts.sizes.get(uri, 0), 2 * num_rows)


def _try_keys(uri: str) -> tuple[str, Keys | None]:
    try:
        return uri, read_keys(uri)
    except DamagedPart:
        return uri, None


def _swapped(index: PartIndex, made: dict[str, int], replaced: list[str]) -> PartIndex:
    now = time.time()
    live = {name: num for name, num in index.live.items() if name not in replaced}
    gone = {name: when for name, when in index.replaced.items() if name not in made}
    return replace(index, live=live | made, replaced=gone | dict.fromkeys(replaced, now))


def _delete_replaced(parts: PartSet) -> int:
    """Deletes parts that were replaced long ago, and the indexes before; returns how many parts."""
    long_ago = time.time() - KEPT_S
    old = [name for name, when in parts.index.replaced.items() if when < long_ago]
    if not old:
        return 0
    for name in old:
        store.delete(parts.uri(name))
    kept = {name: when for name, when in parts.index.replaced.items() if name not in old}
    parts = parts.changed(lambda index: replace(index, replaced=kept))
    for uri in parts.older_indexes:
        store.delete(uri)
    return len(old)
