"""Clip embeddings by learned models."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from clipmill.stages.base import SPEED, StageSpec

LearnedAlgorithm = Literal[
    "cosmos-embed1-224p",
    "cosmos-embed1-336p",
    "cosmos-embed1-448p",
    "internvideo2",
    "siglip2",
    "videoprism",
    "clip",
]
Device = Literal["auto", "cpu", "cuda"]
"""Where a model runs; ``auto`` takes the GPU where there is one."""

_SIDE_PX: dict[LearnedAlgorithm, int] = {
    "cosmos-embed1-224p": 224, "cosmos-embed1-336p": 336, "cosmos-embed1-448p": 448, "internvideo2": 224,
    "siglip2": 224, "videoprism": 288, "clip": 224,
}  # fmt: skip


class LearnedEmbeddingStage(StageSpec):
    """Embeds clips by what they show.

    ``num_frames`` frames (None: as many as the model was made for), spread evenly over the whole clip, are
    taken of those sampled at ``target_fps``. Of ``texts_to_verify`` the one that fits a clip best is written
    with its probability. A model that brings its own code runs only if ``allow_remote_code`` names it.
    """

    stage_name: ClassVar[str] = "embed_learned"
    STAGE_VERSION: ClassVar[int] = 2

    algorithm: LearnedAlgorithm
    # Where weights lie changes nothing; which ones they are is said by the revision.
    model_dir: Annotated[str, Field(min_length=1), SPEED] = "models"
    revision: str | None = None
    target_fps: float = Field(default=2.0, gt=0, le=60)
    num_frames: int | None = Field(default=None, ge=1, le=256)
    texts_to_verify: list[str] | None = Field(default=None, min_length=1)
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    allow_remote_code: Annotated[list[str], SPEED] = Field(default_factory=list[str])
    batch_size: Annotated[int, Field(ge=1), SPEED] = 8
    gpu_memory_gb: Annotated[float, Field(ge=0), SPEED] = 20
    device: Annotated[Device, SPEED] = "auto"

    @property
    def frame_height_px(self) -> int:
        """Least height of the sampled frames: the side of the square that the model looks at."""
        return _SIDE_PX[self.algorithm]
