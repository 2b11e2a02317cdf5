"""What turns clips into embeddings."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np


class Embedder(Protocol):
    """Describes clips by unit vectors; ``algorithm`` names the embedding in tables and folders."""

    @property
    def algorithm(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    def embed(self, clips: Sequence[np.ndarray]) -> np.ndarray:
        """One L2-normalised float32 row per clip, ``(n, dimension)``; a clip is uint8 ``(T, H, W, 3)`` RGB."""
        ...
