"""Where a model runs, with how many threads and numbers of which width."""

# pyright: reportMissingImports=false

import importlib.util
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

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
