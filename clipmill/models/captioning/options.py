"""How a model that writes text is chosen, run and asked: values that a stage hands to ``open_model``."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Literal

from clipmill.errors import SpecError
from clipmill.models.registry import MODELS, ModelEntry, ModelKind, entry_of, is_place, model_named
from clipmill.models.runtime import Device

Backend = Literal["auto", "vllm", "endpoint", "transformers"]
Numbers = Literal["auto", "float32", "bfloat16", "float16"]
FramesAs = Literal["video_url", "image_url"]
Setting = bool | int | float | str


@dataclass(frozen=True)
class WeightsOptions:
    """Which weights: those of a variant, or of ``model``: a hub id, a folder or a URI."""

    variant: str
    model: str | None
    model_dir: str
    revision: str | None


@dataclass(frozen=True)
class Sampling:
    """How a model chooses its words."""

    max_output_tokens: int
    temperature: float
    top_p: float
    repetition_penalty: float


@dataclass(frozen=True)
class EndpointOptions:
    """An OpenAI-compatible server and how it is asked.

    ``key_variable`` names the environment variable that holds its key. ``extra`` goes into each request.
    """

    url: str
    model: str
    key_variable: str | None
    concurrency: int
    timeout_s: float
    max_attempts: int
    extra: Mapping[str, Setting]


@dataclass(frozen=True)
class VisionOptions:
    """How a captioner takes frames.

    ``does_preprocess`` keeps frames within the checkpoint's own pixel budget. ``keeps_prepared`` lets vLLM
    keep prepared frames between requests. ``endpoint_frames`` is how an endpoint gets them.
    """

    does_preprocess: bool
    keeps_prepared: bool
    endpoint_frames: FramesAs


@dataclass(frozen=True)
class ServingOptions:
    """A model that writes text and where it runs.

    ``vision`` is None for a language model. ``endpoint`` is None for a model that runs in this process.
    ``gpu_share`` is the part of a GPU that an engine may fill. ``in_flight`` requests are worked on at once.
    """

    weights: WeightsOptions
    sampling: Sampling
    vision: VisionOptions | None
    endpoint: EndpointOptions | None
    backend: Backend
    device: Device
    dtype: Numbers
    fp8: bool
    tensor_parallel_size: int
    gpu_share: float
    in_flight: int
    vllm_kwargs: Mapping[str, Setting]

    @property
    def engine_key(self) -> str:
        """Equal for options that one engine can serve: answers of different lengths come from one model."""
        return repr(replace(self, sampling=replace(self.sampling, max_output_tokens=0)))


LANGUAGE_MODELS = {"qwen": "qwen_lm", "qwen2.5": "qwen_lm", "qwen3": "qwen3_lm"}
"""Variant of the enhancement -> model of the table."""
SERVED_LIKE: dict[ModelKind, str] = {"caption": "qwen", "language": "qwen_lm"}
"""Whose backend and environment a model has that a stage names by its id."""


@dataclass(frozen=True)
class ServedWeights:
    """An entry of the table of models, the place of its weights, and their revision."""

    entry: ModelEntry
    model_dir: str
    revision: str


def weights_meant(options: ServingOptions) -> ServedWeights:
    """Returns the weights of a variant, or those that the options name themselves.

    SpecError for a variant that the table does not have, or has for something else.
    """
    kind: ModelKind = "caption" if options.vision else "language"
    chosen, model = options.weights, options.weights.model
    if model is None:
        name = chosen.variant if kind == "caption" else LANGUAGE_MODELS.get(chosen.variant, chosen.variant)
        entry = _variant(name, kind)
    else:
        source = PurePath(model).name if is_place(model) else model
        entry = replace(model_named(SERVED_LIKE[kind]), name=model, source=source, revision="main")
    place = model if model and is_place(model) else chosen.model_dir
    return ServedWeights(entry, place, chosen.revision or entry.revision)


def worker_environment(options: ServingOptions) -> str:
    """Returns the extra in which a worker finds the backend: ``core`` for an endpoint, vLLM's for GPUs."""
    if options.endpoint:
        return "core"
    is_for_vllm = options.backend != "transformers" and options.device != "cpu"
    return weights_meant(options).entry.environment if is_for_vllm else "models"


def _variant(name: str, kind: ModelKind) -> ModelEntry:
    entry = entry_of(name)
    if entry.kind == "own":
        known = ", ".join(one.name for one in MODELS if one.kind == kind)
        raise SpecError(
            f"there is no {kind} model {name!r}; known are {known}; for any other name its id on the hub as "
            "model, or a server that runs it as endpoint_url"
        )
    if entry.kind != kind:
        raise SpecError(f"{entry.name} is a model of kind {entry.kind}, not {kind}: name another")
    return entry
