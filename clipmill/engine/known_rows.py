"""The rows of earlier runs that the stages of this run read."""

from collections.abc import Mapping, Sequence

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
    if not wanted:
        return {}
    tables = {node.key: _read(state, plan, node) for node in plan.rowed if node.stage.grain != "video"}
    return {item.video_id: _of_video(item, plan, tables) for item in wanted}


def _read(state: ResultStore, plan: Plan, node: Node) -> pa.Table:
    read = {ref.column.name for other in plan.nodes for ref in other.inputs if ref.key == node.key}
    schema = schema_of(node)
    columns = [name for name in schema.names if name in light_columns(node) or name in read]
    return state.read(node.key, node.digest, schema=schema, columns=columns)


def _of_video(item: Work, plan: Plan, tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    found: dict[str, pa.Table] = {}
    for key, table in tables.items():
        ids = [one for clip in item.clips or () for one in item_ids(plan, plan.by_key[key], clip)]
        of_video = arrow.is_in(table["id"], pa.array(ids, pa.string()))
        rows = table.filter(arrow.both(of_video, arrow.not_equal(table["outcome"], RETRYABLE)))
        if len(rows):
            found[key] = rows.combine_chunks()
    return found
