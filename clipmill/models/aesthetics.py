"""What scores frames by how they look to people."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np


class AestheticScorer(Protocol):
    """Scores frames, about 1 (ugly) to 10 (beautiful)."""

    def score(self, clips: Sequence[np.ndarray]) -> list[np.ndarray]:
        """For each clip, uint8 ``(T, H, W, 3)`` RGB, its frames' scores, float32 ``(T,)``."""
        ...
