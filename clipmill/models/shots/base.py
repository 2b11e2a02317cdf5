"""What every shot network has in common: what it is asked for, what it reads, and what it answers."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

Precision = Literal["float32", "bfloat16"]
AskedPrecision = Literal["auto", "float32", "bfloat16"]
NetworkBackend = Literal["auto", "torch", "openvino"]
NetworkDevice = Literal["auto", "cpu", "cuda"]


NUM_BINS = 512
"""Boxes of colours in a histogram."""


@dataclass(frozen=True)
class ShotNetworkOptions:
    """Which network looks for cuts, where it runs, and which of its answers count.

    Weights are those of ``revision`` (the pinned one when None) in ``model_dir``, a folder or a store. Frames
    whose probability is over ``threshold`` belong to a transition. ``cascade`` looks only where the content
    detector gives a frame at least ``cascade_threshold``. ``batch_windows`` windows go through the network at
    once; None leaves that to the backend.
    """

    model_dir: str
    revision: str | None
    threshold: float
    cascade: bool
    cascade_threshold: float
    backend: NetworkBackend
    precision: AskedPrecision
    device: NetworkDevice
    batch_windows: int | None


class ShotNetwork(Protocol):
    """Looks at windows of the 48x27 stream; a window's answer depends on that window alone."""

    @property
    def batch_windows(self) -> int:
        """How many windows it likes at once."""
        ...

    def predict(self, windows: np.ndarray) -> np.ndarray:
        """Probability that each frame is part of a transition, float32 ``(n, 100)`` in [0, 1].

        ``windows`` is uint8 ``(n, 100, 27, 48, 3)`` RGB.
        """
        ...


class ComputingNetwork(ShotNetwork, Protocol):
    """A shot network by one backend.

    It computes in ``precision``: ``float32`` where it was asked for more than the processor has.
    """

    precision: Precision


def colour_histograms(thumbnails: np.ndarray) -> np.ndarray:
    """Pixels in each of 8 x 8 x 8 boxes of RGB, each row of length 1: float32 ``(N, 512)``.

    ``thumbnails`` is uint8 ``(N, H, W, 3)``; red counts most, blue least in the number of a box (Souček and
    Lokoč, "TransNet V2", 2020).
    """
    eighths = (thumbnails >> 5).astype(np.int64)
    boxes = eighths[..., 0] << 6 | eighths[..., 1] << 3 | eighths[..., 2]
    cells = boxes.reshape(len(thumbnails), -1) + np.arange(len(thumbnails))[:, None] * NUM_BINS
    counts = np.bincount(cells.ravel(), minlength=len(thumbnails) * NUM_BINS)
    histograms = counts.reshape(len(thumbnails), NUM_BINS).astype(np.float32)
    return histograms / np.linalg.norm(histograms, axis=1, keepdims=True)
