"""The documented pair of stages of InternVideo2: one says how frames are sampled, the other embeds them."""

from typing import Annotated, ClassVar, Self

from pydantic import Field

from clipmill.errors import SpecError
from clipmill.stages.base import SPEED
from clipmill.stages.video.embedding.learned_model import FrameCreation, LearnedAlgorithm, PairedEmbedding


class InternVideo2FrameCreationStage(FrameCreation):
    """Frames for InternVideo2, sampled at ``target_fps``; ``InternVideo2EmbeddingStage`` reads them."""

    name: ClassVar = "internvideo2_frames"

    model_dir: Annotated[str, Field(min_length=1), SPEED] = "InternVideo2"

    def embedded_by(self) -> "type[InternVideo2EmbeddingStage]":
        return InternVideo2EmbeddingStage


class InternVideo2EmbeddingStage(PairedEmbedding):
    """Embeds clips by InternVideo2, and finds which of ``texts_to_verify`` fits each best.

    The model brings its own code: that it may run is said by adding this stage. ``target_fps`` is that of
    ``InternVideo2FrameCreationStage``.
    """

    frames_by: ClassVar = InternVideo2FrameCreationStage

    model_dir: Annotated[str, Field(min_length=1), SPEED] = "InternVideo2"
    gpu_memory_gb: Annotated[float, Field(ge=0), SPEED] = 10

    def model_name(self) -> LearnedAlgorithm:
        """Returns the one model that the stage embeds by."""
        return "internvideo2"

    def fed_by(self, frames: FrameCreation) -> Self:
        """Returns this stage at the rate of ``frames``. SpecError for another folder."""
        if frames.model_dir != self.model_dir:
            raise SpecError(
                f"InternVideo2FrameCreationStage reads {frames.model_dir}, "
                f"InternVideo2EmbeddingStage reads {self.model_dir}"
            )
        return super().fed_by(frames)
