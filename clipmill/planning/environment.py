"""The one environment in which a run's workers find all libraries."""

from clipmill.errors import SpecError
from clipmill.planning.plan import Plan

CORE, NVDEC = "cpu", "nvdec"
WITH_MODELS = ("vllm", "legacy", "models")
"""Extras, images and machines of the same names; the later of models, legacy and vllm holds the earlier."""


def environments_of(plan: Plan) -> tuple[str, ...]:
    """Returns the environments of a run whose phases run in processes of their own, each once."""
    phases = range(plan.num_phases)
    return tuple(dict.fromkeys(environment_of(plan.up_to(phase)) for phase in phases))


def environment_of(plan: Plan) -> str:
    """Returns the environment of all stages of a plan: an extra, an image, a machine.

    NVDEC has one of its own; beside models it is taken where their image has it. SpecError for a stage of an
    unknown environment, and where two exclude each other.
    """
    needed = {stage.worker_environment: stage for stage in plan.stages}
    for name, stage in needed.items():
        if name not in ("core", *WITH_MODELS):
            known = ", ".join(("core", *reversed(WITH_MODELS)))
            raise SpecError(f"stage {stage.name} needs the environment {name}, which is none of {known}")
    if {"legacy", "vllm"} <= needed.keys():
        raise SpecError(
            f"stage {needed['legacy'].name} needs the legacy environment and {needed['vllm'].name} that of "
            "vllm, and the two exclude each other: let captions come from an endpoint (endpoint_url), or "
            "leave one of the two stages out"
        )
    without_models = NVDEC if plan.source.decoder == NVDEC else CORE
    return next((name for name in WITH_MODELS if name in needed), without_models)
