"""Stages of a user's own that embed and caption."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pyarrow as pa

from clipmill.stages.base import Batch, Column, Frames, Grain, Reads, Stage, StageContext, Worker, rate
from clipmill.stages.roles import EmbedderStage

VECTOR = Column("vector", pa.list_(pa.float32()), "mean colour", table="embeddings", role="embedding")


class OwnEmbedding(EmbedderStage):
    """Embeds a clip by its mean colour; the vectors are not of unit length."""

    name: ClassVar[str] = "own_embedding"
    writes: ClassVar[tuple[Column, ...]] = (VECTOR,)

    @property
    def algorithm_name(self) -> str:
        """The name of its files."""
        return "colour"

    def reads(self) -> Reads:
        """Returns small frames."""
        return Reads(frames=Frames(rate(1), 48))

    def open(self, context: StageContext) -> Worker:
        """Returns the worker."""
        del context
        return _colours


def _colours(batch: Batch) -> Mapping[str, object]:
    return {"vector": [frames.mean(axis=(0, 1, 2), dtype=np.float32) for frames in batch.frames]}


class NoEmbedder(Stage):
    """Writes a vector without being an embedder."""

    name: ClassVar[str] = "no_embedder"
    grain: ClassVar[Grain] = "clip"
    writes: ClassVar[tuple[Column, ...]] = (VECTOR,)

    def open(self, context: StageContext) -> Worker:
        """Opens nothing."""
        raise NotImplementedError


class OwnCaptions(Stage):
    """Captions each window by the number of its frames."""

    name: ClassVar[str] = "own_captions"
    grain: ClassVar[Grain] = "window"
    writes: ClassVar[tuple[Column, ...]] = (Column("words", pa.string(), "text", role="caption"),)

    def open(self, context: StageContext) -> Worker:
        """Returns the worker."""
        del context
        return lambda batch: {
            "words": [f"{item.window.num_frames} frames" for item in batch.items if item.window]
        }
