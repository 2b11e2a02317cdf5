"""The small stream of every frame that shot detectors read."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from clipmill.stages.base import SPEED, Grain, Reads, Stage


class VideoFrameExtractionStage(Stage):
    """Every frame of a video at ``output_hw`` (height, width): 27x48, what the detectors are made for."""

    name: ClassVar[str] = "thumbnails"
    grain: ClassVar[Grain] = "run"

    output_hw: tuple[Literal[27], Literal[48]] = (27, 48)
    pyncv_batch_size: Annotated[int, Field(ge=1), SPEED] = 64

    def reads(self) -> Reads:
        """Returns the small stream itself."""
        return Reads(thumbnails=True)
