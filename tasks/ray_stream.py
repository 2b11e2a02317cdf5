"""The engine ``stream``: one Ray job per manifest of work, one task per environment.

Its cluster has a head, workers that decode and cut, and workers with a GPU.
"""

from flytekit import PodTemplate, task
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

from clipmill.machine import ClusterSize
from deployment.schema import Cluster, Environment, Machine, Placement, WorkerGroup, amount
from images import CPU_IMAGE, LEGACY_IMAGE, MODELS_IMAGE, NVDEC_IMAGE, VLLM_IMAGE
from tasks.hardware import PROFILE, STREAM, amounts_of
from tasks.specs import Curation
from tasks.streaming import streamed

HEAD_CONTAINER, WORKER_CONTAINER = "ray-head", "ray-worker"
"""The names that Flyte's plugin gives the containers: one of another name would be a second container."""

SCRATCH_VOLUME, SCRATCH_PATH = "scratch", "/tmp"
"""Scans spool their arrays here and Ray spills its objects: not into the container's own layer."""
MEMORY_VOLUME, MEMORY_PATH = "memory", "/dev/shm"


def cluster_of(environment: Environment) -> RayJobConfig:
    """A cluster for one environment; what a group asks for lies in its pods, not on the task."""
    cluster = PROFILE.cluster
    assert cluster is not None, "the profile deploys no Ray"
    gpu_workers = cluster.gpu_workers.get(environment)
    groups = [_workers("cpu", cluster.workers, cluster)]
    groups += [_workers("gpu", gpu_workers, cluster)] if gpu_workers else []
    return RayJobConfig(
        # No work on the head: the driver and Ray's own services live there.
        head_node_config=HeadNodeConfig(
            ray_start_params={"num-cpus": "0"},
            pod_template=_pod(HEAD_CONTAINER, cluster.head, cluster, Placement()),
        ),
        worker_node_config=groups,
        enable_autoscaling=True,
        autoscaler_options=AutoscalerOptionsConfig(idle_timeout_seconds=cluster.idle_s),
        shutdown_after_job_finishes=True,
        ttl_seconds_after_finished=cluster.keep_finished_s,
    )


def _workers(name: str, group: WorkerGroup, cluster: Cluster) -> WorkerNodeConfig:
    return WorkerNodeConfig(
        group_name=name,
        replicas=group.min,
        min_replicas=group.min,
        max_replicas=group.max,
        pod_template=_pod(WORKER_CONTAINER, group, cluster, _placement(group)),
    )


def _placement(group: WorkerGroup) -> Placement:
    """Where the pods of a group run: what GPUs ask for, and what pods do that may be interrupted."""
    wanted = [PROFILE.gpu] if group.gpu else []
    wanted += [PROFILE.spot] if PROFILE.spot else []
    return Placement(
        node_selector={key: value for one in wanted for key, value in one.node_selector.items()},
        tolerations=tuple(toleration for one in wanted for toleration in one.tolerations),
    )


def _pod(container: str, machine: Machine, cluster: Cluster, placement: Placement) -> PodTemplate:
    """Resources live in the pod template: beside ``requests=`` the plugin would drop the template."""
    mounts = [V1VolumeMount(name=SCRATCH_VOLUME, mount_path=SCRATCH_PATH)]
    volumes = [
        V1Volume(name=SCRATCH_VOLUME, empty_dir=V1EmptyDirVolumeSource(size_limit=cluster.scratch)),
    ]
    if machine.gpu and PROFILE.gpu.shared_memory:
        memory = V1EmptyDirVolumeSource(medium="Memory", size_limit=PROFILE.gpu.shared_memory)
        volumes.append(V1Volume(name=MEMORY_VOLUME, empty_dir=memory))
        mounts.append(V1VolumeMount(name=MEMORY_VOLUME, mount_path=MEMORY_PATH))
    amounts = amounts_of(machine)
    return PodTemplate(
        primary_container_name=container,
        pod_spec=V1PodSpec(
            containers=[
                V1Container(
                    name=container,
                    resources=V1ResourceRequirements(requests=amounts, limits=amounts),
                    volume_mounts=mounts,
                )
            ],
            volumes=volumes,
            node_selector=placement.node_selector or None,
            tolerations=[
                V1Toleration(
                    key=one.key,
                    operator=one.operator,
                    value=one.value or None,
                    effect=one.effect or None,
                )
                for one in placement.tolerations
            ]
            or None,
        ),
    )


def most_of(environment: Environment) -> ClusterSize:
    """Returns what the cluster of an environment has once it has grown; KubeRay need not tell the driver."""
    cluster = PROFILE.cluster
    assert cluster is not None, "the profile deploys no Ray"
    groups = [cluster.workers, *filter(None, [cluster.gpu_workers.get(environment)])]
    return ClusterSize(
        num_cpus=sum(amount(group.cpu) * group.max for group in groups),
        num_gpus=sum(group.gpu * group.max for group in groups),
    )


def _job(
    environment: Environment, work: str, source: str, output: str, spec: Curation, phase: int, run_id: str
) -> str:
    return streamed(
        work,
        source,
        output,
        spec,
        phase,
        run_id,
        engine="ray",
        retries=STREAM["retries"],
        grows_to=most_of(environment),
    )


@task(task_config=cluster_of("cpu"), container_image=CPU_IMAGE, **STREAM)
def stream(work: str, source: str, output: str, spec: Curation, phase: int, run_id: str) -> str:
    """Decode, split, score, cut, embed and preview one manifest's videos; the URI of what it took."""
    return _job("cpu", work, source, output, spec, phase, run_id)


@task(task_config=cluster_of("nvdec"), container_image=NVDEC_IMAGE, **STREAM)
def stream_with_nvdec(work: str, source: str, output: str, spec: Curation, phase: int, run_id: str) -> str:
    """The same, decoded by the GPUs of its workers."""
    return _job("nvdec", work, source, output, spec, phase, run_id)


@task(task_config=cluster_of("models"), container_image=MODELS_IMAGE, **STREAM)
def stream_with_models(work: str, source: str, output: str, spec: Curation, phase: int, run_id: str) -> str:
    """The same, with learned shots, scores, embeddings or captions by transformers."""
    return _job("models", work, source, output, spec, phase, run_id)


@task(task_config=cluster_of("legacy"), container_image=LEGACY_IMAGE, **STREAM)
def stream_with_legacy(work: str, source: str, output: str, spec: Curation, phase: int, run_id: str) -> str:
    """The same, with embedders that bring code of their own."""
    return _job("legacy", work, source, output, spec, phase, run_id)


@task(task_config=cluster_of("vllm"), container_image=VLLM_IMAGE, **STREAM)
def stream_with_vllm(work: str, source: str, output: str, spec: Curation, phase: int, run_id: str) -> str:
    """The same, with captions by vLLM."""
    return _job("vllm", work, source, output, spec, phase, run_id)


STREAMS = {
    "cpu": stream,
    "nvdec": stream_with_nvdec,
    "models": stream_with_models,
    "legacy": stream_with_legacy,
    "vllm": stream_with_vllm,
}
"""By the environment that the stages of a run need."""
