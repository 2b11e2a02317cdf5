"""Clip embeddings by any of the learned models."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from clipmill.stages.base import SPEED
from clipmill.stages.video.embedding.learned_model import LearnedAlgorithm, LearnedEmbedding


class LearnedEmbeddingStage(LearnedEmbedding):
    """Embeds clips by what they show.

    ``num_frames`` frames (None: as many as the model was made for), spread evenly over the whole clip, are
    taken of those sampled at ``target_fps``. Of ``texts_to_verify`` the one that fits a clip best is written
    with its probability. A model that brings its own code runs only if ``allow_remote_code`` names it.
    """

    algorithm: LearnedAlgorithm
    allow_remote_code: Annotated[list[str], SPEED] = Field(default_factory=list[str])

    def model_name(self) -> LearnedAlgorithm:
        """Returns ``algorithm``."""
        return self.algorithm

    def allowed_code(self) -> Sequence[str]:
        """Returns ``allow_remote_code``."""
        return self.allow_remote_code
