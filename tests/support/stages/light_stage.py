"""A stage as a user writes it: two columns, a threshold, frames at a rate of its own."""

from fractions import Fraction
from typing import Annotated, ClassVar

import pyarrow as pa

from clipmill.stages.base import (
    VERDICT,
    Batch,
    Column,
    Frames,
    Reads,
    Resources,
    Rule,
    Stage,
    StageContext,
    Worker,
)


class LightFilter(Stage):
    """Rejects clips whose mean luma is below a threshold."""

    name: ClassVar[str] = "light"
    grain: ClassVar = "clip"
    writes: ClassVar[tuple[Column, ...]] = (
        Column("luma_mean", pa.float64(), "mean luma, 0 to 1", plot=True, json="light.mean"),
        Column("luma_max", pa.float64(), "mean luma of the lightest frame, 0 to 1"),
    )

    threshold: Annotated[float, VERDICT] = 0.0

    def reads(self) -> Reads:
        """Returns frames one and a half times a second."""
        return Reads(frames=Frames(Fraction(3, 2), 48))

    def rules(self) -> tuple[Rule, ...]:
        """Returns the threshold."""
        return (Rule("luma_mean", "dark", min=self.threshold),)

    def open(self, context: StageContext) -> Worker:
        """Returns a function of a batch."""
        del context
        return measured


class LightOnGpu(LightFilter):
    """The same with a GPU to itself, in workers that grow as those of captions do."""

    name: ClassVar[str] = "light_on_gpu"

    def resources(self) -> Resources:
        """Returns one GPU."""
        return Resources(gpus=1, grows=True)

    def open(self, context: StageContext) -> Worker:
        """Returns the same function; RuntimeError in a worker of Ray that was given no GPU."""
        import ray

        if ray.is_initialized() and not ray.get_gpu_ids():
            raise RuntimeError("this worker has no GPU")
        return super().open(context)


def measured(batch: Batch) -> dict[str, list[float]]:
    """Returns the luma of each clip's frames."""
    means = [[float(frame.mean()) / 255 for frame in frames] for frames in batch.frames]
    return {"luma_mean": [sum(one) / len(one) for one in means], "luma_max": [max(one) for one in means]}
