"""Puts a snapshot in place: its parts first, the manifest that names them next, convenient names last.

A run that is killed between any two writes leaves the standing manifest and its tables as they are.
"""

from collections.abc import Callable, Mapping, Sequence

from clipmill import identity, layout
from clipmill.dataset.snapshots.parts import StagedPart
from clipmill.storage import store
from clipmill.storage.swap import Standing

Staged = Mapping[str, Sequence[StagedPart]]
"""Table -> its parts."""


def snapshot_id(staged: Staged) -> str:
    """Returns the id of a snapshot: the same rows have the same id."""
    lines = [
        f"{table} {part.name} {part.sha256} {part.num_rows}"
        for table, parts in sorted(staged.items())
        for part in parts
    ]
    return identity.bytes_digest("\n".join(lines).encode())[:16]


def part_path(snapshot: str, table: str, part: StagedPart) -> str:
    """Returns the place of a part, relative to the output."""
    return layout.join(layout.snapshot_dir("", snapshot), table, part.name).lstrip("/")


def write_snapshot(
    output: str,
    snapshot: str,
    staged: Staged,
    manifest: bytes,
    *,
    standing: Standing,
    hold: Callable[[], None],
) -> None:
    """Publishes staged parts and the manifest that names them; what is there already stays untouched.

    ``standing`` is the manifest that this one replaces, as it was before anything was read; ``hold`` is
    asked before each file that readers go by. WriteConflict when another run published meanwhile.
    """
    sizes = _sizes(layout.snapshot_dir(output, snapshot))
    for table, parts in staged.items():
        for part in parts:
            _put(layout.join(output, part_path(snapshot, table, part)), part, sizes)
    store.put_if_changed(layout.snapshot_manifest_path(output, snapshot), manifest)
    hold()
    for table, parts in staged.items():
        if len(parts) > 1:
            store.delete(layout.table_path(output, table))
    standing.swap(manifest)
    for table, parts in staged.items():
        hold()
        _name_conveniently(output, table, parts)


def _name_conveniently(output: str, table: str, parts: Sequence[StagedPart]) -> None:
    """``tables/<table>.parquet`` is a copy of a single part; several are copied into ``tables/<table>``."""
    folder, uri = layout.table_parts_dir(output, table), layout.table_path(output, table)
    sizes = _sizes(folder)
    wanted = {layout.join(folder, part.name): part for part in parts} if len(parts) > 1 else {}
    for place, part in wanted.items():
        _put(place, part, sizes)
    if not wanted:
        store.put_file_if_changed(uri, parts[0].local_path)
    for place in sizes.keys() - wanted.keys():
        store.delete(place)


def _put(uri: str, part: StagedPart, sizes: Mapping[str, int]) -> None:
    """Names hold the digest: a file of that name and size is the part."""
    if sizes.get(uri) != part.num_bytes:
        store.put_file(uri, part.local_path)


def _sizes(folder: str) -> dict[str, int]:
    """URI -> size of the files in a folder; a file whose name only begins like it is none of them."""
    return {entry.uri: entry.size_bytes for entry in store.find(folder) if entry.uri.startswith(f"{folder}/")}
