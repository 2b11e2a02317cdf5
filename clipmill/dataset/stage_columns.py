"""The columns that stages add to a table, aligned with its clips or windows. Pure."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from clipmill import arrow, layout
from clipmill.dataset.schemas import table_columns
from clipmill.planning.judgement import RESULT, AlignedRows, Rejection
from clipmill.planning.missing import needed
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.stages.column_roles import ERRORS, FILE


@dataclass(frozen=True)
class Shown:
    """Which clips the rows of each stage are shown for: those that a fresh run would have made rows for."""

    plan: Plan
    rejected: Mapping[str, Rejection]

    def by_node(self, clip_ids: Sequence[str]) -> dict[str, list[bool]]:
        """Returns key -> one flag for each of ``clip_ids``."""
        flags: dict[str, list[bool]] = {node.key: [] for node in self.plan.rowed}
        for clip_id in clip_ids:
            wanted = {node.key for node in needed(self.plan, self.rejected.get(clip_id))}
            for key, shown in flags.items():
                shown.append(key in wanted)
        return flags


def stage_columns(
    plan: Plan,
    grain: str,
    tables: Mapping[str, pa.Table],
    ids: Sequence[str],
    shown: Mapping[str, Sequence[bool]],
    *,
    output: str,
) -> dict[str, pa.Array]:
    """Returns published name -> values for the rows ``ids`` of a table; null where a stage has no result.

    ``tables`` and ``shown`` are by key; the encoder of rejected clips fills the columns of the other one.
    """
    nodes = [node for node in plan.rowed if node.stage.grain == grain]
    aligned = AlignedRows(nodes, tables, ids)
    columns: dict[str, pa.Array] = {}
    for node in nodes:
        rows = aligned.of(node.key)
        if rows is None:
            continue
        done = arrow.equal(rows["outcome"], RESULT)
        visible = arrow.both(pa.array(shown[node.key], pa.bool_()), done.is_valid())
        prefix_of = plan.encoder if node.runs_for == "rejected" else node
        for name, column, kind in table_columns(prefix_of or node):
            declared = node.stage.column(column)
            without, failed = (declared.without, declared.failed) if declared else (None, None)
            there = arrow.if_else(done, rows[column].combine_chunks(), pa.scalar(failed, kind))
            values = arrow.if_else(visible, there, pa.scalar(without, kind))
            if declared and declared.role == FILE:
                values = _in_full(values, output)
            columns[name] = arrow.coalesce(columns[name], values) if name in columns else values
    return columns


def _in_full(paths: pa.Array, output: str) -> pa.Array:
    return pa.array([layout.join(output, path) if path else None for path in paths.to_pylist()], pa.string())


def digest_column(plan: Plan, columns: Mapping[str, pa.Array], num_rows: int) -> pa.Array:
    """Returns the encoder's digest for each clip that has a file, else null."""
    encoder = plan.encoder
    if encoder is None:
        return pa.nulls(num_rows, pa.string())
    name = next(name for name, column in encoder.published_columns() if column.role == FILE)
    return (
        arrow.if_else(columns[name].is_valid(), encoder.digest, pa.scalar(None, pa.string()))
        if name in columns
        else pa.nulls(num_rows, pa.string())
    )


def clip_errors(
    plan: Plan, tables: Mapping[str, pa.Table], shown: Mapping[str, Mapping[str, bool]]
) -> dict[str, str]:
    """Returns clip_id -> JSON of stage -> message, of clips that any shown stage has a message for.

    A window's message is named ``<stage>_<first frame>_<last frame>``.
    """
    texts: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for node in plan.rowed:
        rows = tables.get(node.key)
        if rows is None or node.stage.grain == "video":
            continue
        for clip_id, name, message in (*_messages(node, rows), *_named_errors(node, rows)):
            if shown[node.key].get(clip_id, False):
                texts[clip_id][name] = message
    return {clip_id: json.dumps(found, sort_keys=True) for clip_id, found in texts.items()}


def _messages(node: Node, rows: pa.Table) -> Iterator[tuple[str, str, str]]:
    """Yields (clip_id, name, message) of the rows that have a message."""
    names = [
        name for name in ("id", "clip_id", "start_frame", "end_frame", "message") if name in rows.column_names
    ]
    for row in rows.filter(rows["message"].is_valid()).select(names).to_pylist():
        if row["message"]:
            yield str(row.get("clip_id") or row["id"]), _error_name(node, row), str(row["message"])


def _error_name(node: Node, row: Mapping[str, object]) -> str:
    if "clip_id" not in row:
        return node.key
    return f"{node.key}_{row['start_frame']}_{int(str(row['end_frame'])) - 1}"


def _named_errors(node: Node, rows: pa.Table) -> Iterator[tuple[str, str, str]]:
    """Yields (clip_id, name, message) of columns that hold JSON of several errors."""
    for column in (column for column in node.stored if column.role == ERRORS):
        for clip_id, text in zip(rows["id"].to_pylist(), rows[column.name].to_pylist(), strict=True):
            named = json.loads(text) if text else {}
            yield from ((str(clip_id), str(name), str(message)) for name, message in named.items())
