"""The most similar of a set of directions for each row."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clipmill.dedup.backend_name import DedupBackend
from clipmill.dedup.backends.select import nearest_few_by
from clipmill.dedup.vectors import Indices, Unit

BLOCK_ROWS = 16384
"""Never taken from the machine, because the bits of a matrix product depend on its shape."""


@dataclass(frozen=True)
class Search:
    """Who looks for the nearest direction, and how many rows share a product."""

    backend: DedupBackend = "faiss"
    block_rows: int = BLOCK_ROWS


DEFAULT_SEARCH = Search()


def nearest(
    unit: Unit, directions: Unit, *, search: Search = DEFAULT_SEARCH
) -> tuple[Indices, npt.NDArray[np.float32]]:
    """Index ``(N,)`` into ``directions`` ``(K, D)`` and cosine similarity ``(N,)`` of each row's nearest."""
    labels, scores = nearest_few(unit, directions, count=1, search=search)
    return labels[:, 0], scores[:, 0]


def nearest_few(
    unit: Unit, directions: Unit, *, count: int, search: Search = DEFAULT_SEARCH
) -> tuple[Indices, npt.NDArray[np.float32]]:
    """Indices and cosine similarities, both ``(N, count)``, of each row's nearest directions, best first.

    Rows and directions have unit length.
    """
    look_up = nearest_few_by(search.backend)
    return look_up(unit, directions, count=count, block_rows=search.block_rows)
