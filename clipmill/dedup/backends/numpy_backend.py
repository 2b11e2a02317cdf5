"""The nearest directions by bare matrix products: no library but numpy."""

import numpy as np
import numpy.typing as npt

from clipmill.dedup.vectors import Indices, Unit


def nearest_few(
    unit: Unit, directions: Unit, *, count: int, block_rows: int
) -> tuple[Indices, npt.NDArray[np.float32]]:
    """As ``select.NearestFew``; a block's products with all directions are in memory at once."""
    labels = np.empty((len(unit), count), dtype=np.intp)
    scores = np.empty((len(unit), count), dtype=np.float32)
    for start in range(0, len(unit), block_rows):
        rows = slice(start, start + block_rows)
        labels[rows], scores[rows] = _best(unit[rows] @ directions.T, count)
    return labels, scores


def _best(products: npt.NDArray[np.float32], count: int) -> tuple[Indices, npt.NDArray[np.float32]]:
    best = np.empty((len(products), count), dtype=np.intp)
    scores = np.empty((len(products), count), dtype=np.float32)
    every = np.arange(len(products))
    for place in range(count):
        best[:, place] = products.argmax(axis=1)
        scores[:, place] = products[every, best[:, place]]
        products[every, best[:, place]] = -np.inf
    return best, scores
