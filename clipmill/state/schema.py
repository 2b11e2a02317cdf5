"""The columns of a stage's rows in the state."""

import pyarrow as pa

from clipmill import identity
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.stages.base import Stage
from clipmill.stages.process_stage import SEEN_CLIPS
from clipmill.state.part_file import is_heavy

OUTCOME = pa.schema(
    [
        ("id", pa.string()), ("stage_digest", pa.string()), ("run_id", pa.string()), ("outcome", pa.string()),
        ("reason", pa.string()), ("message", pa.string()), ("limit", pa.string()),
        ("limit_value", pa.float64()), ("effects", pa.string()),
    ]
)  # fmt: skip
"""Columns of every row. ``outcome`` is ``result``, ``final``, ``retryable`` or ``cleared``; ``reason`` and
``message`` say why there is no result. ``limit`` names the limit that was hit, ``limit_value`` its value.
``effects`` names options that change results of some videos only; empty for ordinary ones. ``id`` names the
video, the clip or the window."""

WINDOW = pa.schema([("clip_id", pa.string()), ("start_frame", pa.int64()), ("end_frame", pa.int64())])
"""More columns of a window's row."""


def schema_of(node: Node) -> pa.Schema:
    """Returns the schema of the rows of a stage of clips or windows; derived columns are not stored."""
    place = list(WINDOW) if node.stage.grain == "window" else []
    columns = [pa.field(column.name, column.type) for column in node.stored]
    return pa.schema([*OUTCOME, *place, *(field for field in columns if field.name not in OUTCOME.names)])


def light_columns(node: Node) -> list[str]:
    """Returns the columns of a node's rows that hold no vectors, bytes or lists."""
    return [field.name for field in schema_of(node) if not is_heavy(field.type)]


def columns_for(plan: Plan, node: Node, *, publishes: bool) -> list[str]:
    """Returns the columns of a stage that are published, or else those that decide what is missing."""
    if publishes:
        heavy = {column.name for column in node.stage.writes if column.table == "embeddings"}
        return [name for name in schema_of(node).names if name not in heavy and name != "stage_digest"]
    if node.stage.grain == "window":
        return ["id", "clip_id", "start_frame", "end_frame", "outcome", "run_id", "effects"]
    judging = [one for one in plan.nodes if one.may_reject and (one is node or _reads(one, node))]
    if judging and (_derives(node) or any(type(one.stage).rejects is not Stage.rejects for one in judging)):
        return [name for name in light_columns(node) if name != "stage_digest"]
    ruled = {rule.column.rpartition(":")[2] for one in judging for rule in one.rules}
    kept = {"id", "outcome", "run_id", "effects", SEEN_CLIPS, *ruled}
    return [name for name in schema_of(node).names if name in kept]


def _reads(node: Node, other: Node) -> bool:
    return other.key in {ref.key for ref in node.inputs}


def _derives(node: Node) -> bool:
    return any(column.derived for column in node.stage.writes)


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
_DAMAGED = pa.struct([("start_frame", _I64), ("num_patched", _I64), ("num_lost", _I64), ("start_s", _F64)])
_DROPPED = pa.struct([("start_s", _F64), ("end_s", _F64), ("cause", _STR)])

_SHOWN = pa.struct(
    [
        ("width_px", _I32), ("height_px", _I32), ("is_mirrored", _BOOL), ("colours", pa.list_(_I32)),
        ("other_sound", _STR), ("every", _I64), ("times_s", pa.list_(_F64)),
    ]
)  # fmt: skip

SPLIT_STATE = pa.schema(
    [
        *OUTCOME, ("content_digest", _STR), ("audio_digest", _STR), ("is_partial", _BOOL),
        ("partial_reason", _STR), ("num_frames", _I64), ("duration_s", _F64), ("is_vfr", _BOOL),
        ("time_base", _STR), ("repaired_times", _STR), ("oddities", _STR), ("detector", _STR),
        ("shots", pa.list_(_SHOT_SPAN)), ("clips", pa.list_(_CLIP_SPAN)), ("dropped", pa.list_(_DROPPED)),
        ("bytes_read", _I64), ("traits", _STR), ("damaged", pa.list_(_DAMAGED)),
        ("shown", _SHOWN),
    ]
)  # fmt: skip
"""Columns of the split of a video; ``id`` is the video_id. ``traits`` are what options may depend on."""

INSPECT_STATE = pa.schema(
    [
        *OUTCOME, ("uri", _STR), ("size_bytes", _I64), ("video_id", _STR), ("container", _STR),
        ("video_codec", _STR), ("pixel_format", _STR), ("width", _I32), ("height", _I32),
        ("rotation_deg", _I32), ("sar", _STR), ("framerate", _STR), ("time_base", _STR),
        ("duration_s", _F64), ("num_frames", _I64), ("bit_rate_k", _I64), ("audio_codec", _STR),
        ("bytes_read", _I64),
    ]
)  # fmt: skip
"""Columns of a look at a source's headers; ``id`` is the source_version. Times are as headers say."""

INSPECT, VERIFY = "inspect", "verify"
"""Keys of a look at headers, and of whole files that look alike. ``video_id`` samples a large file: where
several sources share one, equal digests of whole files are copies, and different ones make each file's id
from its own digest, for ever, so that no file inherits another's results."""
FIRST_RUN = "0"
"""Run id of rows that belong to no run: smaller than any, so that every cleared row takes them away."""


def verify_digest() -> str:
    """Returns the digest of the whole-file check; no parameter changes it."""
    return identity.stage_digest(VERIFY, 1, {})


VERIFY_STATE = pa.schema([*OUTCOME, ("video_id", _STR), ("file_digest", _STR)])
"""Columns of a source that shares its sampled video_id with another; ``id`` is the source_version."""
