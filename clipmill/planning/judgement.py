"""Which items the rules of a run reject, from the rows that its stages left. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pyarrow as pa

from clipmill import arrow
from clipmill.errors import StageBroken, foreign, said_by
from clipmill.planning.nodes import SOURCE, Node
from clipmill.stages.base import Column, Rule, Stage

RESULT, FINAL, RETRYABLE, CLEARED, LOST = "result", "final", "retryable", "cleared", "lost"
"""Outcomes of a row of the state. A cleared row takes away the failures before it, a lost row the results
before it too: the files that they name are gone."""


@dataclass(frozen=True)
class Rejection:
    """Why an item is not kept: the key of the stage, the reason, and the numbers in words."""

    key: str
    reason: str
    message: str


def judge(nodes: Sequence[Node], tables: Mapping[str, pa.Table], ids: Sequence[str]) -> dict[str, Rejection]:
    """Returns id -> the first rejection, in run order, of those of ``ids`` that a stage rejects.

    ``tables`` maps a key to rows with ``id``, ``outcome``, ``reason``, ``message`` and stored columns. A null
    and a missing row never reject. A stage with ``on_failure`` ``drop`` rejects an item that it failed on.
    """
    found = judge_places(nodes, AlignedRows(nodes, tables, ids))
    return {ids[place]: rejection for place, rejection in found.items()}


def judge_places(nodes: Sequence[Node], rows: "AlignedRows") -> dict[int, Rejection]:
    """Returns place -> the first rejection of the item there, as ``judge`` does."""
    found: dict[int, Rejection] = {}
    for node in nodes:
        for place, rejection in (*_failures(node, rows), *_by_rules(node, rows), *_by_hook(node, rows)):
            found.setdefault(place, rejection)
    return found


def first_rejecting(nodes: Sequence[Node], rows: "AlignedRows", num_items: int) -> np.ndarray:
    """Returns int ``(N,)``: the index of the first of ``nodes`` that rejects an item, their number for none.

    The same verdict as ``judge``, without its words.
    """
    found = np.full(num_items, len(nodes))
    for index in reversed(range(len(nodes))):
        for mask in _rejecting(nodes[index], rows):
            found[mask] = index
    return found


def _rejecting(node: Node, rows: "AlignedRows") -> Iterator[np.ndarray]:
    if node.stage.on_failure == "drop" and (table := rows.of(node.key)) is not None:
        yield arrow.flags(arrow.not_equal(table["outcome"], RESULT))
    for rule in node.rules:
        if (values := _values(node, rule, rows)) is not None:
            yield breaks(rule, values)
    if (verdicts := _hook_verdicts(node, rows)) is not None:
        yield ~np.asarray(verdicts["reason"].is_null())


def source_rows(nodes: Iterable[Node], values: Mapping[str, object], ids: Sequence[str]) -> pa.Table:
    """Returns the columns about their source that rules may read, the same for each of a video's clips."""
    refs = {ref.column.name: ref.column for node in nodes for ref in node.inputs if ref.key == SOURCE}
    columns = {
        name: pa.array([values.get(name)] * len(ids), column.type)
        for name, column in refs.items()
        if column.can_be_bounded
    }
    return pa.table({"id": pa.array(ids, pa.string()), **columns})


class AlignedRows:
    """Columns of several stages, one value for each id; null where a stage has no row for it."""

    def __init__(
        self, nodes: Iterable[Node], tables: Mapping[str, pa.Table], ids: Sequence[str] | pa.Array
    ) -> None:
        self._nodes = {node.key: node for node in nodes}
        self.ids: pa.Array = ids if isinstance(ids, pa.Array) else pa.array(ids, pa.string())
        self._tables = tables
        self._aligned: dict[str, pa.Table] = {}

    @classmethod
    def of_places(cls, nodes: Iterable[Node], tables: Mapping[str, pa.Table], ids: pa.Array) -> "AlignedRows":
        """Returns rows of tables that already have one row for each id."""
        made = cls(nodes, tables, ())
        made.ids = ids
        for key, table in tables.items():
            node = made._nodes.get(key)
            made._aligned[key] = with_derived(node.stage, table) if node else table
        return made

    def of(self, key: str) -> pa.Table | None:
        """Returns a stage's rows with its derived columns, aligned with the ids; None where it has none."""
        if key not in self._tables:
            return None
        if key not in self._aligned:
            table = self._tables[key]
            places = arrow.index_in(self.ids, table["id"].combine_chunks())
            node = self._nodes.get(key)
            self._aligned[key] = with_derived(node.stage, table.take(places)) if node else table.take(places)
        return self._aligned[key]

    def column(self, key: str, name: str) -> pa.ChunkedArray | None:
        """Returns one column, or None where the stage has no rows, or the source no such column."""
        table = self.of(key)
        return table[name] if table is not None and name in table.column_names else None

    def read_by(self, node: Node) -> pa.Table | None:
        """Returns a stage's own columns and those that it reads, by their bare names.

        A column that is read goes by its reference, ``key:column``, where its bare name is taken.
        """
        own = self.of(node.key)
        columns = {} if own is None else {name: own[name] for name in own.column_names}
        for ref in node.inputs:
            values = self.column(ref.key, ref.column.name)
            name = ref.reference if ref.column.name in columns else ref.column.name
            columns[name] = pa.nulls(len(self.ids), ref.column.type) if values is None else values
        return pa.table(columns) if columns else None


