"""The clip embedding that needs no weights."""

from typing import ClassVar, Literal

import pyarrow as pa

from clipmill.models.embedding.perceptual import PerceptualEmbedder, describe_and_sketch, describe_either_way
from clipmill.stages.base import Batch, Column, Frames, Reads, SampleRate, StageContext, Worker, rate
from clipmill.stages.roles import EmbedderStage
from clipmill.stages.video.embedding.columns import ALGORITHM, EMBEDDING

FRAME_HEIGHT_PX = 240
"""Far more than the descriptor resolves: bars and crops are found at this height."""

SKETCH = Column(
    "sketch", pa.binary(), "small pictures of the clip that verify copies", table="embeddings",
    role="fingerprint",
)  # fmt: skip


class PerceptualEmbeddingStage(EmbedderStage):
    """A descriptor of how a clip looks over time. It finds copies, not meaning.

    Frames are sampled at ``target_fps``. Beside each embedding lies a sketch, a few small pictures of the
    clip, by which deduplication verifies what may be a copy. With ``mirrored`` a mirror image is one as well.
    """

    version: ClassVar = 2
    writes: ClassVar = (EMBEDDING, SKETCH, ALGORITHM)

    algorithm: Literal["perceptual"] = "perceptual"
    target_fps: SampleRate = 2.0
    mirrored: bool = False

    @property
    def algorithm_name(self) -> str:
        """``perceptual``."""
        return self.algorithm

    def reads(self) -> Reads:
        """Returns the frames that are described."""
        return Reads(frames=Frames(rate(self.target_fps), FRAME_HEIGHT_PX))

    def embedder(self) -> PerceptualEmbedder:
        """Returns what embeds clips."""
        return PerceptualEmbedder(describe_either_way if self.mirrored else describe_and_sketch)

    def open(self, context: StageContext) -> Worker:
        """Returns a worker that describes each clip."""
        embedder, log = self.embedder(), context.log

        def embed(batch: Batch) -> dict[str, list[object]]:
            embedded = embedder.embed(batch.frames)
            log.debug("%d clips embedded", len(batch))
            return {
                EMBEDDING.name: list(embedded.rows),
                SKETCH.name: list(embedded.sketches),
                ALGORITHM.name: [embedder.algorithm] * len(batch),
            }

        return embed
