"""The documented pair of stages of Cosmos-Embed1: one says how frames are sampled, the other embeds them."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from clipmill.errors import SpecError
from clipmill.stages.base import SPEED, Cpus
from clipmill.stages.video.embedding.learned_model import FrameCreation, LearnedAlgorithm, PairedEmbedding

Variant = Literal["224p", "336p", "448p"]

_ALGORITHM: dict[Variant, LearnedAlgorithm] = {
    "224p": "cosmos-embed1-224p", "336p": "cosmos-embed1-336p", "448p": "cosmos-embed1-448p",
}  # fmt: skip


class CosmosEmbed1FrameCreationStage(FrameCreation):
    """Frames for Cosmos-Embed1, sampled at ``target_fps``; ``CosmosEmbed1EmbeddingStage`` reads them."""

    name: ClassVar = "cosmos_embed1_frames"

    model_dir: Annotated[str, Field(min_length=1), SPEED] = "models/cosmos_embed1"
    variant: Variant = "336p"
    num_cpus: Cpus = 3

    def embedded_by(self) -> "type[CosmosEmbed1EmbeddingStage]":
        return CosmosEmbed1EmbeddingStage


class CosmosEmbed1EmbeddingStage(PairedEmbedding):
    """Embeds clips by Cosmos-Embed1, and finds which of ``texts_to_verify`` fits each best.

    The model brings its own code: that it may run is said by adding this stage. ``target_fps`` is that of
    ``CosmosEmbed1FrameCreationStage``.
    """

    frames_by: ClassVar = CosmosEmbed1FrameCreationStage

    model_dir: Annotated[str, Field(min_length=1), SPEED] = "models/cosmos_embed1"
    variant: Variant = "336p"

    def model_name(self) -> LearnedAlgorithm:
        """Returns the model of the variant."""
        return _ALGORITHM[self.variant]

    def fed_by(self, frames: FrameCreation) -> Self:
        """Returns this stage at the rate of ``frames``. SpecError for another variant or folder."""
        variant = getattr(frames, "variant", self.variant)
        if (variant, frames.model_dir) != (self.variant, self.model_dir):
            raise SpecError(
                f"CosmosEmbed1FrameCreationStage makes frames for {variant} of {frames.model_dir}, "
                f"CosmosEmbed1EmbeddingStage wants {self.variant} of {self.model_dir}"
            )
        return super().fed_by(frames)
