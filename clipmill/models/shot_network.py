"""What tells, frame by frame, whether a shot changes."""

from typing import Protocol

import numpy as np


class ShotNetwork(Protocol):
    """Looks at windows of the 48x27 stream; a window's answer depends on that window alone."""

    @property
    def revision(self) -> str:
        """Which weights: the hub's revision, or the digest of a file."""
        ...

    def predict(self, windows: np.ndarray) -> np.ndarray:
        """Probability that each frame is part of a transition, float32 ``(n, T)`` in [0, 1].

        ``windows`` is uint8 ``(n, T, 27, 48, 3)`` RGB; T is 100 where the windows of a video are read.
        """
        ...
