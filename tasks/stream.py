"""The streaming core, where the environment of a run's stages is: as Ray jobs, or as elements of one map.

One task per environment: an image and a machine are fixed when a task is registered, and which of them a run
needs is in its spec.
"""

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import cast

from flytekit import PythonFunctionTask, dynamic, map_task, task

from clipmill.planning.environment import environment_of
from clipmill.planning.from_spec import plan_of_spec
from deployment.schema import Environment
from images import CPU_IMAGE, LEGACY_IMAGE, MODELS_IMAGE, NVDEC_IMAGE, VLLM_IMAGE
from tasks.faults import retried_by_flyte
from tasks.hardware import PLAN, PROFILE, Engine, check_environment, of_element
from tasks.specs import Curation
from tasks.streaming import streamed

_STREAMS: Mapping[Environment, Callable[..., object]] = (
    import_module("tasks.ray_stream").STREAMS if "stream" in PROFILE.engines else {}
)
"""Ray tasks by environment; where the profile deploys no Ray, its plugin is not even imported."""


def _element(
    environment: Environment, work: str, source: str, output: str, spec: Curation, phase: int, run_id: str
) -> str:
    retries = of_element(environment)["retries"]
    return streamed(work, source, output, spec, phase, run_id, engine="inline", retries=retries)


@task(container_image=CPU_IMAGE, **of_element("cpu"))
def element(work: str, source: str, output: str, spec: Curation, phase: int, run_id: str) -> str:
    """Decode, split, score, cut, embed and preview one manifest's videos; the URI of what it took."""
    return _element("cpu", work, source, output, spec, phase, run_id)


@task(container_image=NVDEC_IMAGE, **of_element("nvdec"))
def element_with_nvdec(work: str, source: str, output: str, spec: Curation, phase: int, run_id: str) -> str:
    """The same, decoded by the GPU of its pod."""
    return _element("nvdec", work, source, output, spec, phase, run_id)


@task(container_image=MODELS_IMAGE, **of_element("models"))
def element_with_models(work: str, source: str, output: str, spec: Curation, phase: int, run_id: str) -> str:
    """The same, with learned shots, scores, embeddings or captions by transformers."""
    return _element("models", work, source, output, spec, phase, run_id)


@task(container_image=LEGACY_IMAGE, **of_element("legacy"))
def element_with_legacy(work: str, source: str, output: str, spec: Curation, phase: int, run_id: str) -> str:
    """The same, with embedders that bring code of their own."""
    return _element("legacy", work, source, output, spec, phase, run_id)


@task(container_image=VLLM_IMAGE, **of_element("vllm"))
def element_with_vllm(work: str, source: str, output: str, spec: Curation, phase: int, run_id: str) -> str:
    """The same, with captions by vLLM."""
    return _element("vllm", work, source, output, spec, phase, run_id)


ELEMENTS = {
    "cpu": element,
    "nvdec": element_with_nvdec,
    "models": element_with_models,
    "legacy": element_with_legacy,
    "vllm": element_with_vllm,
}
"""By the environment that the stages of a run need."""


@dynamic(container_image=CPU_IMAGE, **PLAN)
def stream_all(
    works: list[str], source: str, output: str, spec: Curation, phase: int, engine: Engine, run_id: str
) -> list[str]:
    """One Ray task per manifest, or one map over all, where the models run; an empty list starts nothing.

    ``phase`` 1 adds the stages behind deduplication.
    """
    if not works:
        return []
    environment = _environment(spec, source, output, phase, engine)
    shared = {"source": source, "output": output, "spec": spec, "phase": phase, "run_id": run_id}
    # In its pod this compiles a workflow: what a call gives is the promise of a URI.
    if engine is Engine.MAP:
        # flytekit maps a partial of a task; its types do not say so.
        one = cast(PythonFunctionTask[object], partial(ELEMENTS[environment], **shared))
        return cast("list[str]", map_task(one, concurrency=PROFILE.map_concurrency)(work=works))
    return [cast(str, _STREAMS[environment](work=work, **shared)) for work in works]


def _environment(spec: Curation, source: str, output: str, phase: int, engine: Engine) -> Environment:
    """Where the stages of a phase run; SpecError where the profile has no machine for them."""
    with retried_by_flyte():
        plan = plan_of_spec(spec, source=source, output=output).up_to(phase)
        environment = cast(Environment, environment_of(plan))
        check_environment(engine.value, environment)
        return environment
