"""Finding the weights of a model: in a folder, in a store, or on the hub, in this order.

Weights lie in ``<model_dir>/<source>/`` or ``<model_dir>/<name>/``; a ``model_dir`` that itself holds some is
taken as it is. What lies in a store or on the hub is brought to this machine once: one process fetches, the
others wait. ``TMPDIR`` says where to, unless ``model_dir`` is a folder of this machine.
"""

import errno
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from clipmill import layout
from clipmill.errors import ModelUnavailable, StoreError, one_line
from clipmill.models.registry import ModelEntry
from clipmill.models.weights import fetch, hub, inventory
from clipmill.models.weights.completeness import holds_weights, matching, weights_fault
from clipmill.models.weights.inventory import (
    FileFacts,
    Inventory,
    fault_of,
    inventory_from_json,
    take_inventory,
)
from clipmill.models.weights.places import local_folder, places_in_store
from clipmill.storage import local, store


@dataclass(frozen=True)
class Weights:
    """Weights on this machine: their folder, the revision they are of, a digest over all their files.

    ``revision`` is empty for files whose origin is unknown.
    """

    folder: Path
    revision: str
    digest: str


def weights_of(
    entry: ModelEntry,
    *,
    model_dir: str,
    revision: str | None = None,
    origin: fetch.Origin = fetch.from_hub,
) -> Weights:
    """The weights of ``entry`` on this machine, fetched from ``origin`` where they are not there yet.

    ModelUnavailable where they cannot be had, or are not what they should be.
    """
    wanted = revision or entry.revision
    folder = local_folder(entry, model_dir)
    found = _on_this_machine(entry, model_dir, wanted) or _fetched(entry, model_dir, folder, wanted, origin)
    check_architecture(entry, str(folder), config_bytes=_config(folder))
    return Weights(folder, found.revision, found.digest)


def check_weights(entries: Iterable[ModelEntry], *, model_dir: str, revision: str | None = None) -> None:
    """ModelUnavailable unless ``weights_of`` could find each; nothing is fetched."""
    for entry in entries:
        wanted = revision or entry.revision
        folder = local_folder(entry, model_dir)
        if _on_this_machine(entry, model_dir, wanted):
            check_architecture(entry, str(folder), config_bytes=_config(folder))
        elif _in_store(entry, model_dir, wanted) is None:
            hub.look_up(entry, wanted, place=model_dir)


def known_weights(entry: ModelEntry, *, model_dir: str, revision: str) -> Inventory | None:
    """What lies on this machine or in the store; None where it is on the hub, or is not what it should be."""
    try:
        here = _on_this_machine(entry, model_dir, revision)
        there = None if here else _in_store(entry, model_dir, revision)
        return there.inventory if there else here
    except (ModelUnavailable, StoreError):
        return None


def check_architecture(entry: ModelEntry, place: str, *, config_bytes: bytes | None) -> None:
    """ModelUnavailable unless ``config.json`` is that of a model which the entry's backend runs."""
    if not entry.model_types:
        return
    try:
        record = json.loads(config_bytes or b"null")
    except ValueError:
        record = None
    found = cast(dict[str, object], record).get("model_type") if isinstance(record, dict) else None
    if found not in entry.model_types:
        what = f"config.json is of {found!r}" if found else "there is no config.json that names a model"
        wanted = " or ".join(entry.model_types)
        raise ModelUnavailable(entry.name, place, what, f"it needs weights of {wanted}")


def _on_this_machine(entry: ModelEntry, model_dir: str, wanted: str) -> Inventory | None:
    """What lies in the folder, checked; None when there is nothing, or a fetch that did not end."""
    folder = local_folder(entry, model_dir)
    listed = folder / inventory.NAME
    if listed.is_file():
        found = _inventory(entry, str(folder), listed.read_bytes())
        if found.revision or not fault_of(folder, found):
            return _checked(entry, folder, found, wanted)
    names = _names_in(folder, entry)
    was_interrupted = not store.is_local(model_dir) or fetch.is_unfinished(folder)
    return None if was_interrupted or not names else _brought_by_hand(entry, folder, names, wanted)


