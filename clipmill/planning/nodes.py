"""A stage in its place in a run."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import pyarrow as pa

from clipmill.errors import SpecError
from clipmill.stages.base import Column, Effect, Reads, Rule, Stage
from clipmill.stages.reads import Sample
from clipmill.stages.roles import ExtractorStage
from clipmill.storage.source_columns import PREFIX, values_mark

RunsFor = Literal["passed", "all", "rejected"]

DEDUP = "dedup"
BARRIERS = (DEDUP,)
"""What ``after`` may name beside a key: the stage runs once all clips of the run have come so far."""


NO_COLUMNS = pa.schema([])
SOURCE = "source."
"""Key of the columns that users have of their sources; no stage can have it."""
IS_KEY = re.compile(r"\w[\w.-]{0,63}")
"""What a key looks like: it names folders of the state and tables of the database."""
RESERVED_KEYS = frozenset({"inspect", "verify", "attempts", "source", *BARRIERS})
"""Words that stand for something else where a key could: folders of the state, sources, barriers."""


@dataclass(frozen=True)
class Placed:
    """A stage as a user placed it.

    ``key`` tells two stages of one name apart; empty takes the stage's name. ``after`` is the key of the
    stage behind which it runs; empty leaves the place to the planner. ``waits`` lets it run behind
    deduplication for clips that may be copies.
    """

    stage: Stage
    key: str = ""
    after: str = ""
    waits: bool = False

    @property
    def name(self) -> str:
        """The key, or the stage's name where none was chosen."""
        return self.key or self.stage.name


def behind_dedup(placed: Iterable[Placed], *, all_clips: bool) -> list[Placed]:
    """Returns the stages, of which those that can wait run behind deduplication, unless they were placed.

    They do so for ``all_clips``, or else for those that may be copies.
    """
    changes = {"after": DEDUP} if all_clips else {"waits": True}
    return [replace(one, **changes) if type(one.stage).can_wait and not one.after else one for one in placed]


@dataclass(frozen=True)
class ColumnRef:
    """A column of the node ``key``; ``reference`` is what the reading stage calls it."""

    key: str
    column: Column
    reference: str


@dataclass(frozen=True)
class Node:
    """A bound stage in run order.

    ``reads`` are the stage's own, with byte budgets of this run. ``inputs`` are the columns that it reads.
    ``digest`` names how its rows were made; empty for a stage without rows. ``runs_for`` says for which items
    the stage runs: those that no earlier rule rejected, all, or only the rejected ones. ``phase`` counts the
    barriers before it. One that ``is_late`` waits behind deduplication for clips that may be copies, and runs
    for all others before it. ``effects`` are options that change its rows for some videos only.
    ``source_columns`` are the columns about sources that its rows depend on, by itself or by what it reads.
    ``folder`` is where its files go inside of the documented folders, empty for the documented place.
    """

    key: str
    stage: Stage
    reads: Reads
    inputs: tuple[ColumnRef, ...] = ()
    digest: str = ""
    runs_for: RunsFor = "passed"
    phase: int = 0
    is_late: bool = False
    effects: tuple[Effect, ...] = ()
    source_columns: tuple[str, ...] = ()
    folder: str = ""

    def effects_in(self, traits: str, source: Mapping[str, object] | None = None) -> str:
        """Returns what the rows of a video must say in the column ``effects``; empty for an ordinary one.

        ``traits`` are those of the video's split, with spaces between them. ``source`` are the values of the
        columns about sources; those that the rows depend on are named by one mark behind the options.
        """
        there = traits.split()
        options = sorted({one.text for one in self.effects if one.trait in there})
        mark = values_mark({name: (source or {}).get(name) for name in self.source_columns})
        return " ".join([*options, *([mark] if mark else [])])

    @property
    def has_rows(self) -> bool:
        """True when the stage leaves rows in the state."""
        return self.stage.makes_rows() or isinstance(self.stage, ExtractorStage)

    @property
    def is_sampled(self) -> bool:
        """True when the pass samples for the stage: for its rows, or for users who see its frames."""
        return self.has_rows or bool(self.reads.frames)

    @property
    def stored(self) -> tuple[Column, ...]:
        """The columns that the worker makes."""
        return tuple(column for column in self.stage.writes if not column.derived)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules that can reject something."""
        return tuple(rule for rule in self.stage.rules() if not rule.is_open)

    def ruled_column(self, rule: Rule) -> ColumnRef | None:
        """Returns the column that a rule names: the stage's own, or one that it reads; None for another."""
        key, _, name = rule.column.rpartition(":")
        own = None if key else self.stage.column(name)
        if own:
            return ColumnRef(self.key, own, rule.column)
        return next((ref for ref in self.inputs if ref.column.name == name and key in ("", ref.key)), None)

    @property
    def may_reject(self) -> bool:
        """True when a rule or a hook of the stage can reject an item."""
        return may_reject(self.stage)

    def published_name(self, column: str) -> str:
        """Returns the name of a column in the tables: prefixed where the key is not the stage's name."""
        return column if self.key == self.stage.name else f"{self.key}_{column}"

    def published_columns(self) -> Iterator[tuple[str, Column]]:
        """Yields (published name, column) of the columns that tables and embedding files show."""
        for column in self.stage.writes:
            if column.table != "state":
                yield self.published_name(column.name), column


