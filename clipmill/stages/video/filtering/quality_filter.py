"""Technical quality scores of clips, and the filter over them."""

from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from clipmill.stages.base import StageSpec


class Bounds(BaseModel):
    """Inclusive limits of a score; None leaves a side open."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is more than max {self.max}: nothing can pass")
        return self


OPEN = Bounds()


class QualityFilterStage(StageSpec):
    """Measures technical quality ``sample_fps`` times a second; filters clips outside the bounds (off by
    default).

    Scores: ``sharpness`` (mean of the frames' log-variance of the Laplacian), ``exposure`` (mean luma, 0..1),
    ``colourfulness`` (Hasler and Suesstrunk), ``blockiness`` (8x8 border steps over inner steps; 1 is none),
    ``black_ratio`` and ``frozen_ratio`` (shares of samples, 0..1), ``letterbox_ratio`` (share of the picture
    that is bars, 0..1), ``text_likeness`` (share of picture and time that lines like overlaid text cover,
    0..1). A clip outside the bounds of ``black_ratio`` is ``black``, of ``frozen_ratio``
    ``frozen``, of any other ``low_quality``. With ``score_only`` nothing is filtered.
    """

    stage_name: ClassVar[str] = "quality"
    STAGE_VERSION: ClassVar[int] = 2

    score_only: bool = False
    sample_fps: float = Field(default=1.0, gt=0, le=60)
    sharpness: Bounds = OPEN
    exposure: Bounds = OPEN
    colourfulness: Bounds = OPEN
    blockiness: Bounds = OPEN
    black_ratio: Bounds = OPEN
    frozen_ratio: Bounds = OPEN
    letterbox_ratio: Bounds = OPEN
    text_likeness: Bounds = OPEN

    @property
    def has_bounds(self) -> bool:
        """Whether a score may be outside of any."""
        return any(getattr(self, name) != OPEN for name in QUALITY_SCORES)


QUALITY_SCORES = (
    "sharpness", "exposure", "colourfulness", "blockiness", "black_ratio", "frozen_ratio", "letterbox_ratio",
    "text_likeness",
)  # fmt: skip
