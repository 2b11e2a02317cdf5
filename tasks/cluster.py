"""The Ray cluster of the streaming core: a head, workers that decode and cut, workers with a GPU."""

from flytekit import PodTemplate
from flytekitplugins.ray import AutoscalerOptionsConfig, HeadNodeConfig, RayJobConfig, WorkerNodeConfig
from kubernetes.client import (
    V1Container,
    V1EmptyDirVolumeSource,
    V1PodSpec,
    V1ResourceRequirements,
    V1Toleration,
    V1Volume,
    V1VolumeMount,
)

from tasks.hardware import CPU_WORKERS, GPU_RESOURCE, GPU_WORKERS, HEAD, Machine, WorkerGroup

HEAD_CONTAINER, WORKER_CONTAINER = "ray-head", "ray-worker"
"""The names that Flyte's plugin gives the containers: one of another name would be a second container."""

SCRATCH_VOLUME, SCRATCH_PATH = "scratch", "/tmp"
"""Scans spool their arrays here and Ray spills its objects: not into the container's own layer."""

IDLE_TIMEOUT_S = 60
KEEP_FINISHED_S = 600
"""How long a finished cluster stays, for a look at its dashboard; without it Flyte deletes it at once."""


def _pod(container: str, machine: Machine) -> PodTemplate:
    """Resources live in the pod template: beside ``requests=`` the plugin would drop the template."""
    return PodTemplate(
        primary_container_name=container,
        pod_spec=V1PodSpec(
            containers=[
                V1Container(
                    name=container,
                    resources=V1ResourceRequirements(requests=machine.of_pod, limits=machine.of_pod),
                    volume_mounts=[V1VolumeMount(name=SCRATCH_VOLUME, mount_path=SCRATCH_PATH)],
                )
            ],
            volumes=[V1Volume(name=SCRATCH_VOLUME, empty_dir=V1EmptyDirVolumeSource())],
            tolerations=[V1Toleration(key=GPU_RESOURCE, operator="Exists")] if machine.gpu else None,
        ),
    )


def _workers(group: WorkerGroup) -> WorkerNodeConfig:
    return WorkerNodeConfig(
        group_name=group.name,
        replicas=group.min_replicas,
        min_replicas=group.min_replicas,
        max_replicas=group.max_replicas,
        pod_template=_pod(WORKER_CONTAINER, group.machine),
    )


def cluster_of(*groups: WorkerGroup) -> RayJobConfig:
    """A cluster of a head and groups of workers; what a group asks for lies in its pods, not on the task."""
    return RayJobConfig(
        # No work on the head: the driver and Ray's own services live there.
        head_node_config=HeadNodeConfig(
            ray_start_params={"num-cpus": "0"}, pod_template=_pod(HEAD_CONTAINER, HEAD)
        ),
        worker_node_config=[_workers(group) for group in groups],
        enable_autoscaling=True,
        autoscaler_options=AutoscalerOptionsConfig(idle_timeout_seconds=IDLE_TIMEOUT_S),
        shutdown_after_job_finishes=True,
        ttl_seconds_after_finished=KEEP_FINISHED_S,
    )


STREAM_CLUSTER = cluster_of(CPU_WORKERS, GPU_WORKERS["cpu"])
NVDEC_CLUSTER = cluster_of(CPU_WORKERS, GPU_WORKERS["nvdec"])
MODELS_CLUSTER = cluster_of(CPU_WORKERS, GPU_WORKERS["models"])
LEGACY_CLUSTER = cluster_of(CPU_WORKERS, GPU_WORKERS["legacy"])
VLLM_CLUSTER = cluster_of(CPU_WORKERS, GPU_WORKERS["vllm"])
