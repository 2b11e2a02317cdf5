"""The engine ``stream``: one Ray job per manifest of work, one task per environment."""

from flytekit import task

from clipmill.specs import CurateSpec
from images import CPU_IMAGE, LEGACY_IMAGE, MODELS_IMAGE, NVDEC_IMAGE, VLLM_IMAGE
from tasks.cluster import cluster_of
from tasks.hardware import STREAM
from tasks.streaming import streamed


def _job(work: str, source: str, output: str, spec: CurateSpec, phase: int, run_id: str) -> str:
    retries = STREAM["retries"]
    return streamed(work, source, output, spec, phase, run_id, engine="ray", retries=retries)


@task(task_config=cluster_of("cpu"), container_image=CPU_IMAGE, **STREAM)
def stream(work: str, source: str, output: str, spec: CurateSpec, phase: int, run_id: str) -> str:
    """Decode, split, score, cut, embed and preview one manifest's videos; the URI of what it took."""
    return _job(work, source, output, spec, phase, run_id)


@task(task_config=cluster_of("nvdec"), container_image=NVDEC_IMAGE, **STREAM)
def stream_with_nvdec(work: str, source: str, output: str, spec: CurateSpec, phase: int, run_id: str) -> str:
    """The same, decoded by the GPUs of its workers."""
    return _job(work, source, output, spec, phase, run_id)


@task(task_config=cluster_of("models"), container_image=MODELS_IMAGE, **STREAM)
def stream_with_models(work: str, source: str, output: str, spec: CurateSpec, phase: int, run_id: str) -> str:
    """The same, with learned shots, scores, embeddings or captions by transformers."""
    return _job(work, source, output, spec, phase, run_id)


@task(task_config=cluster_of("legacy"), container_image=LEGACY_IMAGE, **STREAM)
def stream_with_legacy(work: str, source: str, output: str, spec: CurateSpec, phase: int, run_id: str) -> str:
    """The same, with embedders that bring code of their own."""
    return _job(work, source, output, spec, phase, run_id)


@task(task_config=cluster_of("vllm"), container_image=VLLM_IMAGE, **STREAM)
def stream_with_vllm(work: str, source: str, output: str, spec: CurateSpec, phase: int, run_id: str) -> str:
    """The same, with captions by vLLM."""
    return _job(work, source, output, spec, phase, run_id)


STREAMS = {
    "cpu": stream,
    "nvdec": stream_with_nvdec,
    "models": stream_with_models,
    "legacy": stream_with_legacy,
    "vllm": stream_with_vllm,
}
"""By the environment that the stages of a run need."""
