"""The clip embedding that needs no weights."""

from typing import ClassVar, Literal

import pyarrow as pa

from clipmill.dedup.copies.fingerprints import with_detail
from clipmill.models.embedding.perceptual import PerceptualEmbedder, describe_and_sketch, describe_either_way
from clipmill.scores.detail import NUM_MEASURES
from clipmill.stages.base import (
    Batch,
    Column,
    Frames,
    Item,
    Measure,
    Reads,
    SampleRate,
    StageContext,
    Worker,
    rate,
)
from clipmill.stages.roles import EmbedderStage
from clipmill.stages.video.embedding.columns import ALGORITHM, EMBEDDING

FRAME_HEIGHT_PX = 240
"""Far more than the descriptor resolves: bars and crops are found at this height."""

SKETCH = Column(
    "sketch", pa.binary(), "small pictures of the clip that verify copies, and how sharp it is",
    table="embeddings", role="fingerprint",
)  # fmt: skip


class PerceptualEmbeddingStage(EmbedderStage):
    """A descriptor of how a clip looks over time. It finds copies, not meaning.

    Frames are sampled at ``target_fps``. Beside each embedding lies a sketch, a few small pictures of the
    clip, by which deduplication verifies what may be a copy, and the detail of these frames at the source's
    size, by which it keeps the best one. With ``mirrored`` a mirror image is a copy as well.
    """

    version: ClassVar = 4
    writes: ClassVar = (EMBEDDING, SKETCH, ALGORITHM)

    algorithm: Literal["perceptual"] = "perceptual"
    target_fps: SampleRate = 2.0
    mirrored: bool = False

    @property
    def algorithm_name(self) -> str:
        """``perceptual``."""
        return self.algorithm

    def reads(self) -> Reads:
        """Returns the frames that are described, and their detail at full size."""
        fps = rate(self.target_fps)
        measure = Measure("clipmill.scores.detail:frame_detail", fps, (NUM_MEASURES,))
        return Reads(frames=Frames(fps, FRAME_HEIGHT_PX), measures=(measure,))

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
                SKETCH.name: [
                    sketch and _with_detail(sketch, item)
                    for sketch, item in zip(embedded.sketches, batch.items, strict=True)
                ],
                ALGORITHM.name: [embedder.algorithm] * len(batch),
            }

        return embed


def _with_detail(sketch: bytes, item: Item) -> bytes:
    """A clip without an instant on the grid has one frame and no measure."""
    if not item.measures or item.frames is None:
        return sketch
    return with_detail(sketch, item.measures[0], num_frames=len(item.frames))
