"""What the models of a run need, checked before any video is decoded: one line says what is missing."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass

from clipmill.errors import ModelUnavailable, SpecError
from clipmill.models.captioning.open_chat import check_model
from clipmill.models.captioning.options import ServingOptions
from clipmill.models.embedding.remote_code import check_allowed
from clipmill.models.registry import ModelEntry
from clipmill.models.weights.resolve import check_weights

_LIBRARIES = {"models": ("torch", "transformers"), "legacy": ("torch", "transformers"), "vllm": ("torch",)}
"""What an environment brings that the core does not have."""


@dataclass(frozen=True)
class ModelNeeds:
    """Weights, libraries and device that a stage's model needs.

    ``environment`` and ``libraries`` are the entry's where nothing else is said. ``allow_remote_code`` names
    the models whose own code may run; None for those that have none. ``serving`` is None for a model that
    writes no text.
    """

    stage: str
    entry: ModelEntry
    model_dir: str
    device: str
    revision: str | None = None
    environment: str = ""
    libraries: Sequence[str] | None = None
    allow_remote_code: Sequence[str] | None = None
    serving: ServingOptions | None = None


def check_models(*models: ModelNeeds, served: ServingOptions | None = None, num_gpus: float) -> None:
    """Checks libraries, weights, GPUs and leave to run remote code; ``served`` is asked for its model.

    SpecError for what a stage does not allow, ModelUnavailable for what is not there.
    """
    for needs in models:
        _check_device(needs, num_gpus)
        if needs.allow_remote_code is not None:
            check_allowed(needs.entry, needs.allow_remote_code)
        _check_libraries(needs)
        if needs.serving is None:
            check_weights([needs.entry], model_dir=needs.model_dir, revision=needs.revision)
    if served:
        check_model(served)


def _check_device(needs: ModelNeeds, num_gpus: float) -> None:
    if num_gpus > 0:
        return
    if needs.device == "cuda":
        raise SpecError(f"{needs.stage} asks for device cuda, and there is no GPU here: use auto or cpu")
    if needs.serving and needs.serving.fp8 and needs.serving.backend == "auto":
        raise SpecError(f"{needs.stage} asks for fp8, which needs vLLM on a GPU, and there is none here")


def _check_libraries(needs: ModelNeeds) -> None:
    environment = needs.environment or needs.entry.environment
    wanted = _LIBRARIES.get(environment, ()) if needs.libraries is None else needs.libraries
    if missing := [name for name in wanted if importlib.util.find_spec(name) is None]:
        cause = f"{' and '.join(missing)} not installed here"
        remedy = f"pip install 'clipmill[{environment}]', or run in its image"
        raise ModelUnavailable(needs.entry.name, needs.model_dir, cause, remedy)