def _brought_by_hand(entry: ModelEntry, folder: Path, names: list[str], wanted: str) -> Inventory:
    fault = weights_fault(folder, names)
    if fault:
        raise ModelUnavailable(
            entry.name, str(folder), fault, "copy it again, or empty the folder to fetch it"
        )
    found = take_inventory(folder, names, source=entry.source, revision="", asked=wanted)
    fetch.keep(found, folder)
    return found


def _config(folder: Path) -> bytes | None:
    path = folder / "config.json"
    return path.read_bytes() if path.is_file() else None


def _names_in(folder: Path, entry: ModelEntry) -> list[str]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    names = (path.relative_to(folder).as_posix() for path in paths)
    return [name for name in matching(names, entry.files) if name != inventory.NAME and name[0] != "."]


def _checked(entry: ModelEntry, folder: Path, found: Inventory, wanted: str) -> Inventory:
    fault = fault_of(folder, found)
    if fault:
        raise ModelUnavailable(entry.name, str(folder), fault, "empty the folder to fetch it again")
    _check_revision(entry, str(folder), found, wanted)
    return found


def _check_revision(entry: ModelEntry, place: str, found: Inventory, wanted: str) -> None:
    if found.revision and not found.is_of(wanted):
        raise ModelUnavailable(
            entry.name, place, f"this is revision {found.revision}, not {wanted}",
            f"say revision {_short(found.revision)}, or fetch the other into another folder",
        )  # fmt: skip


def _short(revision: str) -> str:
    """The start of a commit; the name of a package as it is."""
    return revision if "==" in revision else revision[:7]


def _inventory(entry: ModelEntry, place: str, data: bytes) -> Inventory:
    try:
        return inventory_from_json(data)
    except ValueError as error:
        raise ModelUnavailable(
            entry.name, place, f"{inventory.NAME} cannot be read ({one_line(error)})", "delete it"
        ) from error


def _fetched(entry: ModelEntry, model_dir: str, folder: Path, wanted: str, origin: fetch.Origin) -> Inventory:
    """Bring the weights here from the store, else from ``origin``, unless another process just did."""
    try:
        with local.turns(str(folder / inventory.NAME)):
            if here := _on_this_machine(entry, model_dir, wanted):
                return here
            there = _in_store(entry, model_dir, wanted)
            if there is None:
                return origin(entry, folder, wanted, place=model_dir)
            return fetch.from_store(entry, there.place, folder, there.inventory)
    except OSError as error:
        raise _unwritable(entry, folder, error) from error


def _unwritable(entry: ModelEntry, folder: Path, error: OSError) -> ModelUnavailable:
    if error.errno == errno.ENOSPC:
        return ModelUnavailable(entry.name, str(folder), "no space is left", fetch.NO_ROOM)
    cause = f"it cannot be written ({error.strerror or error})"
    return ModelUnavailable(entry.name, str(folder), cause, "name a folder that can be written")


@dataclass(frozen=True)
class _Stored:
    """Weights in a remote store."""

    place: str
    inventory: Inventory


def _in_store(entry: ModelEntry, model_dir: str, wanted: str) -> _Stored | None:
    """What a remote store holds; None when that is nothing, or when ``model_dir`` is no remote one."""
    if store.is_local(model_dir):
        return None
    for place in places_in_store(entry, model_dir):
        if found := _listed(entry, place, wanted):
            return _Stored(place, found)
    return None


def _listed(entry: ModelEntry, place: str, wanted: str) -> Inventory | None:
    uri = layout.join(place, inventory.NAME)
    try:
        if not store.exists(uri):
            return _unlisted(entry, place, wanted)
        found = _inventory(entry, place, store.read_bytes(uri))
    except StoreError as error:
        raise ModelUnavailable(
            entry.name, place, error.cause, "check the store and its credentials"
        ) from error
    _check_revision(entry, place, found, wanted)
    return found


def _unlisted(entry: ModelEntry, place: str, wanted: str) -> Inventory | None:
    """Weights that were copied to a store without an inventory."""
    sizes = {one.uri.removeprefix(f"{place}/"): one.size_bytes for one in store.find(place)}
    names = matching(sizes, entry.files)
    files = {name: FileFacts(sizes[name], sha256="") for name in names}
    return Inventory(entry.source, "", wanted, files) if holds_weights(names) else None
