"""What one worker of a stage needs of a machine."""

import math
from dataclasses import InitVar, dataclass


@dataclass(frozen=True)
class Resources:
    """What one worker of a stage needs of a machine.

    ``batch_items`` is the most items that a call of the worker gets. ``grows`` lets the pool of workers take
    what other stages leave. ``max_workers`` bounds the pool. ``nvdecs``, ``nvencs`` and ``entire_gpu`` are
    NeMo Curator's: each stands for a whole GPU where ``gpus`` and ``gpu_memory_gb`` ask for none.
    """

    cpus: float = 1
    gpus: float = 0
    gpu_memory_gb: float = 0
    batch_items: int = 32
    grows: bool = False
    max_workers: int | None = None
    nvdecs: InitVar[int] = 0
    nvencs: InitVar[int] = 0
    entire_gpu: InitVar[bool] = False

    def __post_init__(self, nvdecs: int, nvencs: int, entire_gpu: bool) -> None:
        if (nvdecs or nvencs or entire_gpu) and not self.requires_gpu:
            object.__setattr__(self, "gpus", 1.0)
        if min(self.cpus, self.gpus, self.gpu_memory_gb) < 0 or not math.isfinite(self.cpus + self.gpus):
            raise ValueError(f"Resources needs cpus, gpus and gpu_memory_gb of 0 or more, got {self}")
        if self.batch_items < 1 or (self.max_workers is not None and self.max_workers < 1):
            raise ValueError(f"Resources needs batch_items and max_workers of 1 or more, got {self}")

    @property
    def requires_gpu(self) -> bool:
        """True if a worker needs a GPU or a share of one."""
        return self.gpus > 0 or self.gpu_memory_gb > 0
