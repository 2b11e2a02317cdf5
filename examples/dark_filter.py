"""A stage of your own: rejects dark clips. docs/python.md explains it."""

from typing import Annotated, ClassVar

import numpy as np
import pyarrow as pa

from clipmill.stages.base import (
    SPEED,
    VERDICT,
    Batch,
    Column,
    Frames,
    Grain,
    Reads,
    Resources,
    Rule,
    Stage,
    StageContext,
    Worker,
    rate,
)  # fmt: skip

LUMA_WEIGHTS = np.array([0.299, 0.587, 0.114]) / 255


class DarkFilter(Stage):
    """Rejects clips whose mean luma is below ``threshold``."""

    name: ClassVar[str] = "dark"
    grain: ClassVar[Grain] = "clip"
    writes: ClassVar[tuple[Column, ...]] = (
        Column(
            "luma_mean",
            pa.float64(),
            "mean luma of the sampled frames, 0 to 1",
            json="dark.luma_mean",
            plot=True,
            rank="desc",
        ),
        Column("num_sampled", pa.int64(), "number of frames that were looked at"),
    )

    threshold: Annotated[float, VERDICT] = 0.1
    target_fps: float = 3.0
    num_gpus_per_worker: Annotated[float, SPEED] = 0.0

    def reads(self) -> Reads:
        """Returns small frames at a rate of its own."""
        return Reads(frames=Frames(rate(self.target_fps), height_px=48))

    def resources(self) -> Resources:
        """Returns the share of a GPU that one worker asks for, where there is one."""
        return Resources(gpus=self.num_gpus_per_worker)

    def rules(self) -> tuple[Rule, ...]:
        """Returns the bound; a clip below it is rejected with the reason ``too_dark``."""
        return (Rule("luma_mean", "too_dark", min=self.threshold),)

    def open(self, context: StageContext) -> Worker:
        """Returns the worker; a stage with a model would load it here."""
        return measure


def measure(batch: Batch) -> dict[str, list[float] | list[int]]:
    """Returns one value of each column for each clip; frames are uint8 ``(T, h, w, 3)``."""
    return {
        "luma_mean": [float((frames @ LUMA_WEIGHTS).mean()) for frames in batch.frames],
        "num_sampled": [len(frames) for frames in batch.frames],
    }
