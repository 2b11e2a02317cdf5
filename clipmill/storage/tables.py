"""Schemas of what is known of sources before they are split. Times are seconds, as headers have them."""

import pyarrow as pa

_STR, _I64, _I32, _F64 = pa.string(), pa.int64(), pa.int32(), pa.float64()


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema([pa.field(name, kind) for name, kind in columns.items()])


INSPECT_STATE = _schema(
    id=_STR, stage_digest=_STR, uri=_STR, size_bytes=_I64, video_id=_STR, reason=_STR, message=_STR,
    container=_STR, video_codec=_STR, pixel_format=_STR, width=_I32, height=_I32, rotation_deg=_I32, sar=_STR,
    framerate=_STR, time_base=_STR, duration_s=_F64, num_frames=_I64, bit_rate_k=_I64, audio_codec=_STR,
    bytes_read=_I64, outcome=_STR, run_id=_STR, limit=_STR, limit_value=_F64,
)  # fmt: skip
"""id is the source_version."""

VERIFY_STATE = _schema(id=_STR, stage_digest=_STR, video_id=_STR, file_digest=_STR)
"""id is the source_version of a source that shares its sampled video_id with another."""

STATE_SCHEMAS = {"inspect": INSPECT_STATE, "verify": VERIFY_STATE}
