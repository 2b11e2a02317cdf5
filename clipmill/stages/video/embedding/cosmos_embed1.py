"""The documents' two stages of Cosmos-Embed1; a plan joins them into one ``LearnedEmbeddingStage``."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from clipmill.errors import SpecError
from clipmill.stages.base import SPEED, Cpus, StageSpec
from clipmill.stages.video.embedding.learned import LearnedAlgorithm, LearnedEmbeddingStage

Variant = Literal["224p", "336p", "448p"]

_ALGORITHM: dict[Variant, LearnedAlgorithm] = {
    "224p": "cosmos-embed1-224p", "336p": "cosmos-embed1-336p", "448p": "cosmos-embed1-448p",
}  # fmt: skip


class CosmosEmbed1FrameCreationStage(StageSpec):
    """Frames for Cosmos-Embed1, sampled at ``target_fps``."""

    stage_name: ClassVar[str] = "cosmos_embed1_frames"

    model_dir: Annotated[str, Field(min_length=1), SPEED] = "models/cosmos_embed1"
    variant: Variant = "336p"
    target_fps: float = Field(default=2.0, gt=0, le=60)
    num_cpus: Cpus = 3


class CosmosEmbed1EmbeddingStage(StageSpec):
    """Embeds clips by Cosmos-Embed1, and finds which of ``texts_to_verify`` fits each best.

    The model brings its own code: that it may run is said by adding this stage.
    """

    stage_name: ClassVar[str] = "cosmos_embed1"

    model_dir: Annotated[str, Field(min_length=1), SPEED] = "models/cosmos_embed1"
    variant: Variant = "336p"
    texts_to_verify: list[str] | None = Field(default=None, min_length=1)
    gpu_memory_gb: Annotated[float, Field(ge=0), SPEED] = 20

    def as_learned(self, frames: CosmosEmbed1FrameCreationStage | None = None) -> LearnedEmbeddingStage:
        """One stage of both. SpecError when the two name different variants or folders."""
        made = frames or CosmosEmbed1FrameCreationStage(variant=self.variant, model_dir=self.model_dir)
        if (made.variant, made.model_dir) != (self.variant, self.model_dir):
            raise SpecError(
                f"CosmosEmbed1FrameCreationStage makes frames for {made.variant} of {made.model_dir}, "
                f"CosmosEmbed1EmbeddingStage wants {self.variant} of {self.model_dir}"
            )
        algorithm = _ALGORITHM[self.variant]
        return LearnedEmbeddingStage(
            algorithm=algorithm,
            model_dir=self.model_dir,
            target_fps=made.target_fps,
            texts_to_verify=self.texts_to_verify,
            allow_remote_code=[algorithm],
            gpu_memory_gb=self.gpu_memory_gb,
            verbose=self.verbose or made.verbose,
        )
