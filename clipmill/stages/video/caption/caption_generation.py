"""Captions of windows, written by a vision language model."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from clipmill.stages.base import SPEED
from clipmill.stages.video.caption.serving import ServedModel

MAX_ANSWER_TOKENS = 32
"""A yes or no needs one; more leave room for a model that says why."""


class CaptionGenerationStage(ServedModel):
    """Describes each window of a clip, under ``caption[model_variant]``.

    With ``generate_stage2_caption`` the model is shown the window and its first caption again, and asked to
    refine it by ``stage2_prompt_text``. ``caption_batch_size`` windows are worked on at once.
    ``disable_mmcache`` keeps no prepared frames between requests. Where frames come within the pixel budget
    is said by ``model_does_preprocess``: here by the model's own, else as the preparation made them.
    ``endpoint_frames`` is how an endpoint is given frames: as one video of JPEGs, or as single images.
    """

    stage_name: ClassVar[str] = "caption"

    caption_batch_size: Annotated[int, Field(ge=1), SPEED] = 16
    model_does_preprocess: bool = False
    disable_mmcache: Annotated[bool, SPEED] = False
    generate_stage2_caption: bool = False
    stage2_prompt_text: str | None = Field(default=None, min_length=1)
    endpoint_frames: Literal["video_url", "image_url"] = "video_url"

    def for_questions(self) -> "CaptionGenerationStage":
        """The same model asked for a word: no second question, and few tokens."""
        once = {"generate_stage2_caption": False, "stage2_prompt_text": None}
        return self.model_copy(update={**once, "max_output_tokens": MAX_ANSWER_TOKENS})
