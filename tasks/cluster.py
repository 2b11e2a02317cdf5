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

from tasks.hardware import CPU_WORKERS, GPU_WORKERS, HEAD, Hardware, WorkerGroup

GPU_RESOURCE = "nvidia.com/gpu"
SCRATCH = "/scratch"


def _pod(container: str, hardware: Hardware) -> PodTemplate:
    """Resources live in the pod template: beside ``requests=`` the plugin would drop the template."""
    amounts = {"cpu": hardware.cpu, "memory": hardware.mem}
    if hardware.gpu:
        amounts[GPU_RESOURCE] = hardware.gpu
    return PodTemplate(
        primary_container_name=container,
        pod_spec=V1PodSpec(
            containers=[
                V1Container(
                    name=container,
                    resources=V1ResourceRequirements(requests=amounts, limits=amounts),
                    volume_mounts=[V1VolumeMount(name="scratch", mount_path=SCRATCH)],
                    env=[{"name": "TMPDIR", "value": SCRATCH}],
                )
            ],
            # The scan spools its arrays here; it must not count against the container's layer.
            volumes=[V1Volume(name="scratch", empty_dir=V1EmptyDirVolumeSource())],
            tolerations=[V1Toleration(key=GPU_RESOURCE, operator="Exists")] if hardware.gpu else None,
        ),
    )


def _workers(group: WorkerGroup) -> WorkerNodeConfig:
    return WorkerNodeConfig(
        group_name=group.name,
        replicas=group.min_replicas,
        min_replicas=group.min_replicas,
        max_replicas=group.max_replicas,
        pod_template=_pod("ray-worker", group.hardware),
    )


STREAM_CLUSTER = RayJobConfig(
    # No work on the head: the driver and Ray's own services live there.
    head_node_config=HeadNodeConfig(ray_start_params={"num-cpus": "0"}, pod_template=_pod("ray-head", HEAD)),
    worker_node_config=[_workers(CPU_WORKERS), _workers(GPU_WORKERS)],
    enable_autoscaling=True,
    autoscaler_options=AutoscalerOptionsConfig(
        idle_timeout_seconds=60, upscaling_mode=AutoscalerOptionsConfig.UpscalingMode.DEFAULT
    ),
    shutdown_after_job_finishes=True,
    ttl_seconds_after_finished=600,
)
