"""Where a model that writes text runs, and how it chooses its words: the same for captions and for texts."""

from typing import Annotated, Literal, Self

import pyarrow as pa
from pydantic import Field, model_validator

from clipmill import arrow
from clipmill.errors import SpecError
from clipmill.models.captioning.chat import Caption
from clipmill.models.captioning.options import (
    Backend,
    EndpointOptions,
    Sampling,
    ServingOptions,
    VisionOptions,
    WeightsOptions,
    weights_meant,
    worker_environment,
)
from clipmill.models.runtime import Device
from clipmill.stages.base import LIMIT, SPEED, Column, ModelRef, Stage

VARIANT_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""A variant is the name of a key in JSON and of captions in tables."""


class ServedModel(Stage, abstract=True):
    """What runs a model.

    ``backend`` ``auto`` is ``endpoint`` where ``endpoint_url`` is given, else vLLM where it is installed and
    there is a GPU, else transformers. ``model`` names other weights than the variant's: a hub id, a folder or
    a URI. The key of an endpoint is read from the environment variable that ``endpoint_key_variable`` names,
    when it is needed, and is written nowhere; ``endpoint_url`` must not hold one.
    """

    # Where weights lie and where a model runs changes nothing: who it is is said by name and revision.
    model_dir: Annotated[str, Field(min_length=1), SPEED] = "models/qwen"
    model_variant: str = Field(default="qwen", pattern=VARIANT_PATTERN)
    model: str | None = Field(default=None, min_length=1)
    revision: str | None = Field(default=None, min_length=1)
    fp8: bool = False
    max_output_tokens: Annotated[int, Field(ge=1, le=1 << 20), LIMIT] = 512
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
    endpoint_timeout_s: Annotated[float, Field(gt=0, le=86_400), SPEED] = 300.0
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

    @property
    def worker_environment(self) -> str:
        """The extra in which a worker finds the backend; ``core`` for an endpoint."""
        return worker_environment(self.serving())

    def serving(self, *, gpu_share: float = 0.0) -> ServingOptions:
        """Returns how the model is opened; ``gpu_share`` 0 stands for the part of a GPU that is asked for."""
        raise NotImplementedError(f"{type(self).__name__} must define serving()")

    def models(self) -> tuple[ModelRef, ...]:
        """See ``Stage``. An endpoint's model has no weights here."""
        if self.is_remote:
            return ()
        meant = weights_meant(self.serving())
        return (ModelRef(meant.entry.name, meant.revision, meant.model_dir),)

    def check(self, *, num_gpus: float) -> None:
        """See ``Stage``. An endpoint is asked for its model."""
        from clipmill.models.preflight import ModelNeeds, check_models

        options, needs = self.serving(), list[ModelNeeds]()
        if not self.is_remote:
            meant, environment = weights_meant(options), self.worker_environment
            needs = [
                ModelNeeds(
                    self.name,
                    meant.entry,
                    meant.model_dir,
                    self.device,
                    environment=environment,
                    serving=options,
                )
            ]
        check_models(*needs, served=options, num_gpus=num_gpus)

    def writer(self) -> tuple[str, str | None]:
        """Returns the model that writes and the revision of its weights, None for an endpoint's."""
        if self.is_remote:
            return self.endpoint_model or "", None
        meant = weights_meant(self.serving())
        return meant.entry.source, meant.revision

    def _serving(self, *, vision: VisionOptions | None, in_flight: int, gpu_share: float) -> ServingOptions:
        return ServingOptions(
            weights=WeightsOptions(self.model_variant, self.model, self.model_dir, self.revision),
            sampling=Sampling(self.max_output_tokens, self.temperature, self.top_p, self.repetition_penalty),
            vision=vision,
            endpoint=self._endpoint(),
            backend=self.backend,
            device=self.device,
            dtype=self.dtype,
            fp8=self.fp8,
            tensor_parallel_size=self.tensor_parallel_size,
            gpu_share=gpu_share or self.num_gpus_per_worker,
            in_flight=in_flight,
            vllm_kwargs=self.vllm_kwargs,
        )

    def _endpoint(self) -> EndpointOptions | None:
        if not (self.is_remote and self.endpoint_url and self.endpoint_model):
            return None
        return EndpointOptions(
            self.endpoint_url,
            self.endpoint_model,
            self.endpoint_key_variable,
            concurrency=self.endpoint_concurrency,
            timeout_s=self.endpoint_timeout_s,
            max_attempts=self.endpoint_max_attempts,
            extra=self.endpoint_extra,
        )

    @model_validator(mode="after")
    def _names_its_endpoint(self) -> Self:
        if self.is_remote and not (self.endpoint_url and self.endpoint_model):
            raise ValueError("an endpoint needs both endpoint_url and endpoint_model")
        if self.is_remote and self.fp8:
            raise ValueError("fp8 is chosen where the endpoint runs: leave it out here")
        if self.backend == "transformers" and self.fp8:
            raise ValueError("fp8 needs the vllm backend: transformers has none")
        return self


LIMIT_COLUMNS = (
    Column("limit", pa.string(), "limit that cut the text", table="state"),
    Column("limit_value", pa.float64(), "its value", table="state"),
)
"""By these the text is asked for again once the limit was raised."""


def answer_columns(answer: Caption, stage: ServedModel, prefix: str = "") -> dict[str, object]:
    """Returns an answer as the columns that captions and enhanced captions have in common."""
    is_cut = answer.status == "truncated"
    return {
        f"{prefix}caption": answer.text or None,
        f"{prefix}status": answer.status,
        f"{prefix}message": answer.message or None,
        f"{prefix}input_tokens": answer.input_tokens,
        f"{prefix}output_tokens": answer.output_tokens,
        "limit": "max_output_tokens" if is_cut else None,
        "limit_value": float(stage.max_output_tokens) if is_cut else None,
    }


def with_prompt(rows: pa.Table, stage: ServedModel, prefix: str = "") -> pa.Table:
    """Returns rows with what the model was asked, where it was asked something."""
    prompt = "\n\n".join(stage.asked())
    is_asked = rows[f"{prefix}prompt_digest"].is_valid()
    return rows.append_column(
        f"{prefix}prompt", arrow.if_else(is_asked, pa.scalar(prompt), pa.scalar(None, pa.string()))
    )


def needs_captions(what: str) -> SpecError:
    """Returns the error of a stage that asks the run's captioner where the run has none."""
    return SpecError(f"{what} need captions: a CaptionGenerationStage says which model answers")
