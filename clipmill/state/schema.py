"""The columns of a stage's rows in the state."""

import pyarrow as pa

from clipmill.planning.nodes import Node

OUTCOME = pa.schema(
    [
        ("id", pa.string()), ("stage_digest", pa.string()), ("run_id", pa.string()), ("outcome", pa.string()),
        ("reason", pa.string()), ("message", pa.string()), ("limit", pa.string()),
        ("limit_value", pa.float64()),
    ]
)  # fmt: skip
"""Columns of every row. ``outcome`` is ``result``, ``final``, ``retryable`` or ``cleared``; ``reason`` and
``message`` say why there is no result. ``limit`` names the limit that was hit, ``limit_value`` its value.
``id`` names the video, the clip or the window."""

WINDOW = pa.schema([("clip_id", pa.string()), ("start_frame", pa.int64()), ("end_frame", pa.int64())])
"""More columns of a window's row."""


def schema_of(node: Node) -> pa.Schema:
    """Returns the schema of the rows of a stage of clips or windows; derived columns are not stored."""
    place = list(WINDOW) if node.stage.grain == "window" else []
    columns = [pa.field(column.name, column.type) for column in node.stored]
    return pa.schema([*OUTCOME, *place, *(field for field in columns if field.name not in OUTCOME.names)])


def light_columns(node: Node) -> list[str]:
    """Returns the columns of a node's rows that hold no vectors, bytes or lists."""
    return [field.name for field in schema_of(node) if not _is_heavy(field.type)]


def _is_heavy(kind: pa.DataType) -> bool:
    return pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


_STR, _I64, _I32, _F64, _BOOL = pa.string(), pa.int64(), pa.int32(), pa.float64(), pa.bool_()
_CLIP_SPAN = pa.struct(
    [
        ("clip_id", _STR), ("start_frame", _I64), ("end_frame", _I64), ("start_pts", _I64), ("end_pts", _I64),
        ("start_s", _F64), ("end_s", _F64), ("shot_index", _I32),
    ]
)  # fmt: skip
_SHOT_SPAN = pa.struct(
    [
        ("start_frame", _I64), ("end_frame", _I64), ("start_pts", _I64), ("end_pts", _I64), ("start_s", _F64),
        ("end_s", _F64), ("gradual_start_s", _F64), ("gradual_end_s", _F64),
    ]
)  # fmt: skip
_DROPPED = pa.struct([("start_s", _F64), ("end_s", _F64), ("cause", _STR)])

SPLIT_STATE = pa.schema(
    [
        *OUTCOME, ("content_digest", _STR), ("audio_digest", _STR), ("is_partial", _BOOL),
        ("partial_reason", _STR), ("num_frames", _I64), ("duration_s", _F64), ("is_vfr", _BOOL),
        ("time_base", _STR), ("repaired_times", _STR), ("oddities", _STR), ("detector", _STR),
        ("shots", pa.list_(_SHOT_SPAN)), ("clips", pa.list_(_CLIP_SPAN)), ("dropped", pa.list_(_DROPPED)),
        ("bytes_read", _I64),
    ]
)  # fmt: skip
"""Columns of the split of a video; ``id`` is the video_id."""
