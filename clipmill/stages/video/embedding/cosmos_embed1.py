"""The documented pair of stages of Cosmos-Embed1: one says how frames are sampled, the other embeds them."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from clipmill.errors import SpecError
from clipmill.stages.base import BOUND, SPEED, Cpus, RunView, SampleRate, Stage
from clipmill.stages.video.embedding.learned_model import LearnedAlgorithm, LearnedEmbedding

Variant = Literal["224p", "336p", "448p"]

_ALGORITHM: dict[Variant, LearnedAlgorithm] = {
    "224p": "cosmos-embed1-224p", "336p": "cosmos-embed1-336p", "448p": "cosmos-embed1-448p",
}  # fmt: skip


class CosmosEmbed1FrameCreationStage(Stage):
    """Frames for Cosmos-Embed1, sampled at ``target_fps``; ``CosmosEmbed1EmbeddingStage`` reads them."""

    name: ClassVar = "cosmos_embed1_frames"
    grain: ClassVar = "run"

    model_dir: Annotated[str, Field(min_length=1), SPEED] = "models/cosmos_embed1"
    variant: Variant = "336p"
    target_fps: SampleRate = 2.0
    num_cpus: Cpus = 3

    def bind(self, run: RunView) -> Self:
        """Returns this stage. SpecError for a run in which no stage embeds the frames."""
        if run.find(CosmosEmbed1EmbeddingStage) is None:
            raise SpecError(
                "no stage embeds the frames of CosmosEmbed1FrameCreationStage: add CosmosEmbed1EmbeddingStage"
            )
        return self


class CosmosEmbed1EmbeddingStage(LearnedEmbedding):
    """Embeds clips by Cosmos-Embed1, and finds which of ``texts_to_verify`` fits each best.

    The model brings its own code: that it may run is said by adding this stage. ``target_fps`` is that of
    ``CosmosEmbed1FrameCreationStage``.
    """

    environment: ClassVar = "legacy"

    model_dir: Annotated[str, Field(min_length=1), SPEED] = "models/cosmos_embed1"
    variant: Variant = "336p"
    target_fps: Annotated[SampleRate, BOUND] = 2.0

    def model_name(self) -> LearnedAlgorithm:
        """Returns the model of the variant."""
        return _ALGORITHM[self.variant]

    def bind(self, run: RunView) -> Self:
        """Returns this stage at the rate of the stage that makes frames. SpecError when the two differ."""
        frames = run.find(CosmosEmbed1FrameCreationStage)
        fed = self.fed_by(frames) if frames else self
        return super(CosmosEmbed1EmbeddingStage, fed).bind(run)

    def fed_by(self, frames: CosmosEmbed1FrameCreationStage) -> Self:
        """Returns this stage at the rate of ``frames``. SpecError for another variant or folder."""
        if (frames.variant, frames.model_dir) != (self.variant, self.model_dir):
            raise SpecError(
                f"CosmosEmbed1FrameCreationStage makes frames for {frames.variant} of {frames.model_dir}, "
                f"CosmosEmbed1EmbeddingStage wants {self.variant} of {self.model_dir}"
            )
        return self.bound(target_fps=frames.target_fps, verbose=self.verbose or frames.verbose)
