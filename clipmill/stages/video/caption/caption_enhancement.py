"""Captions worked over by a language model that sees no frames."""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Self

import pyarrow as pa
from pydantic import Field

from clipmill.models.captioning.answers import Answered, AskingWorker
from clipmill.models.captioning.chat import Caption, ChatRequest
from clipmill.models.captioning.options import ServingOptions
from clipmill.models.captioning.prompts import ENHANCEMENT_PROMPTS, PromptVariant, prompt_digest
from clipmill.stages.base import (
    SPEED,
    Column,
    Grain,
    Item,
    Reads,
    Resources,
    RunView,
    StageContext,
)
from clipmill.stages.video.caption.caption_generation import BATCHES_IN_LINE, CaptionGenerationStage
from clipmill.stages.video.caption.text_model import (
    LIMIT_COLUMNS,
    VARIANT_PATTERN,
    ServedModel,
    answer_columns,
    needs_captions,
    with_prompt,
)

ENHANCED_KEY = "qwen_lm"
"""Under which NeMo Curator keeps the enhanced caption, whichever model wrote it."""
CAPTION = "caption:caption"


class CaptionEnhancementStage(ServedModel):
    """Expands and refines captions, under ``enhanced_caption["qwen_lm"]``.

    ``prompt_text`` replaces the prompt of ``prompt_variant``. ``model_batch_size`` captions are worked on at
    once. ``captioning_model_variant`` names whose captions; None takes those of the run.
    """

    name: ClassVar[str] = "enhancement"
    grain: ClassVar[Grain] = "window"
    environment: ClassVar[str] = "vllm"
    can_wait: ClassVar[bool] = True
    writes: ClassVar[tuple[Column, ...]] = (
        Column("enhanced_model", pa.string(), "model that wrote the enhanced caption"),
        Column(
            "enhanced_caption",
            pa.string(),
            "the caption, expanded and refined",
            role="enhanced_caption",
            json=f"{ENHANCED_KEY}_enhanced_caption",
        ),
        Column(
            "enhanced_status",
            pa.string(),
            "success, truncated, blocked, error, skipped or duplicate",
            role="status",
            failed="error",
            repeated="duplicate",
        ),
        Column("enhanced_revision", pa.string(), "revision of the model's weights", table="state"),
        Column("enhanced_prompt_digest", pa.string(), "names what the model was asked", table="state"),
        Column("enhanced_message", pa.string(), "why there is no enhanced caption", table="state"),
        Column("enhanced_input_tokens", pa.int64(), "tokens that the model read", table="state"),
        Column("enhanced_output_tokens", pa.int64(), "tokens that the model wrote", table="state"),
        Column("enhanced_prompt", pa.string(), "what the model was asked to make of a caption", derived=True),
        *LIMIT_COLUMNS,
    )

    prompt_variant: PromptVariant = "default"
    prompt_text: str | None = Field(default=None, min_length=1)
    model_batch_size: Annotated[int, Field(ge=1), SPEED] = 128
    captioning_model_variant: str | None = Field(default=None, pattern=VARIANT_PATTERN)

    def bind(self, run: RunView) -> Self:
        """Takes over whose captions the run has. SpecError where it has none."""
        captions = run.find(CaptionGenerationStage)
        if captions is None:
            raise needs_captions("enhancement")
        return self.bound(captioning_model_variant=self.captioning_model_variant or captions.model_variant)

    @property
    def caption_key(self) -> str:
        """``qwen_lm``."""
        return ENHANCED_KEY

    @property
    def prompt(self) -> str:
        """What the model makes of a caption."""
        return self.prompt_text or ENHANCEMENT_PROMPTS[self.prompt_variant]

    def asked(self) -> tuple[str, ...]:
        return (self.prompt,)

    def published(self, rows: pa.Table) -> pa.Table:
        """Returns rows with the prompt beside its digest."""
        return with_prompt(rows, self, "enhanced_")

    def reads(self) -> Reads:
        return Reads(columns=(CAPTION,))

    def resources(self) -> Resources:
        at_once = self.endpoint_concurrency if self.is_remote else self.model_batch_size
        return Resources(
            gpus=self.gpus_per_worker, batch_items=BATCHES_IN_LINE * at_once, max_workers=self.max_workers
        )

    def serving(self, *, gpu_share: float = 0.0) -> ServingOptions:
        return self._serving(vision=None, in_flight=self.model_batch_size, gpu_share=gpu_share)

    def open(self, context: StageContext) -> "EnhancementWorker":
        return EnhancementWorker(self, context)


class EnhancementWorker(AskingWorker):
    """Asks one model to work over captions; a window without a caption is skipped."""

    def __init__(self, stage: CaptionEnhancementStage, context: StageContext) -> None:
        super().__init__(context, stage.serving(gpu_share=context.gpu_share))
        model, revision = stage.writer()
        self._origin = {
            "enhanced_model": model,
            "enhanced_revision": revision,
            "enhanced_prompt_digest": prompt_digest(stage.prompt, None),
        }
        self._stage = stage

    def request(self, item: Item) -> ChatRequest:
        """Returns the caption, and what the model is to make of it."""
        text = str(item.columns[CAPTION])
        return ChatRequest(item.id, text, self._stage.prompt, max_output_tokens=self.max_output_tokens)

    def columns(self, answer: Caption) -> Mapping[str, object]:
        return {**self._origin, **answer_columns(answer, self._stage, "enhanced_")}

    def stream(self, items: Iterator[Item]) -> Iterator[Answered]:
        """Yields window ids and columns, those of skipped windows between the answers."""
        skipped = deque[str]()
        for answer in super().stream(_captioned(items, skipped)):
            yield from self._skipped(skipped)
            yield answer
        yield from self._skipped(skipped)

    def _skipped(self, window_ids: deque[str]) -> Iterator[Answered]:
        while window_ids:
            window_id = window_ids.popleft()
            yield window_id, self.columns(Caption(window_id, "", "skipped"))


def _captioned(items: Iterator[Item], skipped: deque[str]) -> Iterator[Item]:
    """Yields items with a caption; notes the ids of the others in ``skipped``."""
    for item in items:
        if item.columns[CAPTION]:
            yield item
        else:
            skipped.append(item.id)
