"""The documents' two stages of InternVideo2; a plan joins them into one ``LearnedEmbeddingStage``."""

from typing import Annotated, ClassVar

from pydantic import Field

from clipmill.errors import SpecError
from clipmill.stages.base import SPEED, StageSpec
from clipmill.stages.video.embedding.learned import LearnedEmbeddingStage


class InternVideo2FrameCreationStage(StageSpec):
    """Frames for InternVideo2, sampled at ``target_fps``."""

    stage_name: ClassVar[str] = "internvideo2_frames"

    model_dir: Annotated[str, Field(min_length=1), SPEED] = "InternVideo2"
    target_fps: float = Field(default=2.0, gt=0, le=60)


class InternVideo2EmbeddingStage(StageSpec):
    """Embeds clips by InternVideo2, and finds which of ``texts_to_verify`` fits each best.

    The model brings its own code: that it may run is said by adding this stage.
    """

    stage_name: ClassVar[str] = "internvideo2"

    model_dir: Annotated[str, Field(min_length=1), SPEED] = "InternVideo2"
    texts_to_verify: list[str] | None = Field(default=None, min_length=1)
    gpu_memory_gb: Annotated[float, Field(ge=0), SPEED] = 10

    def as_learned(self, frames: InternVideo2FrameCreationStage | None = None) -> LearnedEmbeddingStage:
        """One stage of both. SpecError when the two name different folders."""
        made = frames or InternVideo2FrameCreationStage(model_dir=self.model_dir)
        if made.model_dir != self.model_dir:
            raise SpecError(
                f"InternVideo2FrameCreationStage reads {made.model_dir}, "
                f"InternVideo2EmbeddingStage reads {self.model_dir}"
            )
        return LearnedEmbeddingStage(
            algorithm="internvideo2",
            model_dir=self.model_dir,
            target_fps=made.target_fps,
            texts_to_verify=self.texts_to_verify,
            allow_remote_code=["internvideo2"],
            gpu_memory_gb=self.gpu_memory_gb,
            verbose=self.verbose or made.verbose,
        )
