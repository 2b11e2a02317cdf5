"""The rows of earlier runs that the stages of this run read."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from clipmill import arrow
from clipmill.engine.work import Work
from clipmill.planning.judgement import RETRYABLE
from clipmill.planning.missing import item_ids
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.state.schema import light_columns, schema_of
from clipmill.state.store import ResultStore


def known_of(state: ResultStore, plan: Plan, items: Sequence[Work]) -> dict[str, dict[str, pa.Table]]:
    """Returns video_id -> key -> rows of the clips of ``items`` that an earlier run left.

    Only columns that a rule or a stage reads are there, beside outcomes. Rows that are tried again are left
    out: a failure of the last time does not reject a clip before its stage ran.
    """
    wanted = [item for item in items if item.clips]
    found: dict[str, dict[str, pa.Table]] = {item.video_id: {} for item in wanted}
    for node in plan.rowed:
        if wanted and node.stage.grain != "video":
            for item, rows in _by_video(state, plan, node, wanted):
                found[item.video_id][node.key] = rows
    return found


def _by_video(
    state: ResultStore, plan: Plan, node: Node, items: Sequence[Work]
) -> Iterator[tuple[Work, pa.Table]]:
    """Yields the items that have rows of a stage, with these rows."""
    ids = [
        [one for clip in item.clips or () for one in item_ids(plan, plan.by_key[node.key], clip)]
        for item in items
    ]
    wanted = pa.array([one for of_item in ids for one in of_item], pa.string())
    owners = np.repeat(np.arange(len(items)), [len(of_item) for of_item in ids])
    of_item = pa.array(
        [node.effects_in(item.traits or "", item.source_values) for item in items], pa.string()
    )
    rows = _read(state, plan, node, wanted, of_item.take(pa.array(owners)))
    rows = rows.filter(arrow.not_equal(rows["outcome"], RETRYABLE))
    of_row = owners[np.asarray(arrow.index_in(rows["id"].combine_chunks(), wanted), dtype=int)]
    order = np.argsort(of_row, kind="stable")
    rows, of_row = rows.take(pa.array(order)).combine_chunks(), of_row[order]
    starts = np.flatnonzero(np.diff(of_row, prepend=-1))
    ends = [*starts[1:], len(of_row)] if len(starts) else []
    for start, end in zip(starts, ends, strict=True):
        yield items[of_row[start]], rows.slice(start, end - start).combine_chunks()


def _read(state: ResultStore, plan: Plan, node: Node, wanted: pa.Array, effects: pa.Array) -> pa.Table:
    read = {ref.column.name for other in plan.nodes for ref in other.inputs if ref.key == node.key}
    schema = schema_of(node)
    columns = [name for name in schema.names if name in light_columns(node) or name in read]
    return state.read(node.key, node.digest, schema=schema, columns=columns, among=wanted, effects=effects)
