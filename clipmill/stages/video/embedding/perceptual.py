"""The clip embedding that needs no weights."""

from typing import ClassVar, Literal

from pydantic import Field

from clipmill.stages.base import StageSpec


class PerceptualEmbeddingStage(StageSpec):
    """A descriptor of how a clip looks over time. It finds copies, not meaning.

    Frames are sampled at ``target_fps``. Beside each embedding lies a sketch, a few small pictures of the
    clip, by which deduplication verifies what may be a copy. With ``mirrored`` a mirror image is one as well.
    """

    stage_name: ClassVar[str] = "embed_perceptual"
    STAGE_VERSION: ClassVar[int] = 2
    algorithm: Literal["perceptual"] = "perceptual"
    target_fps: float = Field(default=2.0, gt=0, le=60)
    mirrored: bool = False
