"""Schemas of the published tables and of the state's parts: the columns everybody joins on.

Times are seconds from the first frame shown, frames in display order, spans half-open.
"""

import pyarrow as pa

SCHEMA_VERSION = 1

CROP_COLUMNS = ("crop_x", "crop_y", "crop_width", "crop_height")
"""What a clip shows of the upright source, in its pixels; null where no other size was asked for."""

_STR, _I64, _I32, _F64, _BOOL = pa.string(), pa.int64(), pa.int32(), pa.float64(), pa.bool_()


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema([pa.field(name, kind) for name, kind in columns.items()])


VIDEOS = _schema(
    video_id=_STR, source_version=_STR, content_digest=_STR, audio_digest=_STR, uri=_STR, status=_STR,
    reason=_STR, message=_STR, is_partial=_BOOL, partial_reason=_STR, oddities=_STR, duplicate_of=_STR,
    size_bytes=_I64,
    duration_s=_F64, num_frames=_I64, framerate_num=_I64, framerate_den=_I64, is_vfr=_BOOL, width=_I32,
    height=_I32, rotation_deg=_I32, sar=_STR, video_codec=_STR, pixel_format=_STR, audio_codec=_STR,
    bit_rate_k=_I64, num_shots=_I32, num_clips=_I32, dropped_s=_F64,
)  # fmt: skip

SHOTS = _schema(
    video_id=_STR, shot_index=_I32, start_s=_F64, end_s=_F64, start_pts=_I64, end_pts=_I64, start_frame=_I64,
    end_frame=_I64, gradual_start_s=_F64, gradual_end_s=_F64, detector=_STR,
)  # fmt: skip

CLIPS = _schema(
    clip_id=_STR, video_id=_STR, source_uri=_STR, start_s=_F64, end_s=_F64, start_pts=_I64, end_pts=_I64,
    time_base=_STR, start_frame=_I64, end_frame=_I64, status=_STR, reason=_STR, clip_uri=_STR,
    clip_offset=_I64, clip_digest=_STR, encode_digest=_STR, clip_mode=_STR, mode_reason=_STR,
    file_start_s=_F64, width=_I32, height=_I32, framerate=_F64, num_frames=_I64, num_bytes=_I64,
    video_codec=_STR, has_audio=_BOOL, crop_x=_I32, crop_y=_I32, crop_width=_I32, crop_height=_I32,
    motion_global_mean=_F64, motion_per_patch_min_256=_F64, motion_camera_mean=_F64, motion_object_mean=_F64,
    motion_source=_STR, aesthetic_score=_F64, sharpness=_F64, exposure=_F64, colourfulness=_F64,
    blockiness=_F64, black_ratio=_F64, frozen_ratio=_F64, letterbox_ratio=_F64, text_likeness=_F64,
    embedding_algorithm=_STR,
    text_match=_STR, text_match_score=_F64, answers=_STR, duplicate_of=_STR, duplicate_group=_STR,
    similarity=_F64, errors=_STR, schema_version=_I32,
)  # fmt: skip

WINDOWS = _schema(
    window_id=_STR, clip_id=_STR, start_frame=_I64, end_frame=_I64, start_s=_F64, end_s=_F64, model=_STR,
    revision=_STR, prompt_digest=_STR, caption=_STR, status=_STR, input_tokens=_I64, output_tokens=_I64,
    enhanced_model=_STR, enhanced_caption=_STR, enhanced_status=_STR, preview_uri=_STR,
)  # fmt: skip

REJECTIONS = _schema(uri=_STR, video_id=_STR, clip_id=_STR, stage=_STR, reason=_STR, message=_STR)

DUPLICATES = _schema(
    clip_id=_STR, duplicate_of=_STR, group_id=_STR, similarity=_F64, cluster=_I32, method=_STR, scope=_STR
)

TABLE_SCHEMAS = {
    "videos": VIDEOS, "shots": SHOTS, "clips": CLIPS, "windows": WINDOWS, "rejections": REJECTIONS,
    "duplicates": DUPLICATES,
}  # fmt: skip

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

INSPECT_STATE = _schema(
    id=_STR, stage_digest=_STR, uri=_STR, size_bytes=_I64, video_id=_STR, reason=_STR, message=_STR,
    container=_STR, video_codec=_STR, pixel_format=_STR, width=_I32, height=_I32, rotation_deg=_I32, sar=_STR,
    framerate=_STR, time_base=_STR, duration_s=_F64, num_frames=_I64, bit_rate_k=_I64, audio_codec=_STR,
    bytes_read=_I64,
)  # fmt: skip
"""id is the source_version."""

