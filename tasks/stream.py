"""The streaming core as a Ray task, one per manifest of work; none when nothing is to do.

One task per environment: an image and the GPUs of its workers are fixed when a task is registered, and which
of them a run needs is in its spec.
"""

from typing import cast

from flytekit import dynamic, task

from clipmill.curation.run import stream_work
from clipmill.planning.environment import environment_of
from clipmill.planning.from_spec import plan_of_spec
from clipmill.runs.termination import terminable
from clipmill.specs import CurateSpec
from images import CPU_IMAGE, LEGACY_IMAGE, MODELS_IMAGE, NVDEC_IMAGE, VLLM_IMAGE
from tasks.cluster import LEGACY_CLUSTER, MODELS_CLUSTER, NVDEC_CLUSTER, STREAM_CLUSTER, VLLM_CLUSTER
from tasks.hardware import PLAN, STREAM
from tasks.leases import run_step
from tasks.progress import show_progress


def _streamed(work: str, source: str, output: str, spec: CurateSpec, phase: int, run_id: str) -> str:
    show_progress()
    with terminable(), run_step(output, run_id) as lease:
        plan = plan_of_spec(spec, source=source, output=output).up_to(phase)
        return stream_work(work, plan, lease=lease, engine="ray")


@task(task_config=STREAM_CLUSTER, container_image=CPU_IMAGE, **STREAM.of_task)
def stream(work: str, source: str, output: str, spec: CurateSpec, phase: int, run_id: str) -> str:
    """Decode, split, score, cut, embed and preview one manifest's videos; the URI of what it took."""
    return _streamed(work, source, output, spec, phase, run_id)


@task(task_config=NVDEC_CLUSTER, container_image=NVDEC_IMAGE, **STREAM.of_task)
def stream_with_nvdec(work: str, source: str, output: str, spec: CurateSpec, phase: int, run_id: str) -> str:
    """The same, decoded by the GPUs of its workers."""
    return _streamed(work, source, output, spec, phase, run_id)


@task(task_config=MODELS_CLUSTER, container_image=MODELS_IMAGE, **STREAM.of_task)
def stream_with_models(work: str, source: str, output: str, spec: CurateSpec, phase: int, run_id: str) -> str:
    """The same, with learned shots, scores, embeddings or captions by transformers."""
    return _streamed(work, source, output, spec, phase, run_id)


@task(task_config=LEGACY_CLUSTER, container_image=LEGACY_IMAGE, **STREAM.of_task)
def stream_with_legacy(work: str, source: str, output: str, spec: CurateSpec, phase: int, run_id: str) -> str:
    """The same, with embedders that bring code of their own."""
    return _streamed(work, source, output, spec, phase, run_id)


@task(task_config=VLLM_CLUSTER, container_image=VLLM_IMAGE, **STREAM.of_task)
def stream_with_vllm(work: str, source: str, output: str, spec: CurateSpec, phase: int, run_id: str) -> str:
    """The same, with captions by vLLM."""
    return _streamed(work, source, output, spec, phase, run_id)


STREAMS = {
    "cpu": stream,
    "nvdec": stream_with_nvdec,
    "models": stream_with_models,
    "legacy": stream_with_legacy,
    "vllm": stream_with_vllm,
}
"""By the environment that the stages of a run need."""


@dynamic(container_image=CPU_IMAGE, **PLAN.of_task)
def stream_all(
    works: list[str], source: str, output: str, spec: CurateSpec, phase: int, run_id: str
) -> list[str]:
    """One Ray task per manifest, where its models run; an empty list starts no cluster.

    ``phase`` 1 adds the stages behind deduplication.
    """
    plan = plan_of_spec(spec, source=source, output=output).up_to(phase)
    run = STREAMS[environment_of(plan)]
    # In its pod this compiles a workflow: what a call gives is the promise of a URI.
    return [
        cast(str, run(work=work, source=source, output=output, spec=spec, phase=phase, run_id=run_id))
        for work in works
    ]
