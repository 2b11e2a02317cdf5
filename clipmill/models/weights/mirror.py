"""Filling a store with weights, so that no worker asks the hub."""

from pathlib import Path

from clipmill import layout
from clipmill.errors import ModelUnavailable, StoreError
from clipmill.models.registry import ModelEntry
from clipmill.models.weights import fetch, inventory
from clipmill.models.weights.completeness import holds_weights
from clipmill.models.weights.inventory import Inventory, inventory_from_json
from clipmill.models.weights.places import local_folder, place_in_store
from clipmill.models.weights.resolve import weights_of
from clipmill.storage import local, store


def mirror(
    entry: ModelEntry,
    *,
    into: str,
    model_dir: str = "",
    origin: fetch.Origin = fetch.from_hub,
) -> str:
    """Copy a model's weights to ``<into>/<source>/``; the URI of that folder.

    They come from ``model_dir``, a folder or another store; where it is empty, from ``origin``. What is there
    already is not copied again, and the inventory is written last: a folder that has one is whole.
    ModelUnavailable where the weights cannot be had or the store cannot be written.
    """
    place = place_in_store(entry, into)
    try:
        if store.is_local(into) and not model_dir:
            return str(weights_of(entry, model_dir=into, origin=origin).folder)
        _copy(entry, into, model_dir, origin)
    except StoreError as error:
        raise ModelUnavailable(
            entry.name, place, error.cause, "check the store and its credentials"
        ) from error
    return place


def _copy(entry: ModelEntry, into: str, model_dir: str, origin: fetch.Origin) -> None:
    wanted, place = entry.revision, place_in_store(entry, into)
    there = _there(place)
    if there and there.revision and there.is_of(wanted):
        return
    if model_dir:
        folder = weights_of(entry, model_dir=model_dir, revision=wanted).folder
    else:
        folder = local_folder(entry, into)  # where an interrupted download left what it had
        with local.turns(str(folder / inventory.NAME)):
            origin(entry, folder, wanted, place=into)
    _put(folder, place, there)


def _there(place: str) -> Inventory | None:
    uri = layout.join(place, inventory.NAME)
    try:
        return inventory_from_json(store.read_bytes(uri)) if store.exists(uri) else None
    except ValueError:
        return None


def _put(folder: Path, place: str, there: Inventory | None) -> None:
    found = inventory_from_json((folder / inventory.NAME).read_bytes())
    sizes = {entry.uri: entry.size_bytes for entry in store.find(place)}
    known = {name: facts.sha256 for name, facts in there.files.items()} if there else {}
    # Without an inventory a store counts from its first file of weights on: they come last.
    for name, facts in sorted(found.files.items(), key=lambda item: (holds_weights([item[0]]), item[0])):
        uri = layout.join(place, name)
        same = known.get(name, facts.sha256) == facts.sha256
        if not (same and sizes.get(uri) == facts.size_bytes):
            store.put_file(uri, str(folder / name))
    store.put_bytes(layout.join(place, inventory.NAME), found.to_json())
