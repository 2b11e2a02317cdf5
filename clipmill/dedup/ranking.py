"""Which of several alike rows stays: orders of rows, best first. No order depends on how the rows arrive."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clipmill.dedup.vectors import Floats, Indices, round_scores


def rank_hard(ids: Sequence[str], distance: Floats) -> Indices:
    """Order that keeps outliers: far from the centroid first, of equals the larger id. Distances ``(N,)``."""
    return rank_easy(ids, distance)[::-1]


def rank_easy(ids: Sequence[str], distance: Floats) -> Indices:
    """Order that keeps the typical: near the centroid first, of equals the smaller id. Distances ``(N,)``."""
    _check_length(ids, distance)
    return np.lexsort((np.asarray(ids, dtype=np.str_), round_scores(distance)))


def rank_random(ids: Sequence[str], *, seed: int) -> Indices:
    """Order by a hash of seed and id, so that a row's place does not change when others come or go."""
    keys = [hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=16).digest() for name in ids]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.intp)


def rank_columns(ids: Sequence[str], columns: Sequence[Floats], *, ascending: Sequence[bool]) -> Indices:
    """Order by ``columns``, the first most, each upwards where ``ascending`` says so; then by id.

    A missing value (NaN) comes after every other, in both directions.
    """
    if not columns or len(columns) != len(ascending):
        raise ValueError(f"need one direction for each column, got {len(columns)} and {len(ascending)}")
    for column in columns:
        _check_length(ids, column)
    keys = [_sort_key(column, upwards) for column, upwards in zip(columns, ascending, strict=True)]
    return np.lexsort((np.asarray(ids, dtype=np.str_), *reversed(keys)))


def _sort_key(column: Floats, ascending: bool) -> npt.NDArray[np.int64]:
    """Places of the values among the distinct ones, counted from the better end."""
    distinct, place = np.unique(column, return_inverse=True)
    key = place if ascending else -place
    return np.where(np.isnan(column), len(distinct), key)


def _check_length(ids: Sequence[str], values: Floats) -> None:
    if values.shape != (len(ids),):
        raise ValueError(f"need one value for each of {len(ids)} ids, got {values.shape = }")
