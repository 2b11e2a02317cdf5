"""What tasks ask of their machines, and the engines: rows of the deployment's profile, as tasks take them."""

from datetime import timedelta
from enum import Enum
from typing import TypedDict

from flytekit import Resources, Secret
from flytekit.extras.accelerators import GPUAccelerator

from clipmill.errors import SpecError
from deployment import DEPLOYMENT, VARIABLE
from deployment.schema import Environment, GpuPods, Machine, TaskRow
from tasks.specs import Curation

PROFILE = DEPLOYMENT.profile
GPU_RESOURCE = "nvidia.com/gpu"

ENVIRONMENT = {
    # Work is spread over processes and threads of our own: pools beneath them would fight for the same
    # cores, and a product summed by another number of threads has other last bits.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # Ray's pods get no token: the Flyte plugin has no field for one. Who may reach them is for the
    # cluster's network policy to say.
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    # A dynamic task compiles in its pod, where no deployment file lies.
    VARIABLE: DEPLOYMENT.model_dump_json(exclude_defaults=True),
}
"""Environment of every task; Flyte gives a Ray task's to all pods of its cluster."""


class RayArguments(TypedDict):
    """Arguments of ``flytekit.task`` of a Ray task, whose pod is the base of all pods of its cluster."""

    requests: Resources
    limits: Resources
    retries: int
    timeout: timedelta
    environment: dict[str, str]
    secret_requests: list[Secret]
    pod_template_name: str | None


class PlainArguments(RayArguments):
    """The same for a task that runs in one pod."""

    interruptible: bool
    accelerator: GPUAccelerator | None
    shared_memory: str | None


def of_ray(row: TaskRow) -> RayArguments:
    """Returns what a task that submits a Ray job takes: no GPU and nothing that its workers alone need."""
    amounts = Resources(cpu=row.cpu, mem=row.mem, ephemeral_storage=row.disk)
    return RayArguments(
        requests=amounts,
        limits=amounts,
        retries=row.retries,
        timeout=timedelta(hours=row.hours),
        environment=dict(ENVIRONMENT),
        secret_requests=[
            Secret(
                group=one.group or None,
                key=one.key,
                env_var=one.env_var,
                mount_requirement=Secret.MountType.ENV_VAR,
            )
            for one in DEPLOYMENT.secrets
        ],
        pod_template_name=DEPLOYMENT.pod_template or None,
    )


def of_pod(row: TaskRow) -> PlainArguments:
    """Returns what a task in a plain pod takes."""
    gpu = PROFILE.gpu if row.gpu else GpuPods()
    amounts = Resources(
        cpu=row.cpu, mem=row.mem, gpu=str(row.gpu) if row.gpu else None, ephemeral_storage=row.disk
    )
    return {
        **of_ray(row),
        "requests": amounts,
        "limits": amounts,
        "interruptible": row.spot,
        "accelerator": GPUAccelerator(gpu.accelerator) if gpu.accelerator else None,
        "shared_memory": gpu.shared_memory,
    }


def of_element(environment: Environment) -> PlainArguments:
    """Returns what an element of the engine ``map`` takes, of cpu where the profile has no other row."""
    rows = PROFILE.elements
    return of_pod(rows.get(environment) or rows.get("cpu") or PROFILE.tasks.pairs)


def check_environment(engine: str, environment: str) -> None:
    """SpecError where the profile cannot run an engine, or has no machine for the stages of a run."""
    if engine not in PROFILE.engines:
        raise SpecError(
            f"the engine {engine} is not deployed: profile {DEPLOYMENT.name} has {', '.join(PROFILE.engines)}"
        )
    gpu_workers = PROFILE.cluster.gpu_workers if PROFILE.cluster else {}
    rows = PROFILE.elements if engine == "map" else gpu_workers
    if environment in ("nvdec", "vllm") and environment not in rows:
        raise SpecError(
            f"the stages of this run need a GPU for {environment}, and profile {DEPLOYMENT.name} has none: "
            "deploy another profile, or let captions come from an endpoint (endpoint_url)"
        )


def amounts_of(machine: Machine) -> dict[str, str]:
    """Returns a machine as a container of a pod template asks for it."""
    amounts = {"cpu": machine.cpu, "memory": machine.mem}
    if machine.disk:
        amounts["ephemeral-storage"] = machine.disk
    return amounts | ({GPU_RESOURCE: str(machine.gpu)} if machine.gpu else {})


class Engine(Enum):
    """``stream``: Ray clusters that share all work. ``map``: a plain pod for each group of videos."""

    STREAM = "stream"
    MAP = "map"


DEFAULT_ENGINE = Engine(PROFILE.engines[0])


class _Groups(TypedDict):
    num_groups: int
    group_s: float | None


def groups_of(engine: Engine, spec: Curation) -> _Groups:
    """Returns in how many groups the work of a run is spread: by clusters, or by minutes of video."""
    if engine is Engine.STREAM:
        return _Groups(num_groups=spec.sharding.num_ray_clusters, group_s=None)
    return _Groups(num_groups=spec.sharding.max_shards, group_s=PROFILE.element_minutes * 60)


PLAN = of_pod(PROFILE.tasks.plan)
"""Lists a source, reads and writes tables."""
INSPECT = of_pod(PROFILE.tasks.inspect)
"""Looks at headers: waits for the network more than it computes."""
STREAM = of_ray(PROFILE.tasks.stream)
"""Submits the Ray job."""
FIT = of_pod(PROFILE.tasks.fit)
"""k-means over a sample."""
PAIRS = of_pod(PROFILE.tasks.pairs)
"""Similarities within a group of clusters, or the nearest cluster of a part of the embeddings."""
PUBLISH = of_pod(PROFILE.tasks.publish)
"""Joins the state into tables and writes the report."""
FETCH = of_pod(PROFILE.tasks.fetch)
"""Copies weights from the hub to a store: an attempt skips the models that an earlier one finished."""
SEARCH = of_pod(PROFILE.tasks.search)
"""Embeds one text and reads embeddings file by file."""
