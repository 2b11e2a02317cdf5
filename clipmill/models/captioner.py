"""What turns windows of frames into text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np


@dataclass(frozen=True)
class Caption:
    """The text of one window, empty unless ``status`` is ``success``; ``skipped``: nobody was asked."""

    text: str
    status: Literal["success", "skipped"]


class Captioner(Protocol):
    """Describes windows of frames."""

    def caption(self, windows: Sequence[np.ndarray]) -> list[Caption]:
        """One caption per window; each window is uint8 ``(T, H, W, 3)`` RGB."""
        ...


class NoCaptions:
    """The default without a model: every window is there, and says that it was not captioned."""

    def caption(self, windows: Sequence[np.ndarray]) -> list[Caption]:
        """``skipped`` for each window."""
        return [Caption("", "skipped") for _ in windows]
