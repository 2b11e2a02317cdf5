"""The clip embedding that needs no weights."""

from typing import ClassVar, Literal

from pydantic import Field

from clipmill.stages.base import StageSpec


class PerceptualEmbeddingStage(StageSpec):
    """A descriptor of how a clip looks over time. It finds copies, not meaning.

    Frames are sampled at ``target_fps``.
    """

    stage_name: ClassVar[str] = "embed_perceptual"
    algorithm: Literal["perceptual"] = "perceptual"
    target_fps: float = Field(default=2.0, gt=0, le=60)
