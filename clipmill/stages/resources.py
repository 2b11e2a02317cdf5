"""What one worker of a stage needs of a machine."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Resources:
    """What one worker of a stage needs of a machine.

    ``batch_items`` is the most items that a call of the worker gets. ``grows`` lets the pool of workers take
    what other stages leave. ``max_workers`` bounds the pool.
    """

    cpus: float = 1
    gpus: float = 0
    gpu_memory_gb: float = 0
    batch_items: int = 32
    grows: bool = False
    max_workers: int | None = None

    @property
    def requires_gpu(self) -> bool:
        """True if a worker needs a GPU or a share of one."""
        return self.gpus > 0 or self.gpu_memory_gb > 0
