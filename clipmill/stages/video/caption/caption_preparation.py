"""Windows of a clip's frames, as captioners and previews use them."""

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar, Literal

from pydantic import Field

from clipmill.models.captioning.frames import WindowOptions
from clipmill.models.captioning.prompts import CAPTION_PROMPTS, PromptVariant
from clipmill.records import ClipSpan, FrameSpan
from clipmill.stages.base import SampleRate
from clipmill.stages.roles import WindowStage
from clipmill.stages.video.caption.text_model import VARIANT_PATTERN

__all__ = ["CaptionPreparationStage", "PromptVariant"]

WINDOW_FIELDS = frozenset({"window_size", "remainder_threshold"})
PROMPT_FIELDS = frozenset({"prompt_variant", "prompt_text"})
FRAME_FIELDS = frozenset({"sampling_fps", "frame_height_px", "model_does_preprocess", "preprocess_dtype"})
MIN_WINDOW_FRAMES = 4
"""Clips shorter than this have no caption window."""


class CaptionPreparationStage(WindowStage):
    """Splits clips into windows of ``window_size`` frames, and says what a captioner sees of each.

    What is left over is its own window when it has at least ``remainder_threshold`` frames, else it extends
    the last one. A window is shown by ``sampling_fps`` frames a second, an even number from 4 to 768, sampled
    at ``frame_height_px``. ``prompt_text`` replaces the prompt of ``prompt_variant``. Frames are brought
    within the pixel budget of the model here, in numbers of ``preprocess_dtype``, unless
    ``model_does_preprocess``; what is handed on is 8-bit either way. Without ``generate_previews`` windows
    have no MP4, and a ``PreviewStage`` is refused.
    """

    name: ClassVar[str] = "windows"

    model_variant: str = Field(default="qwen", pattern=VARIANT_PATTERN)
    prompt_variant: PromptVariant = "default"
    prompt_text: str | None = Field(default=None, min_length=1)
    sampling_fps: SampleRate = 2.0
    window_size: int = Field(default=256, ge=4)
    remainder_threshold: int = Field(default=128, ge=1)
    model_does_preprocess: bool = False
    preprocess_dtype: Literal["float32", "float16", "bfloat16", "uint8"] = "float32"
    generate_previews: bool = True
    frame_height_px: int = Field(default=336, ge=56, le=2160)

    def windows(self, clip: ClipSpan) -> Sequence[FrameSpan]:
        return split_windows(
            clip.frames.num_frames,
            window_size=self.window_size,
            remainder_threshold=self.remainder_threshold,
        )

    def places_digest(self) -> str:
        return self.digest()

    @property
    def allows_previews(self) -> bool:
        return self.generate_previews

    @property
    def prompt(self) -> str:
        """What a captioner is asked about a window."""
        return self.prompt_text or CAPTION_PROMPTS[self.prompt_variant]

    @property
    def options(self) -> WindowOptions:
        """How a window is shown."""
        return WindowOptions(
            variant=self.model_variant,
            sampling_fps=self.sampling_fps,
            does_preprocess=self.model_does_preprocess,
            dtype=self.preprocess_dtype,
        )

    def result_fields(self) -> dict[str, object]:
        """Returns what moves windows; prompts and frames are in the digests of the stages that show them."""
        return self._given(WINDOW_FIELDS)

    def shown_fields(self) -> dict[str, object]:
        """Returns what a captioner sees and is asked, where it differs from the default, as JSON values."""
        return self._given(FRAME_FIELDS | PROMPT_FIELDS)

    def without_prompt(self) -> "CaptionPreparationStage":
        """Returns a copy that shows the same frames and asks what the default does."""
        given = {name: getattr(self, name) for name in self.model_fields_set - PROMPT_FIELDS}
        return type(self).model_validate(given)

    def _given(self, fields: frozenset[str]) -> dict[str, object]:
        return self.model_dump(mode="json", include=set(fields), exclude_defaults=True)


def split_windows(num_frames: int, *, window_size: int, remainder_threshold: int) -> list[FrameSpan]:
    """Cut a clip into caption windows of ``window_size`` frames.

    A remainder of at least ``remainder_threshold`` frames is a window of its own, a smaller one lengthens the
    last window. A clip of at most ``window_size`` frames is one window; one of fewer than four has none.
    """
    if num_frames < MIN_WINDOW_FRAMES:
        return []
    if num_frames <= window_size:
        return [FrameSpan(0, num_frames)]
    num_full, remainder = divmod(num_frames, window_size)
    edges = [index * window_size for index in range(num_full + 1)]
    if remainder and remainder >= remainder_threshold:
        edges.append(num_frames)
    edges[-1] = num_frames
    return [FrameSpan(start, end) for start, end in pairwise(edges)]
