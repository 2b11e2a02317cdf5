"""A worker's context for tests of stages without an engine."""

import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, cast

T = TypeVar("T")

_folders = tempfile.TemporaryDirectory(prefix="clipmill-test-")
"""Deleted as the process ends."""


@dataclass
class PlainContext:
    """Lends a CPU; files that a stage puts stay in ``files``, by artefact and item."""

    device: str = "cpu"
    gpu_share: float = 0.0
    num_threads: int = 1
    scratch_dir: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(dir=_folders.name)))
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("clipmill.tests"))
    model_dirs: dict[str, Path] = field(default_factory=dict[str, Path])
    files: dict[tuple[str, str], bytes] = field(default_factory=dict[tuple[str, str], bytes])
    _shared: dict[str, object] = field(default_factory=dict[str, object])

    def weights(self, name: str) -> Path:
        """Returns the folder that the test named."""
        return self.model_dirs[name]

    def shared(self, key: str, make: Callable[[], T]) -> T:
        """Returns one object for each key."""
        if key not in self._shared:
            self._shared[key] = make()
        return cast(T, self._shared[key])

    def put(self, artifact: str, item_id: str, data: bytes | Path, **place: str | int) -> str:
        """Keeps the bytes; several files of an item are told apart by ``place``."""
        name = "/".join([item_id, *map(str, place.values())])
        self.files[artifact, name] = data if isinstance(data, bytes) else data.read_bytes()
        return f"{artifact}/{name}"
