"""Motion scores of clips, and the filter over them."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from clipmill.stages.base import SPEED, Cpus, StageSpec


class MotionVectorDecodeStage(StageSpec):
    """How motion is measured: at ``target_fps`` instants a second, between a frame and the one before it.

    ``target_duration_ratio`` is the share of those instants that is used, spread over the whole clip.
    ``motion_source`` ``blocks`` is one estimator for every codec; ``vectors`` reads the decoder's own (H.264
    only). ``separate_camera`` also scores the motion of the camera apart from that of objects.
    """

    stage_name: ClassVar[str] = "motion"
    STAGE_VERSION: ClassVar[int] = 2

    num_cpus_per_worker: Cpus = 6.0
    target_fps: float = Field(default=2.0, gt=0, le=60)
    target_duration_ratio: float = Field(default=1.0, gt=0, le=1)
    motion_source: Literal["blocks", "vectors"] = "blocks"
    separate_camera: bool = False

    @model_validator(mode="after")
    def _camera_needs_blocks(self) -> Self:
        if self.separate_camera and self.motion_source == "vectors":
            raise ValueError("separate_camera needs motion_source: blocks")
        return self


class MotionFilterStage(StageSpec):
    """Filters a clip whose mean motion, or the least motion of its 256x256 patches, is below its threshold.

    Scores are the mean length of the flow over (height + width). With ``score_only`` nothing is filtered.
    A clip without motion data has no score and is never filtered by it.
    """

    stage_name: ClassVar[str] = "motion_filter"

    score_only: bool = False
    global_mean_threshold: float = Field(default=0.00098, ge=0)
    per_patch_min_256_threshold: float = Field(default=0.000001, ge=0)
    num_gpus_per_worker: Annotated[float, Field(ge=0), SPEED] = 0
    motion_filter_batch_size: Annotated[int, Field(ge=1), SPEED] = 256
