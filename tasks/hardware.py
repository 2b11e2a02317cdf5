"""What each kind of task asks of its machine: requests, limits, retries and timeouts in one table."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TypedDict

from flytekit import Resources


class TaskHardware(TypedDict):
    """Arguments of ``flytekit.task`` that a ``Hardware`` decides."""

    requests: Resources
    limits: Resources
    retries: int
    timeout: timedelta


@dataclass(frozen=True)
class Hardware:
    """Requests (equal to the limits: nothing is clamped or evicted), retries and timeout of a task."""

    cpu: str
    mem: str
    retries: int
    timeout: timedelta
    gpu: str | None = None

    @property
    def of_task(self) -> TaskHardware:
        """As ``flytekit.task`` takes them."""
        amounts = Resources(cpu=self.cpu, mem=self.mem, gpu=self.gpu)
        return TaskHardware(requests=amounts, limits=amounts, retries=self.retries, timeout=self.timeout)


PLAN = Hardware(cpu="2", mem="8Gi", retries=2, timeout=timedelta(hours=2))
"""Lists a source, reads and writes tables."""

INSPECT = Hardware(cpu="2", mem="4Gi", retries=3, timeout=timedelta(hours=1))
"""Looks at headers: waits for the network more than it computes."""

STREAM_DRIVER = Hardware(cpu="2", mem="8Gi", retries=3, timeout=timedelta(days=2))
"""Submits the Ray job. Flyte lays a Ray task's own request under every pod of its cluster: no GPU here."""

FIT = Hardware(cpu="8", mem="32Gi", retries=2, timeout=timedelta(hours=6))
"""k-means over a sample."""

PAIRS = Hardware(cpu="4", mem="16Gi", retries=3, timeout=timedelta(hours=4))
"""Similarities within a group of clusters, or the nearest cluster of a part of the embeddings."""

PUBLISH = Hardware(cpu="4", mem="16Gi", retries=2, timeout=timedelta(hours=4))
"""Joins the state into tables and writes the report."""


@dataclass(frozen=True)
class WorkerGroup:
    """One kind of pod of the Ray cluster, grown between ``min_replicas`` and ``max_replicas``."""

    name: str
    hardware: Hardware
    min_replicas: int
    max_replicas: int


HEAD = Hardware(cpu="2", mem="8Gi", retries=0, timeout=timedelta(days=2))
CPU_WORKERS = WorkerGroup(
    "cpu",
    Hardware(cpu="8", mem="32Gi", retries=0, timeout=timedelta(days=2)),
    min_replicas=1,
    max_replicas=32,
)
GPU_WORKERS = WorkerGroup(
    "gpu",
    Hardware(cpu="8", mem="64Gi", gpu="1", retries=0, timeout=timedelta(days=2)),
    min_replicas=0,
    max_replicas=8,
)
