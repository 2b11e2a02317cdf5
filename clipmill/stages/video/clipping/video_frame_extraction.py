"""The small stream of every frame that shot detectors read."""

from typing import Annotated, ClassVar

from pydantic import Field

from clipmill.stages.base import SPEED_ONLY, StageSpec


class VideoFrameExtractionStage(StageSpec):
    """Every frame of a video at ``output_hw`` (height, width); the detectors here expect 27x48."""

    stage_name: ClassVar[str] = "thumbnails"

    output_hw: tuple[int, int] = (27, 48)
    pyncv_batch_size: Annotated[int, Field(ge=1), SPEED_ONLY] = 64
