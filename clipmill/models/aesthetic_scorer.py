"""What scores frames by how they look to people."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

ENCODER, HEAD = "clip", "laion-aesthetic"
"""Names in the model table."""


@dataclass(frozen=True)
class ScorerOptions:
    """How a scorer computes: on which device, at most ``batch_size`` frames at once.

    On a CPU it computes with ``num_threads``.
    """

    device: str
    batch_size: int
    num_threads: int = 1


class AestheticScorer(Protocol):
    """Scores frames, about 1 (ugly) to 10 (beautiful)."""

    def score(self, clips: Sequence[np.ndarray]) -> list[np.ndarray]:
        """For each clip, uint8 ``(T, H, W, 3)`` RGB, its frames' scores, float32 ``(T,)``."""
        ...
