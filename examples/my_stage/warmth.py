"""A stage with a model of its own: scores how warm the colours of a clip are, by a linear model in a file."""

import hashlib
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from clipmill.stages.base import (
    VERDICT,
    Batch,
    Column,
    Frames,
    Grain,
    ModelRef,
    Reads,
    Rule,
    Stage,
    StageContext,
    Worker,
    rate,
)  # fmt: skip


class WarmthFilter(Stage):
    """Rejects clips whose colours are colder than ``threshold``; ``weights`` is an ``.npz`` file."""

    name: ClassVar[str] = "warmth"
    grain: ClassVar[Grain] = "clip"
    writes: ClassVar[tuple[Column, ...]] = (
        Column("warmth", pa.float64(), "score of the colours, 0 cold to 1 warm", plot=True, rank="desc"),
    )

    weights: str = Field(min_length=1)
    threshold: Annotated[float, VERDICT] = 0.0

    def reads(self) -> Reads:
        """Returns one small frame a second."""
        return Reads(frames=Frames(rate(1.0), height_px=48))

    def models(self) -> tuple[ModelRef, ...]:
        """Returns the model; its revision is the digest of the file, so that other weights run again."""
        digest = hashlib.sha256(Path(self.weights).read_bytes()).hexdigest()
        return (ModelRef("warmth", revision=digest[:16], place=self.weights),)

    def rules(self) -> tuple[Rule, ...]:
        """Returns the bound."""
        return (Rule("warmth", "too_cold", min=self.threshold),)

    def open(self, context: StageContext) -> Worker:
        """Loads the weights, once in each worker process."""
        with np.load(self.weights) as file:
            return WarmthWorker(file["weights"], float(file["bias"]))


class WarmthWorker:
    """Scores clips; ``weights`` has one number for each of red, green and blue."""

    def __init__(self, weights: np.ndarray, bias: float) -> None:
        self._weights = weights
        self._bias = bias

    def __call__(self, batch: Batch) -> dict[str, list[float]]:
        """Returns one score for each clip; frames are uint8 ``(T, h, w, 3)``."""
        return {"warmth": [self._score(frames) for frames in batch.frames]}

    def _score(self, frames: np.ndarray) -> float:
        colour = frames.mean(axis=(0, 1, 2)) / 255
        return float(1 / (1 + np.exp(-(colour @ self._weights + self._bias))))
