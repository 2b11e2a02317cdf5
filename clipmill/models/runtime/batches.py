"""Batches that shrink when memory runs out."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")


class Batches:
    """Runs a function over batches of at most ``size`` items; one that does not fit is halved for good."""

    def __init__(self, size: int) -> None:
        self.size = size

    def run(self, items: Sequence[Item], call: Callable[[Sequence[Item]], np.ndarray]) -> np.ndarray:
        """The rows of all items, in order. What ``call`` raises for a single item is raised."""
        rows: list[np.ndarray] = []
        start = 0
        while start < len(items):
            batch = items[start : start + self.size]
            try:
                rows.append(call(batch))
            except (MemoryError, RuntimeError) as error:
                if len(batch) == 1 or not is_out_of_memory(error):
                    raise
                self.size = max(1, len(batch) // 2)
                continue
            start += len(batch)
        return np.concatenate(rows)


def is_out_of_memory(error: Exception) -> bool:
    """Whether torch, or Python, says by this error that memory ran out."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(
        sign in said for sign in ("out of memory", "can't allocate memory", "not enough memory")
    )