def with_derived(stage: Stage, rows: pa.Table) -> pa.Table:
    """Returns rows with the columns that ``published`` derives, in the declared types."""
    derived = [column for column in stage.writes if column.derived]
    if not derived:
        return rows
    made = _hooked(stage.name, "published", lambda: stage.published(rows))
    for column in derived:
        values = _derived(stage, made, column, len(rows))
        place = rows.schema.get_field_index(column.name)
        rows = (
            rows.append_column(column.name, values)
            if place < 0
            else rows.set_column(place, column.name, values)
        )
    return rows


def _derived(stage: Stage, made: pa.Table | None, column: Column, num_rows: int) -> pa.ChunkedArray:
    """A column of what ``published`` returned. StageBroken unless it has it for each row, in its type."""
    if made is None or column.name not in made.column_names or len(made) != num_rows:
        raise StageBroken(stage.name, f"published() must return {column.name} of each of {num_rows} rows")
    try:
        return made[column.name].cast(column.type)
    except pa.ArrowException as error:
        cause = f"published() returned no {column.type} in {column.name}: {said_by(error)}"
        raise StageBroken(stage.name, cause) from error


def _failures(node: Node, rows: AlignedRows) -> list[tuple[int, Rejection]]:
    if node.stage.on_failure != "drop" or (table := rows.of(node.key)) is None:
        return []
    reason = node.stage.failure_reason or f"{node.key}_failed"
    outcomes, messages = table["outcome"].to_pylist(), table["message"].to_pylist()
    return [
        (index, Rejection(node.key, reason, message or ""))
        for index, (outcome, message) in enumerate(zip(outcomes, messages, strict=True))
        if outcome is not None and outcome != RESULT
    ]


def _by_rules(node: Node, rows: AlignedRows) -> list[tuple[int, Rejection]]:
    """The first rule that holds gives the reason; the message names every rule of the stage that holds."""
    rules = [(rule, _values(node, rule, rows)) for rule in node.rules]
    held = [(rule, values, breaks(rule, values)) for rule, values in rules if values is not None]
    if not held:
        return []
    by_place = sorted(held, key=lambda one: _column_place(node, one[0]))
    rejected = np.flatnonzero(np.logical_or.reduce([mask for _, _, mask in held]))
    found: list[tuple[int, Rejection]] = []
    for index in map(int, rejected):
        reason = next(rule.reason for rule, _, mask in held if mask[index])
        words = (in_words(rule, values[index].as_py()) for rule, values, mask in by_place if mask[index])
        found.append((index, Rejection(node.key, reason, ", ".join(words))))
    return found


def _values(node: Node, rule: Rule, rows: AlignedRows) -> pa.ChunkedArray | None:
    ref = node.ruled_column(rule)
    return None if ref is None else rows.column(ref.key, ref.column.name)


def breaks(rule: Rule, values: pa.ChunkedArray) -> np.ndarray:
    """Returns bool ``(N,)``: which values a rule rejects."""
    mask = np.zeros(len(values), dtype=bool)
    if rule.min is not None:
        mask |= arrow.flags(arrow.less(values, rule.min))
    if rule.max is not None:
        mask |= arrow.flags(arrow.greater(values, rule.max))
    if rule.equals:
        mask |= arrow.flags(arrow.is_in(values, pa.array(list(rule.equals), values.type)))
    return mask


def in_words(rule: Rule, value: object) -> str:
    """Returns why a rule rejects a value: ``aesthetic_min 3.1 is below 3.5``."""
    name = rule.column.rpartition(":")[2]
    if isinstance(value, int | float) and not isinstance(value, bool):
        if rule.min is not None and value < rule.min:
            return f"{name} {value:g} is below {rule.min:g}"
        if rule.max is not None and value > rule.max:
            return f"{name} {value:g} is above {rule.max:g}"
    return rule.words or f"{name} is {value}"


def _column_place(node: Node, rule: Rule) -> int:
    name = rule.column.rpartition(":")[2]
    names = [column.name for column in node.stage.writes] + [ref.column.name for ref in node.inputs]
    return names.index(name)


def _by_hook(node: Node, rows: AlignedRows) -> list[tuple[int, Rejection]]:
    verdicts = _hook_verdicts(node, rows)
    if verdicts is None:
        return []
    pairs = zip(verdicts["reason"].to_pylist(), verdicts["message"].to_pylist(), strict=True)
    return [
        (index, Rejection(node.key, str(reason), str(message or "")))
        for index, (reason, message) in enumerate(pairs)
        if reason is not None
    ]


def _hook_verdicts(node: Node, rows: AlignedRows) -> pa.Table | None:
    if type(node.stage).rejects is Stage.rejects or (node.has_rows and rows.of(node.key) is None):
        return None
    if (table := rows.read_by(node)) is None:
        return None
    verdicts = _hooked(node.key, "rejects", lambda: node.stage.rejects(table))
    if verdicts is None:
        return None
    if len(verdicts) != len(table) or not {"reason", "message"} <= {*verdicts.column_names}:
        raise StageBroken(node.key, f"rejects() must return reason and message of each of {len(table)} rows")
    return verdicts


def _hooked(key: str, hook: str, call: Callable[[], pa.Table | None]) -> pa.Table | None:
    """Returns the table that a stage's own code gives; StageBroken where it fails or gives something else."""
    try:
        made = call()
    except foreign() as error:
        raise StageBroken(key, f"{hook}() raised {said_by(error)}") from error
    if made is not None and not isinstance(cast(object, made), pa.Table):
        raise StageBroken(key, f"{hook}() returned {type(made).__name__}: let it return a table")
    return made
