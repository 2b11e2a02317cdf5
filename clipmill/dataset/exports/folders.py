"""Folders that hold exactly what the snapshot says: new files come, changed ones are replaced, others go."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from clipmill import layout
from clipmill.storage import store

_WRITES_AT_ONCE = 16


def fill_folder(
    folder_uri: str, files: Iterable[tuple[str, bytes]], *, suffix: str, at_once: int = 64
) -> None:
    """Make ``files`` (name below the folder, content) the folder's files of that ``suffix``.

    What is there already stays untouched. A file that is no longer part of the snapshot is deleted, after the
    new ones are written; only documented exports, which the tables can make again at any time, live there.
    ``at_once`` contents are in memory at a time.
    """
    wanted: set[str] = set()
    waiting = iter(files)
    with ThreadPoolExecutor(_WRITES_AT_ONCE) as pool:
        while batch := [(layout.join(folder_uri, name), data) for name, data in islice(waiting, at_once)]:
            list(pool.map(lambda pair: store.put_if_changed(*pair), batch))
            wanted.update(uri for uri, _ in batch)
        stale = [entry.uri for entry in store.find(folder_uri, (suffix,)) if entry.uri not in wanted]
        list(pool.map(store.delete, stale))
