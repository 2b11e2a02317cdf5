"""What a stage writes: columns, files, and the bounds that reject."""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

RULE_DIGITS = 6
"""Decimals to which a column that a rule names is rounded, once, when its row is made."""

ColumnTable = Literal["own_grain", "embeddings", "state"]
RankOrder = Literal["", "asc", "desc"]

_RULE_TYPES = (pa.float64(), pa.int64(), pa.bool_(), pa.string())


@dataclass(frozen=True)
class Column:
    """One value that a stage writes for each item. Null means: not measured. NaN and infinity are failures.

    ``table`` says where it is published: the table of the stage's grain, the embedding files, or nowhere.
    ``role`` names what later steps look for: ``embedding``, ``fingerprint``, ``caption``. A ``derived``
    column is made by ``Stage.published`` and is not stored. ``json`` is its path in the documented JSON of a
    clip, ``plot`` gives a clip's value a histogram in the report, ``rank`` says which end is better.
    ``without`` is shown for an item that the stage did not run for, ``failed`` for one that it failed on,
    ``repeated`` for one of a clip that repeats another, where the stage runs behind deduplication. ``low``
    and ``high`` are the least and the most that a value can be, None for no end: bounds that nothing can
    pass are refused.
    """

    name: str
    type: pa.DataType
    doc: str
    nullable: bool = True
    table: ColumnTable = "own_grain"
    role: str = ""
    derived: bool = False
    json: str = ""
    plot: bool = False
    rank: RankOrder = ""
    without: str | None = None
    failed: str | None = None
    repeated: str | None = None
    low: float | None = None
    high: float | None = None

    @property
    def can_be_bounded(self) -> bool:
        """True for the types that a rule may name: float64, int64, bool and string."""
        return self.type in _RULE_TYPES


@dataclass(frozen=True)
class Artifact:
    """A file that a stage writes for each item; ``path`` is a template relative to the output."""

    name: str
    path: str


@dataclass(frozen=True)
class Rule:
    """Bounds of a column that reject an item: below ``min``, above ``max``, or one of ``equals``.

    ``column`` without a key is the stage's own, else it stands in its ``reads().columns``. A null never
    rejects. ``words`` says in the message what a value of ``equals`` means; empty names column and value.
    """

    column: str
    reason: str
    min: float | None = None
    max: float | None = None
    equals: tuple[object, ...] = ()
    words: str = ""

    @property
    def is_open(self) -> bool:
        """True when no value can be rejected."""
        return self.min is None and self.max is None and not self.equals

    def refusal(self, column: Column) -> str:
        """Returns why no value of the column can pass; empty where one can."""
        least, most = self.min, self.max
        if least is not None and most is not None and least > most:
            return f"min {least:g} is above max {most:g}"
        if least is not None and column.high is not None and least > column.high:
            return f"min {least:g} is above {column.high:g}, the most that it can be"
        if most is not None and column.low is not None and most < column.low:
            return f"max {most:g} is below {column.low:g}, the least that it can be"
        return ""
