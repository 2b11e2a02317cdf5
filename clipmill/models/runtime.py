"""Where a model runs, with how many threads, and in batches that shrink when memory runs out."""

# pyright: reportMissingImports=false

import importlib.util
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

Device = Literal["auto", "cpu", "cuda"]
"""Where a model runs; ``auto`` takes the GPU where there is one."""


def torch_device(device: str) -> "torch.device":
    """The device a model is put on; ``auto`` is the GPU where there is one."""
    import torch

    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device)


def use_threads(num_threads: int) -> None:
    """Let torch compute with so many threads of this process: those of the cores it was given."""
    import torch

    torch.set_num_threads(num_threads)


def num_gpus_here() -> int:
    """GPUs of this machine that torch can use; none where there is no torch."""
    if importlib.util.find_spec("torch") is None:
        return 0
    import torch

    return torch.cuda.device_count()


Items = TypeVar("Items", Sequence[Any], np.ndarray)


class Batches:
    """Runs a function over batches of at most ``size`` items; one that does not fit is halved for good."""

    def __init__(self, size: int) -> None:
        self.size = size

    def run(self, items: Items, call: Callable[[Items], np.ndarray]) -> np.ndarray:
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
                self.size = len(batch) // 2
                logger.warning("out of memory: %d items at once from now on", self.size)
                continue
            start += len(batch)
        return np.concatenate(rows)


def is_out_of_memory(error: Exception) -> bool:
    """Whether torch, or Python, says by this error that memory ran out."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(
        sign in said for sign in ("out of memory", "can't allocate memory", "not enough memory")
    )
