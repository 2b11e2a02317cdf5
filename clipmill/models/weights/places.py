"""The folders that weights of a model may lie in, and the files that they need."""

import hashlib
import os
import stat
import tempfile
from itertools import islice
from pathlib import Path

from clipmill import layout
from clipmill.models.registry import ModelEntry
from clipmill.models.weights.completeness import holds_weights, matching
from clipmill.storage import store

MAX_LOOKED_AT = 2000
"""Files and folders below a place that are looked at for weights that lie elsewhere."""


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
    if not store.is_local(model_dir):
        return f"looked in {', '.join(places_in_store(entry, model_dir))} for {_files(entry)}"
    root = Path(store.normalise(model_dir))
    if root.is_file():
        return f"{root} is a file: name its folder"
    folders = [str(folder) for folder in _folders(entry, root)]
    return f"looked in {', '.join(folders)} for {_files(entry)}{_elsewhere(entry, root)}"


def _elsewhere(entry: ModelEntry, root: Path) -> str:
    """Where below a folder a file lies that was meant, it seems; empty where none does."""
    files = [path for path in islice(root.rglob("*"), MAX_LOOKED_AT) if path.is_file()]
    if named := [path for path in files if holds_weights(matching([path.name], entry.files))]:
        return f"; {named[0].name} lies in {named[0].parent}: name that folder"
    other = [path for path in files if holds_weights([path.name])]
    return f"; there is {other[0]}, under another name" if other else ""


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


def node_cache() -> Path:
    """A folder of this user's own below the one that ``TMPDIR`` names; who can write there can run code.

    PermissionError where another user made it, or may write to it.
    """
    folder = Path(tempfile.gettempdir()) / f"clipmill-models-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise PermissionError(f"{folder} is not this user's alone: remove it, or set TMPDIR")
    return folder
