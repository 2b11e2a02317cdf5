"""The columns that stages add to a table, aligned with its clips or windows. Pure."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

from clipmill import arrow
from clipmill.dataset.collect import Collection
from clipmill.dataset.schemas import table_columns
from clipmill.planning.judgement import RESULT, AlignedRows
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.stages.columns import ERRORS, FILE


def stage_columns(
    plan: Plan, grain: str, rows: AlignedRows, shown: Mapping[str, np.ndarray], stopped: np.ndarray
) -> dict[str, pa.Array]:
    """Returns published name -> values for aligned rows; null where a stage has no result.

    ``shown`` is by key; the encoder of rejected clips fills the columns of the other one. ``stopped`` marks
    the rows of clips that did not pass the barriers. Paths are relative to the output.
    """
    columns: dict[str, pa.Array] = {}
    for node in (node for node in plan.rowed if node.stage.grain == grain):
        found = rows.of(node.key)
        if found is None:
            continue
        done = arrow.equal(found["outcome"], RESULT)
        visible = arrow.both(pa.array(shown[node.key]), done.is_valid())
        is_stopped = pa.array(shown[node.key] & stopped & bool(node.phase))
        prefix_of = plan.encoder if node.runs_for == "rejected" else node
        for name, column, kind in table_columns(prefix_of or node):
            declared = node.stage.column(column)
            without, failed = (declared.without, declared.failed) if declared else (None, None)
            there = arrow.if_else(done, found[column].combine_chunks(), pa.scalar(failed, kind))
            not_there = pa.scalar(without, kind)
            if declared and declared.repeated:
                not_there = arrow.if_else(is_stopped, pa.scalar(declared.repeated, kind), not_there)
            values = arrow.if_else(visible, there, not_there)
            if declared and declared.role == FILE:
                values = arrow.if_else(arrow.equal(values, ""), pa.scalar(None, pa.string()), values)
            columns[name] = arrow.coalesce(columns[name], values) if name in columns else values
    return columns


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


def clip_errors(plan: Plan, collection: Collection, shown: Mapping[str, np.ndarray]) -> pa.Array:
    """Returns for each clip JSON of stage -> message, of every shown stage that has a message for it.

    A window's message is named ``<stage>_<first frame>_<last frame>``.
    """
    texts: defaultdict[int, dict[str, str]] = defaultdict(dict)
    clips = collection.clips
    for node in plan.rowed:
        if node.key in clips.rows:
            owners = clips.windows.owners if node.stage.grain == "window" else np.arange(len(clips.ids))
            for index, name, message in (
                *_messages(node, clips.rows[node.key]),
                *_named_errors(node, clips.rows[node.key]),
            ):
                place = int(owners[index])
                if shown[node.key][place]:
                    texts[place][name] = message
    named = pa.array([json.dumps(texts[place], sort_keys=True) for place in sorted(texts)], pa.string())
    return arrow.placed(named, sorted(texts), len(clips.ids), "{}")


def _messages(node: Node, rows: pa.Table) -> Iterator[tuple[int, str, str]]:
    """Yields (place, name, message) of the rows that have a message."""
    names = [name for name in ("start_frame", "end_frame", "message") if name in rows.column_names]
    places = _with_text(rows["message"])
    for place, row in zip(places, rows.select(names).take(pa.array(places)).to_pylist(), strict=True):
        yield int(place), _error_name(node, row), str(row["message"])


def _error_name(node: Node, row: Mapping[str, object]) -> str:
    if node.stage.grain != "window":
        return node.key
    return f"{node.key}_{row['start_frame']}_{int(str(row['end_frame'])) - 1}"


def _named_errors(node: Node, rows: pa.Table) -> Iterator[tuple[int, str, str]]:
    """Yields (place, name, message) of columns that hold JSON of several errors."""
    for column in (column for column in node.stored if column.role == ERRORS):
        places = _with_text(rows[column.name])
        for place, text in zip(places, rows[column.name].take(pa.array(places)).to_pylist(), strict=True):
            named = json.loads(text)
            yield from ((int(place), str(name), str(message)) for name, message in named.items())


def _with_text(column: pa.ChunkedArray) -> np.ndarray:
    return np.flatnonzero(arrow.flags(arrow.not_equal(column, "")))
