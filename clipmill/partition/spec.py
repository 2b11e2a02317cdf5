"""The parameters of a split into parts."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from clipmill.errors import SpecError
from clipmill.partition.table import HELD_OUT
from clipmill.stages.base import Spec

Weight = Literal["seconds", "clips"]


class PartitionSpec(Spec):
    """How clips are parted.

    ``ratios`` name the parts; the largest is for training, the others are to measure by. ``group_by`` is a
    column of clips whose equal values stay together. ``by`` says what the ratios are of. At most ``cap``
    clips of one value of ``cap_by`` enter any part, best first by the column ``rank`` (``-name``: the smaller
    is the better one). ``metadata`` is a CSV or parquet file about sources, whose columns are ``source.*``.
    """

    stage_name: ClassVar[str] = "split"

    ratios: dict[str, float]
    group_by: str = ""
    by: Weight = "seconds"
    seed: Annotated[int, Field(ge=0, lt=1 << 32)] = 0
    cap: Annotated[int, Field(ge=1)] | None = None
    cap_by: str = ""
    rank: str = ""
    metadata: str = ""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if len(self.ratios) < 2:
            raise ValueError("ratios need two parts or more, such as train=0.98,val=0.01,test=0.01")
        if wrong := next((name for name in self.ratios if not name.isidentifier()), None):
            raise ValueError(f"the name of a part has letters, digits and _ only, got {wrong!r}")
        if HELD_OUT in self.ratios:
            raise ValueError(f"{HELD_OUT} is the part of clips that are in no other: choose another name")
        if min(self.ratios.values()) <= 0 or abs(sum(self.ratios.values()) - 1) > 1e-6:
            raise ValueError("ratios must be above 0 and add up to 1")
        if (self.cap is None) != (not self.cap_by):
            raise ValueError("cap and cap_by go together: --cap 100 --cap-by video_id")
        return self

    @property
    def training(self) -> str:
        """The part that gives way where a leak shows: ``train``, else the largest."""
        return "train" if "train" in self.ratios else max(self.ratios, key=lambda name: self.ratios[name])

    @property
    def lasting(self) -> Mapping[str, object]:
        """What must not change from one run to the next."""
        return {"group_by": self.group_by, "parts": sorted(self.ratios), "training": self.training}


def parse_ratios(text: str) -> dict[str, float]:
    """Returns the ratios of ``train=0.98,val=0.01,test=0.01``. SpecError in one line."""
    try:
        pairs = [part.split("=") for part in text.replace(" ", "").split(",")]
        found = {name: float(value) for name, value in pairs}
    except ValueError:
        found = {}
    if not found or len(found) != len(text.split(",")):
        raise SpecError(f"ratios must be like train=0.98,val=0.01,test=0.01, got {text!r}")
    return found
