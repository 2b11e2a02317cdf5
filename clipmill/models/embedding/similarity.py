"""Vectors that models give: made unit length, compared with those of texts. Numpy only."""

from collections.abc import Sequence

import numpy as np


def unit_rows(rows: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Float32 rows ``(n, D)`` of length 1, and the indices of those that have no direction, as zeros.

    A row has none that holds NaN or infinity, or is zero.
    """
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
        units = (rows / lengths).astype(np.float32)
    is_bad = ~np.isfinite(units).all(axis=1) | ~np.isfinite(lengths[:, 0])
    units[is_bad] = 0
    return units, np.flatnonzero(is_bad).tolist()


def best_texts(
    embeddings: np.ndarray, text_embeddings: np.ndarray, texts: Sequence[str], *, scale: float
) -> list[tuple[str, float]]:
    """For each row of ``(n, D)`` the text that fits best, and its probability among all, to 6 digits.

    ``text_embeddings`` is ``(num_texts, D)``, both of unit rows; probabilities are the softmax over ``scale``
    times the cosines.
    """
    logits = scale * embeddings.astype(np.float64) @ text_embeddings.T.astype(np.float64)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    best: list[int] = probabilities.argmax(axis=1).tolist()
    sure: list[float] = probabilities.max(axis=1).tolist()
    return [(texts[index], round(share, 6)) for index, share in zip(best, sure, strict=True)]


def spread(num_frames: int, wanted: int) -> np.ndarray:
    """Indices of ``wanted`` of ``num_frames`` frames: the middle one of each of as many equal stretches.

    They reach over the whole clip; where there are fewer frames than wanted, neighbours repeat.
    """
    return ((np.arange(wanted) + 0.5) * num_frames / wanted).astype(np.int64)
