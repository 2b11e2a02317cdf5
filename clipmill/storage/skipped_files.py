"""Files of a source that are no footage: by the ending of their names, or because clipmill wrote them."""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import cast

from clipmill import layout
from clipmill.errors import StoreError, TransientStoreError
from clipmill.storage import store
from clipmill.storage.store import FileEntry
from clipmill.storage.video_kinds import ending_of

SHOWN_ENDINGS, SHOWN_FOLDERS = 12, 3
_READS_AT_ONCE = 16


@dataclass(frozen=True)
class Skipped:
    """Files of a source that are not curated.

    ``by_ending`` counts files that are no videos, by the ending of their names. ``folders`` were written by
    clipmill, another output or an export, and hold ``num_inside`` files.
    """

    by_ending: Mapping[str, int] = field(default_factory=dict[str, int])
    folders: Sequence[str] = ()
    num_inside: int = 0


def count_endings(entries: Iterable[FileEntry]) -> dict[str, int]:
    """Returns the number of files by the ending of their names, the most first."""
    counts = Counter(ending_of(entry.uri) for entry in entries)
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def skipped_lines(skipped: Skipped) -> list[str]:
    """Returns what is said of files that are not curated, the commonest endings first."""
    endings = [f"{count} {ending or 'without an ending'}" for ending, count in skipped.by_ending.items()]
    lines: list[str] = []
    if endings:
        num_files = _counted(sum(skipped.by_ending.values()), "file")
        lines.append(f"skipped, no videos: {num_files} ({_first(endings, SHOWN_ENDINGS)})")
    if skipped.folders:
        inside = f"{_counted(skipped.num_inside, 'file')} in {_counted(len(skipped.folders), 'folder')}"
        names = _first(skipped.folders, SHOWN_FOLDERS)
        lines.append(f"skipped, written by clipmill: {inside} ({names})")
    return lines


def _counted(num: int, noun: str) -> str:
    return f"{num} {noun}" if num == 1 else f"{num} {noun}s"


def _first(names: Sequence[str], most: int) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def is_mark(uri: str) -> bool:
    """Returns True for the manifest or lease of an output, and for the plan of an export."""
    try:
        content = cast(object, json.loads(store.read_bytes(uri)))
    except TransientStoreError:
        raise
    except (StoreError, ValueError):
        return False
    keys = layout.MARKS[uri.rpartition("/")[2]]
    return isinstance(content, dict) and all(key in content for key in keys)


def own_folders(entries: Iterable[FileEntry]) -> set[str]:
    """Returns the topmost folders that clipmill wrote: each holds a file of ``layout.MARKS``."""
    by_depth: defaultdict[int, list[FileEntry]] = defaultdict(list)
    for entry in entries:
        if entry.uri.rpartition("/")[2] in layout.MARKS:
            by_depth[entry.uri.count("/")].append(entry)
    found: set[str] = set()
    with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
        for depth in sorted(by_depth):
            above = [entry for entry in by_depth[depth] if not folder_of(entry.uri, found)]
            are_marks = pool.map(is_mark, (entry.address or entry.uri for entry in above))
            pairs = zip(above, are_marks, strict=True)
            found |= {entry.uri.rpartition("/")[0] for entry, is_own in pairs if is_own}
    return found


def folder_of(uri: str, folders: Collection[str]) -> str:
    """Returns the one of ``folders`` that a file lies in; empty where there is none."""
    while folders and (uri := uri.rpartition("/")[0]):
        if uri in folders:
            return uri
    return ""
