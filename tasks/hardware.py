"""What tasks ask of their machines: one table for machines, by environment, and one for tasks."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TypedDict

from flytekit import Resources

GPU_RESOURCE = "nvidia.com/gpu"


@dataclass(frozen=True)
class Machine:
    """What a container asks for, as Kubernetes spells it; the limit is the request: nothing is evicted."""

    cpu: str
    mem: str
    gpu: str | None = None

    @property
    def of_task(self) -> Resources:
        """As a Flyte task takes it."""
        return Resources(cpu=self.cpu, mem=self.mem, gpu=self.gpu)

    @property
    def of_pod(self) -> dict[str, str]:
        """As a container of a pod template takes it."""
        amounts = {"cpu": self.cpu, "memory": self.mem}
        return amounts | {GPU_RESOURCE: self.gpu} if self.gpu else amounts


# One per environment, under the names of the extras of pyproject.toml and of the images.
CPU = Machine(cpu="8", mem="32Gi")
NVDEC = Machine(cpu="8", mem="32Gi", gpu="1")
MODELS = Machine(cpu="8", mem="64Gi", gpu="1")
LEGACY = Machine(cpu="8", mem="64Gi", gpu="1")
VLLM = Machine(cpu="12", mem="96Gi", gpu="1")
CUML = Machine(cpu="8", mem="64Gi", gpu="1")
MACHINES = {"cpu": CPU, "nvdec": NVDEC, "models": MODELS, "legacy": LEGACY, "vllm": VLLM, "cuml": CUML}

ENVIRONMENT = {
    # Work is spread over processes and threads of our own: pools beneath them would fight for the same
    # cores, and a product summed by another number of threads has other last bits.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # Ray's pods get no token: the Flyte plugin has no field for one. Who may reach them is for the
    # cluster's network policy to say.
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""Environment of every task; Flyte gives a Ray task's to all pods of its cluster."""


class TaskHardware(TypedDict):
    """Arguments of ``flytekit.task`` that a ``Hardware`` decides."""

    requests: Resources
    limits: Resources
    retries: int
    timeout: timedelta
    environment: dict[str, str]


@dataclass(frozen=True)
class Hardware:
    """A task's machine, how often it may be tried again, and how long one attempt may take."""

    machine: Machine
    retries: int
    timeout: timedelta

    @property
    def of_task(self) -> TaskHardware:
        """As ``flytekit.task`` takes them."""
        amounts = self.machine.of_task
        return TaskHardware(
            requests=amounts,
            limits=amounts,
            retries=self.retries,
            timeout=self.timeout,
            environment=dict(ENVIRONMENT),
        )


PLAN = Hardware(Machine(cpu="2", mem="8Gi"), retries=2, timeout=timedelta(hours=2))
"""Lists a source, reads and writes tables."""

INSPECT = Hardware(Machine(cpu="2", mem="4Gi"), retries=3, timeout=timedelta(hours=1))
"""Looks at headers: waits for the network more than it computes."""

STREAM = Hardware(Machine(cpu="1", mem="2Gi"), retries=3, timeout=timedelta(days=2))
"""Submits the Ray job. Flyte lays a Ray task's own request under every pod of its cluster: no GPU here."""

FIT = Hardware(Machine(cpu="8", mem="32Gi"), retries=2, timeout=timedelta(hours=6))
"""k-means over a sample."""

PAIRS = Hardware(Machine(cpu="4", mem="16Gi"), retries=3, timeout=timedelta(hours=4))
"""Similarities within a group of clusters, or the nearest cluster of a part of the embeddings."""

PUBLISH = Hardware(Machine(cpu="4", mem="16Gi"), retries=2, timeout=timedelta(hours=4))
"""Joins the state into tables and writes the report."""

FETCH = Hardware(Machine(cpu="4", mem="16Gi"), retries=3, timeout=timedelta(hours=6))
"""Copies weights from the hub to a store: an attempt skips the models that an earlier one finished."""

SEARCH = Hardware(Machine(cpu="2", mem="16Gi"), retries=2, timeout=timedelta(hours=1))
"""Embeds one text and reads embeddings file by file."""


@dataclass(frozen=True)
class WorkerGroup:
    """One kind of pod of the Ray cluster, grown between ``min_replicas`` and ``max_replicas``."""

    name: str
    machine: Machine
    min_replicas: int
    max_replicas: int


HEAD = Machine(cpu="2", mem="8Gi")
"""Ray's own services and the driver, which holds rows on their way to the state."""

CPU_WORKERS = WorkerGroup("cpu", CPU, min_replicas=1, max_replicas=32)
GPU_WORKERS = {
    # None runs, and none is paid for, until a stage asks Ray for a GPU.
    "cpu": WorkerGroup("gpu", NVDEC, min_replicas=0, max_replicas=8),
    # One from the start: how many GPUs there are is what the pools of models are laid out by.
    "nvdec": WorkerGroup("gpu", NVDEC, min_replicas=1, max_replicas=8),
    "models": WorkerGroup("gpu", MODELS, min_replicas=1, max_replicas=8),
    "legacy": WorkerGroup("gpu", LEGACY, min_replicas=1, max_replicas=8),
    "vllm": WorkerGroup("gpu", VLLM, min_replicas=1, max_replicas=8),
}
"""By the environment that the stages of a run need."""