VERIFY_STATE = _schema(id=_STR, stage_digest=_STR, video_id=_STR, file_digest=_STR)
"""id is the source_version of a source that shares its sampled video_id with another."""

SPLIT_STATE = _schema(
    id=_STR, stage_digest=_STR, reason=_STR, message=_STR, content_digest=_STR, audio_digest=_STR,
    is_partial=_BOOL, partial_reason=_STR, num_frames=_I64, duration_s=_F64, is_vfr=_BOOL, time_base=_STR,
    repaired_times=_STR, oddities=_STR, detector=_STR, shots=pa.list_(_SHOT_SPAN), clips=pa.list_(_CLIP_SPAN),
    dropped=pa.list_(_DROPPED), bytes_read=_I64,
)  # fmt: skip
"""id is the video_id; reason is null for a video that was split."""

MOTION_STATE = _schema(
    id=_STR,
    stage_digest=_STR,
    motion_global_mean=_F64,
    motion_per_patch_min_256=_F64,
    motion_camera_mean=_F64,
    motion_object_mean=_F64,
    motion_source=_STR,
    error=_STR,
)
"""id is the clip_id, here and below."""

QUALITY_STATE = _schema(
    id=_STR, stage_digest=_STR, sharpness=_F64, exposure=_F64, colourfulness=_F64, blockiness=_F64,
    black_ratio=_F64, frozen_ratio=_F64, letterbox_ratio=_F64, text_likeness=_F64, error=_STR,
)  # fmt: skip

ENCODE_STATE = _schema(
    id=_STR, stage_digest=_STR, reason=_STR, message=_STR, clip_uri=_STR, clip_digest=_STR, clip_mode=_STR,
    mode_reason=_STR, file_start_s=_F64, width=_I32, height=_I32, framerate=_F64, num_frames=_I64,
    num_bytes=_I64, video_codec=_STR, has_audio=_BOOL, crop_x=_I32, crop_y=_I32, crop_width=_I32,
    crop_height=_I32,
)  # fmt: skip

AESTHETIC_STATE = _schema(id=_STR, stage_digest=_STR, aesthetic_min=_F64, aesthetic_mean=_F64, error=_STR)
"""Both reductions of the frames' scores, so that another one needs no pixels."""

ANSWERS_STATE = _schema(
    id=_STR,
    stage_digest=_STR,
    answers=pa.list_(pa.struct([("question", _STR), ("answer", _STR), ("text", _STR)])),
    error=_STR,
)
"""answer is yes, no or null; text is what the model said."""

EMBED_STATE = _schema(
    id=_STR, stage_digest=_STR, reason=_STR, message=_STR, embedding=pa.list_(pa.float32()), text_match=_STR,
    text_match_score=_F64, sketch=pa.binary(),
)  # fmt: skip

_CAPTION = pa.struct(
    [
        ("start_frame", _I64), ("end_frame", _I64), ("caption", _STR), ("status", _STR), ("message", _STR),
        ("input_tokens", _I64), ("output_tokens", _I64),
    ]
)  # fmt: skip

CAPTION_STATE = _schema(
    id=_STR, stage_digest=_STR, model=_STR, revision=_STR, prompt_digest=_STR, windows=pa.list_(_CAPTION)
)
"""Of captions, and of captions that a language model worked over."""

PREVIEW_STATE = _schema(
    id=_STR, stage_digest=_STR, windows=pa.list_(pa.struct([("start_frame", _I64), ("end_frame", _I64),
    ("preview_uri", _STR), ("message", _STR)])),
)  # fmt: skip

FRAMES_STATE = _schema(id=_STR, stage_digest=_STR, num_frames=_I64, message=_STR)
"""id is the clip_id, or the video_id where the frames of whole videos are written."""

CUSTOM_STATE = _schema(id=_STR, stage_digest=_STR, reason=_STR, message=_STR)
"""reason is null for a clip that the custom stages let pass."""

STATE_SCHEMAS = {
    "inspect": INSPECT_STATE, "verify": VERIFY_STATE, "split": SPLIT_STATE, "motion": MOTION_STATE,
    "quality": QUALITY_STATE, "encode": ENCODE_STATE, "encode_filtered": ENCODE_STATE, "embed": EMBED_STATE,
    "preview": PREVIEW_STATE, "frames": FRAMES_STATE, "video_frames": FRAMES_STATE, "custom": CUSTOM_STATE,
    "aesthetic": AESTHETIC_STATE, "answers": ANSWERS_STATE, "caption": CAPTION_STATE,
    "enhance": CAPTION_STATE,
}  # fmt: skip
