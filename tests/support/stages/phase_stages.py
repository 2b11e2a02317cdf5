"""A stage that reads what another one wrote."""

from typing import ClassVar

import pyarrow as pa

from clipmill.stages.base import Batch, Column, Reads, Stage, StageContext, Worker


class ReadsLight(Stage):
    """Doubles the luma that ``LightFilter`` measured."""

    name: ClassVar[str] = "reads_light"
    grain: ClassVar = "clip"
    writes: ClassVar[tuple[Column, ...]] = (
        Column("luma_twice", pa.float64(), "twice the mean luma, 0 to 2"),
    )

    def reads(self) -> Reads:
        """Returns the column of the other stage."""
        return Reads(columns=("light:luma_mean",))

    def open(self, context: StageContext) -> Worker:
        """Returns a function of a batch."""
        del context
        return twice


def twice(batch: Batch) -> dict[str, list[float]]:
    """Returns twice the luma of each clip."""
    return {"luma_twice": [2 * float(str(item.columns["light:luma_mean"])) for item in batch.items]}
