"""The folders that weights of a model may lie in, and the files that they need."""

import hashlib
from pathlib import Path

from clipmill import layout
from clipmill.models.registry import ModelEntry
from clipmill.models.weights.cache import node_cache
from clipmill.models.weights.completeness import holds_weights, matching
from clipmill.storage import store


def local_folder(entry: ModelEntry, model_dir: str) -> Path:
    """Where weights lie, or will lie, on this machine."""
    if not store.is_local(model_dir):
        name = hashlib.sha256(store.normalise(model_dir).encode()).hexdigest()[:16]
        return node_cache() / name / entry.source
    own, *others = _folders(entry, Path(store.normalise(model_dir)))
    return next((folder for folder in (own, *others) if _holds(folder, entry)), own)


def place_in_store(entry: ModelEntry, model_dir: str) -> str:
    """Where weights are put in a remote store."""
    return places_in_store(entry, model_dir)[0]


def places_in_store(entry: ModelEntry, model_dir: str) -> list[str]:
    """Where weights may lie in a remote store."""
    return [layout.join(store.normalise(model_dir), name) for name in _names(entry)]


def searched(entry: ModelEntry, model_dir: str) -> str:
    """Says in which folders weights were looked for, and which files they need there."""
    if store.is_local(model_dir):
        folders = [str(folder) for folder in _folders(entry, Path(store.normalise(model_dir)))]
    else:
        folders = places_in_store(entry, model_dir)
    return f"looked in {', '.join(folders)} for {_files(entry)}"


def _folders(entry: ModelEntry, root: Path) -> list[Path]:
    return [*(root / name for name in _names(entry)), root]


def _names(entry: ModelEntry) -> list[str]:
    """Its id on the hub, and its own name; a model that only a stage knows has one name."""
    return [entry.source] if entry.kind == "own" else [entry.source, entry.name]


def _files(entry: ModelEntry) -> str:
    weights = [name for name in entry.files if holds_weights([name])] or ["a file of weights"]
    return " or ".join(weights) + (" and config.json" if entry.model_types else "")


def _holds(folder: Path, entry: ModelEntry) -> bool:
    names = (path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else ()
    return holds_weights(matching(names, entry.files))
