"""What a stage writes: columns, files, and the bounds that reject."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from string import Formatter
from typing import Literal, cast, get_args

import pyarrow as pa

OWN_FOLDERS = frozenset(
    {
        "dedup", "metas", "processed_clip_chunks", "processed_videos", "runs", "snapshots", "state", "tables",
        "work",
    }
)  # fmt: skip
"""Folders of an output that hold no files of stages."""

RULE_DIGITS = 6
"""Decimals to which a column that a rule names is rounded, once, when its row is made."""

ColumnTable = Literal["own_grain", "embeddings", "state"]
RankOrder = Literal["", "asc", "desc"]

_RULE_TYPES = (pa.float64(), pa.int64(), pa.bool_(), pa.string())

IS_NAME = re.compile(r"[A-Za-z]\w{0,63}")
"""What a column or a stage may be called: Arrow, DuckDB, JSON and file names take it as it is."""

FILE = "file"
"""A file relative to the output: the clip's own where the encoder writes it, a window's animated WebP."""

DIGEST, SIZE = "digest", "size"
"""SHA-256 and bytes of the file that the same row names."""

CAPTION = "caption"
"""Text that describes a window."""

ENHANCED_CAPTION = "enhanced_caption"
"""A caption that was made from another one; where both are there, the report shows this one."""

STATUS = "status"
"""How the caption of the same stage turned out: ``success``, ``error``, ``skipped`` and the like."""

CARD = "card"
"""Text or number of a clip that the report shows on the clip's card."""

SOUND = "sound"
"""What became of the sound of a clip, in one word; the summary counts them."""

ERRORS = "errors"
"""JSON of several messages by name, which join the errors of a clip."""

EMBEDDING, FINGERPRINT = "embedding", "fingerprint"
"""What deduplication compares: a unit vector of the clip, and a sketch of its pictures."""

ROLES = frozenset(
    {FILE, DIGEST, SIZE, CAPTION, ENHANCED_CAPTION, STATUS, CARD, SOUND, ERRORS, EMBEDDING, FINGERPRINT}
)
"""By these the dataset, the report, search and exports find a column, however its stage calls it."""


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

    def __post_init__(self) -> None:
        if not isinstance(self.type, pa.DataType):
            raise ValueError(f"column {self.name} has the type {self.type!r}: take one of Arrow's")
        if self.role and self.role not in ROLES:
            raise ValueError(
                f"column {self.name} has the role {self.role}, which is none of {_listed(ROLES)}"
            )
        for what, value, known in (("table", self.table, ColumnTable), ("rank", self.rank, RankOrder)):
            if value not in get_args(known):
                raise ValueError(f"column {self.name} has {what} {value!r}: take {_listed(get_args(known))}")
        if self.json and not all(self.json.split(".")):
            raise ValueError(f"column {self.name} has the JSON path {self.json!r}, with a part that is empty")

    @property
    def can_be_bounded(self) -> bool:
        """True for the types that a rule may name: float64, int64, bool and string."""
        return self.type in _RULE_TYPES


@dataclass(frozen=True)
class Artifact:
    """A file that a stage writes for each item.

    ``path`` is a template relative to the output. It names ``clip_id``, ``video_id`` or ``id``: no two
    items have one file. ``start`` and ``end`` are the frames of a window; ``put`` fills other fields.
    """

    name: str
    path: str

    def __post_init__(self) -> None:
        parts = self.path.split("/")
        if not self.fields & {"clip_id", "video_id", "id"}:
            raise ValueError(
                f"the files {self.path} have one name for all items: add {{clip_id}} to the path"
            )
        if "" in parts or ".." in parts or "." in parts or len(parts) < 2 or parts[0] in OWN_FOLDERS:
            raise ValueError(
                f"the files {self.path} cannot lie there: name a folder of the output that holds nothing else"
            )

    @property
    def fields(self) -> frozenset[str]:
        """The names in curly brackets."""
        return frozenset(field for _, field, _, _ in Formatter().parse(self.path) if field is not None)


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

    def __post_init__(self) -> None:
        if not self.reason:
            raise ValueError(f"a rule over {self.column} has no reason: name why it rejects")
        for bound in (self.min, self.max):
            if bound is not None and not (
                isinstance(cast(object, bound), float | int) and math.isfinite(bound)
            ):
                raise ValueError(f"a rule over {self.column} has the bound {bound!r}, which is no number")

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


def _listed(words: Iterable[str]) -> str:
    return ", ".join(word or "nothing" for word in sorted(words))
