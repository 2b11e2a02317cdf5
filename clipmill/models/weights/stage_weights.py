"""The weights of the models that a stage names in ``models()``: those of the table, and a user's own."""

from pathlib import Path

from clipmill.models.registry import ModelEntry, entry_of
from clipmill.models.weights.inventory import Inventory
from clipmill.models.weights.resolve import known_weights, weights_of
from clipmill.stages.base import ModelRef
from clipmill.storage import store

DEFAULT_PLACE = "models"
"""Where weights lie of a model whose stage names no place."""


def folder_of(ref: ModelRef) -> Path:
    """Returns the folder of a model's weights on this machine; weights are fetched where they are missing.

    A model that the table does not have may lie in any folder: ``place/name``, else ``place`` itself.
    ModelUnavailable as in ``weights_of``.
    """
    entry, place = entry_of(ref.name), ref.place or DEFAULT_PLACE
    own = _own_folder(entry, place) if entry.kind == "own" else None
    return own or weights_of(entry, model_dir=place, revision=ref.revision or None).folder


def known_of(ref: ModelRef) -> Inventory | None:
    """Returns what is known here of a model's weights, as ``known_weights`` does."""
    entry = entry_of(ref.name)
    place, revision = ref.place or DEFAULT_PLACE, ref.revision or entry.revision
    return known_weights(entry, model_dir=place, revision=revision)


def _own_folder(entry: ModelEntry, place: str) -> Path | None:
    """The folder with the files of a model that only its stage knows; None where there is none."""
    if not store.is_local(place):
        return None
    root = Path(store.normalise(place))
    folders = [folder for folder in (root / entry.source, root) if folder.is_dir()]
    return next((one for one in folders if any(path.is_file() for path in one.iterdir())), None)
