"""How a model that writes text is chosen, run and asked: values that a stage hands to ``open_model``."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from clipmill.models.runtime.devices import Device

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