def may_reject(stage: Stage) -> bool:
    """Returns True if a rule or a hook of a stage can reject an item."""
    return any(not rule.is_open for rule in stage.rules()) or type(stage).rejects is not Stage.rejects


def find_column(
    nodes: dict[str, Stage], reference: str, *, reader: str, source: pa.Schema = NO_COLUMNS
) -> ColumnRef:
    """Returns the column that ``key:column``, ``source.column`` or a bare name means.

    ``source`` are the columns about sources. SpecError names reader and remedy.
    """
    if reference.startswith(PREFIX):
        return _source_column(reference, reader, source)
    key, colon, name = reference.rpartition(":")
    owners = [key] if colon else [other for other, stage in nodes.items() if stage.column(reference)]
    if colon and key not in nodes:
        raise SpecError(f"stage {reader} reads {reference}, and no stage has the key {key}: add that stage")
    found = [ColumnRef(owner, column, reference) for owner in owners if (column := nodes[owner].column(name))]
    if not found:
        raise SpecError(f"stage {reader} reads column {reference}, which no stage writes: add its stage")
    if len(found) > 1:
        keys = " and ".join(ref.key for ref in found)
        raise SpecError(f"stage {reader} reads {reference}, which {keys} write: say {found[0].key}:{name}")
    return found[0]


def _source_column(reference: str, reader: str, source: pa.Schema) -> ColumnRef:
    if reference not in source.names:
        have = f"it has {', '.join(source.names)}" if source.names else "name a file of columns as metadata"
        raise SpecError(f"stage {reader} reads {reference}, which no source has; {have}")
    return ColumnRef(SOURCE, Column(reference, source.field(reference).type, "of the source"), reference)


@dataclass(frozen=True)
class DecodeReads:
    """The union of what stages read of the pictures. ``samples`` has each read once, in run order."""

    thumbnails: bool
    samples: tuple[Sample, ...]

    @property
    def is_empty(self) -> bool:
        """True when no picture has to be decoded."""
        return not (self.thumbnails or self.samples)


def decode_reads(nodes: Iterable[Node], *, thumbnails: bool = False) -> DecodeReads:
    """Returns what the pass samples for ``nodes``; ``thumbnails`` adds those that shots are found by."""
    samples: dict[Sample, None] = {}
    for node in nodes:
        thumbnails = thumbnails or node.reads.thumbnails
        samples |= dict.fromkeys(node.reads.samples())
    return DecodeReads(thumbnails, tuple(samples))
