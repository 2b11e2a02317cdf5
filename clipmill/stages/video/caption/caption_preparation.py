"""Windows of a clip's frames, as captioners and previews use them."""

from typing import ClassVar, Literal

from pydantic import Field

from clipmill.stages.base import StageSpec
from clipmill.stages.video.caption.serving import VARIANT_PATTERN

PromptVariant = Literal["default", "av", "av-surveillance"]
"""What a prompt steers to: anything, a car's camera, a surveillance camera."""

WINDOW_FIELDS = frozenset({"window_size", "remainder_threshold"})
PROMPT_FIELDS = frozenset({"prompt_variant", "prompt_text"})


class CaptionPreparationStage(StageSpec):
    """Splits clips into windows of ``window_size`` frames, and says what a captioner sees of each.

    What is left over is its own window when it has at least ``remainder_threshold`` frames, else it extends
    the last one. A window is shown by ``sampling_fps`` frames a second, an even number from 4 to 768, sampled
    at ``frame_height_px``. ``prompt_text`` replaces the prompt of ``prompt_variant``. Frames are brought
    within the pixel budget of the model here, in numbers of ``preprocess_dtype``, unless
    ``model_does_preprocess``; what is handed on is 8-bit either way.
    """

    stage_name: ClassVar[str] = "windows"

    model_variant: str = Field(default="qwen", pattern=VARIANT_PATTERN)
    prompt_variant: PromptVariant = "default"
    prompt_text: str | None = Field(default=None, min_length=1)
    sampling_fps: float = Field(default=2.0, gt=0, le=60)
    window_size: int = Field(default=256, ge=4)
    remainder_threshold: int = Field(default=128, ge=1)
    model_does_preprocess: bool = False
    preprocess_dtype: Literal["float32", "float16", "bfloat16", "uint8"] = "float32"
    generate_previews: bool = True
    frame_height_px: int = Field(default=336, ge=56, le=2160)

    def for_windows(self) -> "CaptionPreparationStage":
        """What decides where windows lie, everything else at its default."""
        return CaptionPreparationStage.model_validate(self.model_dump(include=set(WINDOW_FIELDS)))

    def for_captions(self) -> "CaptionPreparationStage":
        """What decides what a captioner sees and is asked."""
        return CaptionPreparationStage.model_validate(
            self.model_dump(exclude={"generate_previews", "verbose"})
        )

    def for_questions(self) -> "CaptionPreparationStage":
        """What decides what a captioner sees when it is asked something else."""
        return CaptionPreparationStage.model_validate(
            self.model_dump(exclude={"generate_previews", "verbose", *PROMPT_FIELDS})
        )
