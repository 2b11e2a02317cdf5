"""What the models of a plan need, checked before any video is decoded: one line says what is missing."""

import importlib.util

from clipmill.errors import ModelUnavailable, SpecError
from clipmill.models.remote_code import check_allowed
from clipmill.models.serving import check_model
from clipmill.models.weights import check_weights
from clipmill.plan import RunPlan
from clipmill.stages.video.caption.serving import ServedModel
from clipmill.stages.video.clipping.transnetv2_extraction import TransNetV2ClipExtractionStage
from clipmill.stages.video.embedding.learned import LearnedEmbeddingStage
from clipmill.used_models import UsedModel, environment_of

LIBRARIES = {"models": ("torch", "transformers"), "legacy": ("torch", "transformers"), "vllm": ("torch",)}
"""What an environment brings that the core does not have."""


def check_models(plan: RunPlan, *, num_gpus: float) -> None:
    """Check libraries, weights, GPUs and leave to run remote code; an endpoint is asked for its model.

    SpecError for what the plan does not allow, ModelUnavailable for what is not there.
    """
    for used in plan.models:
        _check_device(used, num_gpus)
        if isinstance(used.stage, LearnedEmbeddingStage):
            check_allowed(used.entry, used.stage.allow_remote_code)
        _check_libraries(used)
        if not isinstance(used.stage, ServedModel):
            check_weights([used.entry], model_dir=used.model_dir, revision=used.revision)
    for stage in (plan.captions, plan.enhancement):
        if stage:
            check_model(stage)


def _check_device(used: UsedModel, num_gpus: float) -> None:
    if num_gpus > 0:
        return
    if getattr(used.stage, "device", "auto") == "cuda":
        raise SpecError(
            f"{used.stage.stage_name} asks for device cuda, and there is no GPU here: use auto or cpu"
        )
    if isinstance(used.stage, ServedModel) and used.stage.fp8 and used.stage.backend == "auto":
        raise SpecError(
            f"{used.stage.stage_name} asks for fp8, which needs vLLM on a GPU, and there is none here"
        )


def _check_libraries(used: UsedModel) -> None:
    """What the weights are run with; TransNetV2 on a processor also runs with OpenVINO alone."""
    environment = environment_of([used])
    wanted = LIBRARIES.get(environment, ())
    if isinstance(used.stage, TransNetV2ClipExtractionStage):
        wanted = ("openvino",) if used.stage.backend == "openvino" else ("torch",)
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if missing:
        cause = f"{' and '.join(missing)} not installed here"
        remedy = f"install the extra {environment!r}, or run in its image"
        raise ModelUnavailable(used.entry.name, used.model_dir, cause, remedy)
