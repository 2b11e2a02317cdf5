"""What the machine has for this process."""

import os


def num_cores() -> int:
    """Cores that this process may run on: of a container or a cpuset, not of the whole machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
