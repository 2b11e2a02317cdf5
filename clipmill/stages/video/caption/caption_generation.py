"""Captions of windows, written by a vision language model."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Self

import pyarrow as pa
from pydantic import Field

from clipmill.errors import SpecError
from clipmill.models.captioning.answers import AskingWorker
from clipmill.models.captioning.chat import Caption, ChatRequest
from clipmill.models.captioning.options import FramesAs, ServingOptions, VisionOptions
from clipmill.models.captioning.prompts import REFINEMENT, prompt_digest
from clipmill.stages.base import (
    BOUND,
    SPEED,
    Column,
    Frames,
    Grain,
    Item,
    Reads,
    Resources,
    RunView,
    StageContext,
    rate,
)
from clipmill.stages.video.caption.caption_preparation import CaptionPreparationStage
from clipmill.stages.video.caption.text_model import LIMIT_COLUMNS, ServedModel, answer_columns, with_prompt

MAX_ANSWER_TOKENS = 32
"""A yes or no needs one; more leave room for a model that says why."""
BATCHES_IN_LINE = 8
"""Windows that one call of the worker gets, in multiples of those that are worked on at once."""


class CaptionGenerationStage(ServedModel):
    """Describes each window of a clip, under ``caption[model_variant]``.

    With ``generate_stage2_caption`` the model is shown the window and its first caption again, and asked to
    refine it by ``stage2_prompt_text``. ``caption_batch_size`` windows are worked on at once.
    ``disable_mmcache`` keeps no prepared frames between requests. Where frames come within the pixel budget
    is said by ``model_does_preprocess``: here by the model's own, else as the preparation made them.
    ``endpoint_frames`` is how an endpoint is given frames: as one video of JPEGs, or as single images.
    """

    name: ClassVar[str] = "caption"
    grain: ClassVar[Grain] = "window"
    environment: ClassVar[str] = "vllm"
    can_wait: ClassVar[bool] = True
    writes: ClassVar[tuple[Column, ...]] = (
        Column("model", pa.string(), "model that wrote the caption"),
        Column("revision", pa.string(), "revision of the model's weights; null for an endpoint"),
        Column("prompt_digest", pa.string(), "names what the model was asked"),
        Column("caption", pa.string(), "text of the window", role="caption", json="{model_variant}_caption"),
        Column(
            "status",
            pa.string(),
            "success, truncated, blocked, error, skipped or duplicate",
            nullable=False,
            role="status",
            without="skipped",
            failed="error",
            repeated="duplicate",
        ),
        Column("message", pa.string(), "why there is no caption", table="state"),
        Column("input_tokens", pa.int64(), "tokens that the model read"),
        Column("output_tokens", pa.int64(), "tokens that the model wrote"),
        Column(
            "prompt",
            pa.string(),
            "what the model was asked; behind it what for, the second time",
            derived=True,
        ),
        *LIMIT_COLUMNS,
    )

    caption_batch_size: Annotated[int, Field(ge=1), SPEED] = 16
    model_does_preprocess: bool = False
    disable_mmcache: Annotated[bool, SPEED] = False
    generate_stage2_caption: bool = False
    stage2_prompt_text: str | None = Field(default=None, min_length=1)
    endpoint_frames: FramesAs = "video_url"
    preparation: Annotated[CaptionPreparationStage, BOUND] = CaptionPreparationStage()

    def bind(self, run: RunView) -> Self:
        """Takes over what a captioner sees and is asked. SpecError where that names another variant."""
        preparation = run.find(CaptionPreparationStage) or CaptionPreparationStage()
        return self.bound(preparation=self.prepared_by(preparation))

    def prepared_by(self, preparation: CaptionPreparationStage) -> CaptionPreparationStage:
        """Returns the preparation for this captioner's variant. SpecError where both name different ones."""
        if preparation.model_variant == self.model_variant:
            return preparation
        if "model_variant" in preparation.model_fields_set & self.model_fields_set:
            raise SpecError(
                f"windows are prepared for {preparation.model_variant}, captions come from "
                f"{self.model_variant}"
            )
        return preparation.model_copy(update={"model_variant": self.model_variant})

    def for_questions(self) -> Self:
        """The same model asked for a word: no second question, few tokens, no prompt of captions."""
        return self.model_copy(
            update={
                "generate_stage2_caption": False,
                "stage2_prompt_text": None,
                "max_output_tokens": MAX_ANSWER_TOKENS,
                "preparation": self.preparation.without_prompt(),
            }
        )

    @property
    def caption_key(self) -> str:
        """The variant."""
        return self.model_variant

    @property
    def refinement(self) -> str | None:
        """What the model is asked the second time, before the first caption; None when it is asked once."""
        return (self.stage2_prompt_text or REFINEMENT) if self.generate_stage2_caption else None

    def result_fields(self) -> dict[str, object]:
        """Returns the fields that change a caption; of the preparation, what the model sees and is asked."""
        fields = super().result_fields()
        fields.pop("preparation", None)
        shown = self.preparation.shown_fields()
        return {**fields, "preparation": shown} if shown else fields

    def asked(self) -> tuple[str, ...]:
        return (self.preparation.prompt, *([self.refinement] if self.refinement else []))

    def published(self, rows: pa.Table) -> pa.Table:
        """Returns rows with the prompt beside its digest."""
        return with_prompt(rows, self)

    def reads(self) -> Reads:
        return Reads(frames=Frames(rate(self.preparation.sampling_fps), self.preparation.frame_height_px))

    def resources(self) -> Resources:
        at_once = self.endpoint_concurrency if self.is_remote else self.caption_batch_size
        return Resources(
            gpus=self.gpus_per_worker,
            batch_items=BATCHES_IN_LINE * at_once,
            grows=True,
            max_workers=self.max_workers,
        )

    def serving(self, *, gpu_share: float = 0.0) -> ServingOptions:
        vision = VisionOptions(
            does_preprocess=self.model_does_preprocess,
            keeps_prepared=not self.disable_mmcache,
            endpoint_frames=self.endpoint_frames,
        )
        return self._serving(vision=vision, in_flight=self.caption_batch_size, gpu_share=gpu_share)

    def open(self, context: StageContext) -> "CaptionWorker":
        return CaptionWorker(self, context)


class CaptionWorker(AskingWorker):
    """Asks one model about the windows of many clips."""

    def __init__(self, stage: CaptionGenerationStage, context: StageContext) -> None:
        super().__init__(context, stage.serving(gpu_share=context.gpu_share), refinement=stage.refinement)
        model, revision = stage.writer()
        digest = prompt_digest(stage.preparation.prompt, stage.refinement)
        self._origin = {"model": model, "revision": revision, "prompt_digest": digest}
        self._stage = stage

    def request(self, item: Item) -> ChatRequest:
        """Returns the prompt, and the frames of the window."""
        shown = self._stage.preparation
        return self.about_frames(item, shown.prompt, shown.options)

    def columns(self, answer: Caption) -> Mapping[str, object]:
        return {**self._origin, **answer_columns(answer, self._stage)}
