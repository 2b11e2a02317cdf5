"""Captions worked over by a language model that sees no frames."""

from typing import Annotated, ClassVar

from pydantic import Field

from clipmill.stages.base import SPEED
from clipmill.stages.video.caption.caption_preparation import PromptVariant
from clipmill.stages.video.caption.serving import VARIANT_PATTERN, ServedModel

ENHANCED_KEY = "qwen_lm"
"""Under which the documents keep the enhanced caption, whoever wrote it."""


class CaptionEnhancementStage(ServedModel):
    """Expands and refines captions, under ``enhanced_caption["qwen_lm"]``.

    ``prompt_text`` replaces the prompt of ``prompt_variant``. ``model_batch_size`` captions are worked on at
    once. ``captioning_model_variant`` names whose captions; None takes those of the run.
    """

    stage_name: ClassVar[str] = "enhance"

    prompt_variant: PromptVariant = "default"
    prompt_text: str | None = Field(default=None, min_length=1)
    model_batch_size: Annotated[int, Field(ge=1), SPEED] = 128
    captioning_model_variant: str | None = Field(default=None, pattern=VARIANT_PATTERN)
