"""Aesthetic scores of clips, and the filter over them."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from clipmill.stages.base import SPEED, StageSpec
from clipmill.stages.video.embedding.learned import Device


class ClipAestheticFilterStage(StageSpec):
    """Filters a clip whose aesthetic score is below ``score_threshold``.

    The score of a clip is the ``reduction`` of the scores of its frames, sampled at ``target_fps``: the LAION
    head over CLIP ViT-L/14, about 1 (ugly) to 10 (beautiful), most footage between 4 and 6. With
    ``score_only`` nothing is filtered. A clip without frames has no score and is never filtered by it.
    """

    stage_name: ClassVar[str] = "aesthetic"
    STAGE_VERSION: ClassVar[int] = 2

    # Where weights lie changes nothing; which ones they are is said by the model table.
    model_dir: Annotated[str, Field(min_length=1), SPEED] = "models/clip_aesthetic"
    score_threshold: float = 0.5
    reduction: Literal["min", "mean"] = "min"
    target_fps: float = Field(default=1.0, gt=0, le=60)
    num_gpus_per_worker: Annotated[float, Field(ge=0), SPEED] = 0.25
    score_only: bool = False
    device: Annotated[Device, SPEED] = "auto"
    batch_size: Annotated[int, Field(ge=1), SPEED] = 32

    @property
    def frame_height_px(self) -> int:
        """Least height of the sampled frames: the side of the square that CLIP looks at."""
        return 224
