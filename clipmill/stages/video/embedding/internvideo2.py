"""The documented pair of stages of InternVideo2: one says how frames are sampled, the other embeds them."""

from typing import Annotated, ClassVar, Self

from pydantic import Field

from clipmill.errors import SpecError
from clipmill.stages.base import BOUND, SPEED, RunView, SampleRate, Stage
from clipmill.stages.video.embedding.learned_model import LearnedAlgorithm, LearnedEmbedding


class InternVideo2FrameCreationStage(Stage):
    """Frames for InternVideo2, sampled at ``target_fps``; ``InternVideo2EmbeddingStage`` reads them."""

    name: ClassVar = "internvideo2_frames"
    grain: ClassVar = "run"

    model_dir: Annotated[str, Field(min_length=1), SPEED] = "InternVideo2"
    target_fps: SampleRate = 2.0

    def bind(self, run: RunView) -> Self:
        """Returns this stage. SpecError for a run in which no stage embeds the frames."""
        if run.find(InternVideo2EmbeddingStage) is None:
            raise SpecError(
                "no stage embeds the frames of InternVideo2FrameCreationStage: add InternVideo2EmbeddingStage"
            )
        return self


class InternVideo2EmbeddingStage(LearnedEmbedding):
    """Embeds clips by InternVideo2, and finds which of ``texts_to_verify`` fits each best.

    The model brings its own code: that it may run is said by adding this stage. ``target_fps`` is that of
    ``InternVideo2FrameCreationStage``.
    """

    environment: ClassVar = "legacy"

    model_dir: Annotated[str, Field(min_length=1), SPEED] = "InternVideo2"
    target_fps: Annotated[SampleRate, BOUND] = 2.0
    gpu_memory_gb: Annotated[float, Field(ge=0), SPEED] = 10

    def model_name(self) -> LearnedAlgorithm:
        """Returns the one model that the stage embeds by."""
        return "internvideo2"

    def bind(self, run: RunView) -> Self:
        """Returns this stage at the rate of the stage that makes frames. SpecError when the two differ."""
        frames = run.find(InternVideo2FrameCreationStage)
        fed = self.fed_by(frames) if frames else self
        return super(InternVideo2EmbeddingStage, fed).bind(run)

    def fed_by(self, frames: InternVideo2FrameCreationStage) -> Self:
        """Returns this stage at the rate of ``frames``. SpecError for another folder."""
        if frames.model_dir != self.model_dir:
            raise SpecError(
                f"InternVideo2FrameCreationStage reads {frames.model_dir}, "
                f"InternVideo2EmbeddingStage reads {self.model_dir}"
            )
        return self.bound(target_fps=frames.target_fps, verbose=self.verbose or frames.verbose)
