"""The small stream of every frame that shot detectors read."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from clipmill.stages.base import IGNORED, Grain, Reads, Stage


class VideoFrameExtractionStage(Stage):
    """Every frame of a video at ``output_hw`` (height, width): 27x48, what the detectors are made for.

    ``decoder`` of ``VideoReader`` says who decodes.
    """

    name: ClassVar[str] = "thumbnails"
    grain: ClassVar[Grain] = "run"

    output_hw: tuple[Literal[27], Literal[48]] = (27, 48)
    pyncv_batch_size: Annotated[int, Field(ge=1), IGNORED] = 64
    decoder_mode: Annotated[Literal["pynvc", "ffmpeg_gpu", "ffmpeg_cpu"], IGNORED] = "pynvc"
    ray_data_num_cpus: Annotated[float | None, IGNORED] = None

    def reads(self) -> Reads:
        """Returns the small stream itself."""
        return Reads(thumbnails=True)
