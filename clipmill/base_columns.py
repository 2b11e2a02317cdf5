"""Columns of the published tables that no stage writes. Stages must not use their names.

Times are seconds from the first frame shown, frames in display order, spans half-open.
"""

import pyarrow as pa

SCHEMA_VERSION = 2

_STR, _I64, _I32, _F64 = pa.string(), pa.int64(), pa.int32(), pa.float64()

VIDEOS = pa.schema(
    [
        ("video_id", _STR), ("source_version", _STR), ("content_digest", _STR), ("audio_digest", _STR),
        ("uri", _STR), ("status", _STR), ("reason", _STR), ("message", _STR), ("is_partial", pa.bool_()),
        ("partial_reason", _STR), ("oddities", _STR), ("duplicate_of", _STR), ("size_bytes", _I64),
        ("duration_s", _F64), ("num_frames", _I64), ("framerate_num", _I64), ("framerate_den", _I64),
        ("is_vfr", pa.bool_()), ("width", _I32), ("height", _I32), ("rotation_deg", _I32), ("sar", _STR),
        ("video_codec", _STR), ("pixel_format", _STR), ("audio_codec", _STR), ("bit_rate_k", _I64),
        ("num_shots", _I32), ("num_clips", _I32), ("dropped_s", _F64),
    ]
)  # fmt: skip
"""The first columns of the videos table."""

VIDEO_FATE = pa.schema([("errors", _STR)])
"""The last column of the videos table, behind those of stages of whole videos."""

CLIP_PLACE = pa.schema(
    [
        ("clip_id", _STR), ("video_id", _STR), ("source_uri", _STR), ("start_s", _F64), ("end_s", _F64),
        ("start_pts", _I64), ("end_pts", _I64), ("time_base", _STR), ("start_frame", _I64),
        ("end_frame", _I64), ("status", _STR), ("reason", _STR), ("clip_offset", _I64),
    ]
)  # fmt: skip
"""Where a clip lies in its source, and what became of it; the first columns of the clips table."""

CLIP_FATE = pa.schema(
    [
        ("encode_digest", _STR), ("duplicate_of", _STR), ("duplicate_group", _STR), ("similarity", _F64),
        ("damage", _F64), ("damage_start_s", _F64), ("errors", _STR), ("schema_version", _I32),
    ]
)  # fmt: skip
"""The last columns of the clips table."""

WINDOW_PLACE = pa.schema(
    [
        ("window_id", _STR), ("clip_id", _STR), ("start_frame", _I64), ("end_frame", _I64), ("start_s", _F64),
        ("end_s", _F64),
    ]
)  # fmt: skip
"""The first columns of the windows table; frames count from the clip's first."""

DUPLICATES = pa.schema(
    [
        ("clip_id", _STR), ("duplicate_of", _STR), ("group_id", _STR), ("similarity", _F64),
        ("cluster", _I32), ("method", _STR), ("scope", _STR), ("kept_because", _STR),
    ]
)  # fmt: skip
"""Columns of the duplicates table, which deduplication writes."""

RESERVED = {
    "clip": frozenset({*CLIP_PLACE.names, *CLIP_FATE.names}),
    "window": frozenset(WINDOW_PLACE.names),
    "video": frozenset({*VIDEOS.names, *VIDEO_FATE.names}),
    "run": frozenset[str](),
}
"""Grain -> names that a stage of that grain must not write."""

RESERVED_JSON = {
    "clip": frozenset(
        {
            "span_uuid", "source_video", "duration_span", "width_source", "height_source", "framerate_source",
            "source", "errors", "windows", "valid",
        }
    ),
    "window": frozenset({"start_frame", "end_frame"}),
    "video": frozenset[str](),
    "run": frozenset[str](),
}  # fmt: skip
"""Grain -> names in the documented JSON of its items that no stage may write."""

STATE_COLUMNS = frozenset({"id", "stage_digest", "outcome", "run_id", "effects"})
"""Names that every row of the state has beside a stage's own columns."""
