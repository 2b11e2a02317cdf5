"""Schemas of the published tables: base columns, and the columns of a plan's stages.

Times are seconds from the first frame shown, frames in display order, spans half-open.
"""

from collections.abc import Iterator

import pyarrow as pa

from clipmill.base_columns import CLIP_FATE, CLIP_PLACE, DUPLICATES, VIDEO_FATE, VIDEOS, WINDOW_PLACE
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan

_STR, _I64, _I32, _F64 = pa.string(), pa.int64(), pa.int32(), pa.float64()

SHOTS = pa.schema(
    [
        ("video_id", _STR), ("shot_index", _I32), ("start_s", _F64), ("end_s", _F64), ("start_pts", _I64),
        ("end_pts", _I64), ("start_frame", _I64), ("end_frame", _I64), ("gradual_start_s", _F64),
        ("gradual_end_s", _F64), ("detector", _STR),
    ]
)  # fmt: skip

REJECTIONS = pa.schema(
    [
        ("uri", _STR), ("video_id", _STR), ("clip_id", _STR), ("stage", _STR), ("reason", _STR),
        ("message", _STR),
    ]
)  # fmt: skip

TABLES = ("videos", "shots", "clips", "windows", "rejections", "duplicates")


def clips_schema(plan: Plan) -> pa.Schema:
    """Returns the columns of the clips table of a plan."""
    return pa.schema([*CLIP_PLACE, *_fields(plan, "clip"), *CLIP_FATE, *plan.source_fields])


def videos_schema(plan: Plan) -> pa.Schema:
    """Returns the columns of the videos table of a plan."""
    return pa.schema([*VIDEOS, *_fields(plan, "video"), *VIDEO_FATE, *plan.source_fields])


def windows_schema(plan: Plan) -> pa.Schema:
    """Returns the columns of the windows table of a plan."""
    return pa.schema([*WINDOW_PLACE, *_fields(plan, "window")])


def table_schemas(plan: Plan) -> dict[str, pa.Schema]:
    """Returns table name -> schema, in the order of ``TABLES``."""
    return {
        "videos": videos_schema(plan),
        "shots": SHOTS,
        "clips": clips_schema(plan),
        "windows": windows_schema(plan),
        "rejections": REJECTIONS,
        "duplicates": DUPLICATES,
    }


def table_columns(node: Node) -> Iterator[tuple[str, str, pa.DataType]]:
    """Yields (published name, column of the stage, type) of what a node adds to the table of its grain."""
    for name, column in node.published_columns():
        if column.table == "own_grain":
            yield name, column.name, column.type


def _fields(plan: Plan, grain: str) -> Iterator[pa.Field]:
    for node in plan.nodes:
        if node.stage.grain == grain and node.runs_for != "rejected":
            yield from (pa.field(name, kind) for name, _, kind in table_columns(node))
