"""What the machine has for this process."""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class ClusterSize:
    """Cores and GPUs of all nodes of a cluster that do work."""

    num_cpus: float
    num_gpus: float = 0.0


def num_cores() -> int:
    """Cores that this process may run on: of a container or a cpuset, not of the whole machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def has_avx512() -> bool:
    """Whether the processor has AVX-512, as far as Linux says."""
    try:
        return " avx512f " in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
