"""Jolts of a camera: steps between two pictures that show the same, moved."""

import numpy as np

from clipmill.shots.changes import THUMBNAIL_SHAPE

REACH_PX = (4, 8)
"""How far a jolt moves the picture at most, rows and columns of a thumbnail."""

MAX_LEFT = 0.2
"""Share of the change that is left once the picture is moved back; jolts leave 0.11, cuts 0.29 and more."""


def is_jolt(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether one picture is the other, moved; both as ``structure_of`` gives them, ``(H * W,)``.

    What lies in the middle of the first is looked for in the second.
    """
    rows, columns = REACH_PX
    height, width = THUMBNAIL_SHAPE[:2]
    middle = first.reshape(height, width)[rows : height - rows, columns : width - columns]
    places = np.lib.stride_tricks.sliding_window_view(second.reshape(height, width), middle.shape)
    change = _changes(middle.ravel(), places.reshape(-1, middle.size))
    return float(change.min()) <= MAX_LEFT * float(change[len(change) // 2])


def _changes(picture: np.ndarray, others: np.ndarray) -> np.ndarray:
    """1 less the correlation of a picture, ``(K,)``, with each of others, ``(n, K)``."""
    picture = picture - picture.mean()
    others = others - others.mean(axis=1, keepdims=True)
    lengths = np.sqrt(np.einsum("ij,ij->i", others, others) * (picture @ picture))
    return 1 - (others @ picture) / np.maximum(lengths, np.float32(1e-6))
