"""Whether files of weights without an inventory can be whole."""

import json
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import cast
from zipfile import is_zipfile

_WEIGHTS = ("*.safetensors", "*.pth", "*.pt", "*.onnx")
_INDEX = ".safetensors.index.json"
_PICKLE = b"\x80"


def matching(names: Iterable[str], patterns: Iterable[str]) -> list[str]:
    """The names that match one of ``patterns``, sorted; a star also matches slashes, as on the hub."""
    wanted = tuple(patterns)
    return sorted(name for name in names if any(fnmatch(name, pattern) for pattern in wanted))


def holds_weights(names: Iterable[str]) -> bool:
    """Whether any of the names is one of a file of weights."""
    return bool(matching(names, _WEIGHTS))


def weights_fault(folder: Path, names: Iterable[str]) -> str | None:
    """What is wrong with the weights among ``names`` of a folder; None when nothing shows."""
    found = list(names)
    if not holds_weights(found):
        return "there are no weights"
    for name in found:
        fault = None
        if name.endswith(_INDEX):
            fault = _missing_shard(folder / name, set(found))
        elif name.endswith(".safetensors"):
            fault = _cut_short(folder / name)
        elif name.endswith((".pth", ".pt")):
            fault = _no_checkpoint(folder / name)
        if fault:
            return fault
    return None


def _missing_shard(index: Path, found: set[str]) -> str | None:
    try:
        shards = cast(dict[str, str], json.loads(index.read_bytes())["weight_map"])
    except (ValueError, KeyError, TypeError):
        return f"{index.name} cannot be read"
    missing = sorted(set(shards.values()) - {Path(name).name for name in found})
    return f"{missing[0]} is missing" if missing else None


def _no_checkpoint(path: Path) -> str | None:
    """PyTorch writes a zip, whose list of members stands at its end; older versions wrote pickles."""
    with path.open("rb") as file:
        start = file.read(2)
    if start == b"PK" and not is_zipfile(path):
        return f"{path.name} is cut short"
    return None if start[:1] in (b"P", _PICKLE) else f"{path.name} is no file of PyTorch"


def _cut_short(path: Path) -> str | None:
    """A safetensors file is eight bytes, a header of that length, and the tensors it lists."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = 8 + int.from_bytes(file.read(8), "little")
        if not 8 < start <= size:
            return f"{path.name} is cut short or no safetensors file"
        try:
            header = cast(dict[str, dict[str, list[int]]], json.loads(file.read(start - 8)))
        except ValueError:
            return f"{path.name} is no safetensors file"
    tensors = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    expected = start + max(tensors, default=0)
    return None if size == expected else f"{path.name} has {size:,} of {expected:,} bytes"
