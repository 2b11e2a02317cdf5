"""Windows of a clip's frames, as captioners and previews use them."""

from typing import ClassVar, Literal

from pydantic import Field

from clipmill.stages.base import StageSpec


class CaptionPreparationStage(StageSpec):
    """Splits clips into windows of ``window_size`` frames.

    What is left over is its own window when it has at least ``remainder_threshold`` frames, else it extends
    the last one. The parameters of prompts and preprocessing are kept for the captioner that reads them.
    """

    stage_name: ClassVar[str] = "windows"

    model_variant: str = "qwen"
    prompt_variant: Literal["default", "av", "av-surveillance"] = "default"
    prompt_text: str | None = None
    sampling_fps: float = Field(default=2.0, gt=0, le=60)
    window_size: int = Field(default=256, ge=4)
    remainder_threshold: int = Field(default=128, ge=1)
    model_does_preprocess: bool = False
    preprocess_dtype: Literal["float32", "float16", "bfloat16", "uint8"] = "float32"
    generate_previews: bool = True
