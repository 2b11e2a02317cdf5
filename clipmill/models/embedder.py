"""What turns clips into embeddings."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np


class Embedder(Protocol):
    """Describes clips by unit vectors."""

    @property
    def algorithm(self) -> str:
        """Name of the embedding in tables and folders."""
        ...

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        ...

    def embed(self, clips: Sequence[np.ndarray]) -> np.ndarray:
        """One L2-normalised float32 row per clip, ``(n, dimension)``; clips are uint8 ``(T, H, W, 3)``."""
        ...
