"""Bringing weights to this machine, from a store or from the hub, and checking what came."""

import logging
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from clipmill import layout
from clipmill.errors import ModelUnavailable, StoreError
from clipmill.models.registry import ModelEntry
from clipmill.models.weights import hub, inventory
from clipmill.models.weights.completeness import weights_fault
from clipmill.models.weights.inventory import FileFacts, Inventory, take_inventory
from clipmill.storage import store

logger = logging.getLogger(__name__)

NO_ROOM = "make room there, or set TMPDIR to a folder on another disk"
_UNFINISHED = ".cache/clipmill-unfinished"
"""Lies beside weights from the hub until all of them are there."""


class Origin(Protocol):
    """Brings weights that are neither in a folder nor in a store: from the hub, or out of a package."""

    def __call__(self, entry: ModelEntry, folder: Path, wanted: str, *, place: str) -> Inventory:
        """Returns what it brought into ``folder``; ``place`` is where the user looked for them."""
        ...


def from_store(entry: ModelEntry, place: str, folder: Path, listed: Inventory) -> Inventory:
    """Copy what lies at ``place`` file by file; those that are here already are not copied again."""
    check_space(entry, folder, listed.size_bytes)
    logger.info("model %s: fetching %d bytes from %s", entry.name, listed.size_bytes, place)
    for name, facts in listed.files.items():
        _get(entry, layout.join(place, name), folder / name, facts)
    if fault := weights_fault(folder, listed.files):
        raise ModelUnavailable(entry.name, place, fault, "copy it there again")
    found = take_inventory(
        folder, listed.files, source=entry.source, revision=listed.revision, asked=listed.asked
    )
    keep(found, folder)
    return found


def _get(entry: ModelEntry, uri: str, path: Path, facts: FileFacts) -> None:
    if path.is_file() and inventory.file_facts(path).sha256 == facts.sha256:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        store.get_file(uri, str(path))
    except StoreError as error:
        raise ModelUnavailable(entry.name, uri, error.cause, "mirror it again") from error
    if facts.sha256 not in ("", inventory.file_facts(path).sha256):
        path.unlink()
        raise ModelUnavailable(entry.name, uri, "this is not what was mirrored", "mirror it again")


def from_hub(entry: ModelEntry, folder: Path, wanted: str, *, place: str) -> Inventory:
    """Download a revision and check it against what the hub says of it."""
    snapshot = hub.look_up(entry, wanted, place=place)
    size_bytes = sum(file.size_bytes for file in snapshot.files.values())
    check_space(entry, folder, size_bytes)
    logger.info("model %s: fetching %d bytes from %s", entry.name, size_bytes, hub.endpoint())
    marker = folder / _UNFINISHED
    marker.parent.mkdir(exist_ok=True)
    marker.touch()
    hub.download(entry, snapshot, folder)
    found = take_inventory(
        folder, snapshot.files, source=entry.source, revision=snapshot.commit, asked=wanted
    )
    for name, facts in found.files.items():
        expected = snapshot.files[name]
        if facts.size_bytes != expected.size_bytes or expected.sha256 not in (None, facts.sha256):
            (folder / name).unlink()
            raise ModelUnavailable(entry.name, str(folder), f"{name} is not what the hub lists", "try again")
    keep(found, folder)
    marker.unlink(missing_ok=True)
    return found


def is_unfinished(folder: Path) -> bool:
    """Whether a download into the folder did not end, ours or one by the hub's own tools."""
    return (folder / _UNFINISHED).exists() or any((folder / ".cache").rglob("*.incomplete"))


def check_space(entry: ModelEntry, folder: Path, size_bytes: int) -> None:
    """ModelUnavailable unless the rest of ``size_bytes`` fits beside what of it is in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    here = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    free = shutil.disk_usage(folder).free
    if size_bytes - here > free:
        cause = f"{size_bytes - here:,} bytes are needed and {free:,} are free"
        raise ModelUnavailable(entry.name, str(folder), cause, NO_ROOM)


def keep(found: Inventory, folder: Path) -> None:
    """Write what was read of the files; a folder that must not be written is read again each time."""
    with suppress(StoreError):
        store.put_bytes(str(folder / inventory.NAME), found.to_json())
