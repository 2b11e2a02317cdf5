"""What an embedder is built from: a network that reads prepared clips, and mostly one that reads texts."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

Prepared = tuple[np.ndarray, ...]
"""What a network reads of one clip; arrays of the same shapes for every clip."""


class Tower(Protocol):
    """A network with weights. Rows need not be of unit length."""

    @property
    def dimension(self) -> int:
        """Length of a row."""
        ...

    @property
    def num_frames(self) -> int:
        """Frames of a clip that it was made for."""
        ...

    @property
    def scale(self) -> float:
        """What cosines are multiplied by before the softmax over texts."""
        ...

    def prepare(self, frames: np.ndarray) -> Prepared:
        """Of one clip's frames, uint8 ``(num_frames, H, W, 3)`` RGB."""
        ...

    def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
        """Float32 ``(n, dimension)``."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Float32 ``(n, dimension)``."""
        ...
