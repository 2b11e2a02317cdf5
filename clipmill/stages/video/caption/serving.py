"""Where a model that writes text runs, and how it chooses its words: the same for captions and for texts."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from clipmill.stages.base import SPEED, StageSpec
from clipmill.stages.video.embedding.learned import Device

Backend = Literal["auto", "vllm", "endpoint", "transformers"]
VARIANT_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""A variant is the name of a key in JSON and of captions in tables."""


class ServedModel(StageSpec):
    """What runs a model.

    ``backend`` ``auto`` is ``endpoint`` where ``endpoint_url`` is given, else vLLM where it is installed and
    there is a GPU, else transformers. ``model`` names other weights than the variant's: a hub id, a folder or
    a URI. The key of an endpoint is read from the environment variable that ``endpoint_key_variable`` names,
    when it is needed, and is written nowhere; ``endpoint_url`` must not hold one.
    """

    stage_name: ClassVar[str] = "served_model"

    # Where weights lie and where a model runs changes nothing: who it is is said by name and revision.
    model_dir: Annotated[str, Field(min_length=1), SPEED] = "models/qwen"
    model_variant: str = Field(default="qwen", pattern=VARIANT_PATTERN)
    model: str | None = Field(default=None, min_length=1)
    revision: str | None = None
    fp8: bool = False
    max_output_tokens: int = Field(default=512, ge=1)
    temperature: float = Field(default=0.1, ge=0)
    top_p: float = Field(default=0.001, gt=0, le=1)
    repetition_penalty: float = Field(default=1.05, gt=0)
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    vllm_kwargs: dict[str, bool | int | float | str] = Field(
        default_factory=dict[str, bool | int | float | str]
    )
    backend: Annotated[Backend, SPEED] = "auto"
    endpoint_model: str | None = Field(default=None, min_length=1)
    endpoint_extra: dict[str, bool | int | float | str] = Field(
        default_factory=dict[str, bool | int | float | str]
    )
    endpoint_url: Annotated[str | None, Field(pattern=r"^https?://[^/@]+(/|$)"), SPEED] = None
    endpoint_key_variable: Annotated[str | None, Field(pattern=r"^[A-Za-z_]\w*$"), SPEED] = None
    endpoint_concurrency: Annotated[int, Field(ge=1, le=1024), SPEED] = 32
    endpoint_timeout_s: Annotated[float, Field(gt=0), SPEED] = 300.0
    endpoint_max_attempts: Annotated[int, Field(ge=1, le=20), SPEED] = 6
    device: Annotated[Device, SPEED] = "auto"
    tensor_parallel_size: Annotated[int, Field(ge=1), SPEED] = 1
    num_gpus_per_worker: Annotated[float, Field(ge=0), SPEED] = 1
    max_workers: Annotated[int | None, Field(ge=1), SPEED] = None

    @property
    def is_remote(self) -> bool:
        """Whether another machine runs the model: no weights and no GPU are needed here."""
        return self.backend == "endpoint" or (self.backend == "auto" and self.endpoint_url is not None)

    @property
    def gpus_per_worker(self) -> float:
        """GPUs that one worker asks for, where there are any: a whole one for each part of a split model."""
        if self.is_remote or self.device == "cpu":
            return 0.0
        return float(self.tensor_parallel_size) if self.tensor_parallel_size > 1 else self.num_gpus_per_worker

    @model_validator(mode="after")
    def _names_its_endpoint(self) -> Self:
        if self.is_remote and not (self.endpoint_url and self.endpoint_model):
            raise ValueError("an endpoint needs both endpoint_url and endpoint_model")
        if self.is_remote and self.fp8:
            raise ValueError("fp8 is chosen where the endpoint runs: leave it out here")
        if self.backend == "transformers" and self.fp8:
            raise ValueError("fp8 needs the vllm backend: transformers has none")
        return self
