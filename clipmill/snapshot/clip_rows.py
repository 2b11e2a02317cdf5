"""Rows of the clips and windows tables. Pure."""

import json
from collections.abc import Iterator, Mapping
from typing import cast

from clipmill import identity, layout
from clipmill.plan import RunPlan
from clipmill.records import ClipSpan
from clipmill.snapshot.clip_fates import ClipFate
from clipmill.snapshot.collect import Row
from clipmill.snapshot.video_fates import VideoFate
from clipmill.storage.tables import CROP_COLUMNS, SCHEMA_VERSION
from clipmill.storage.verdicts import FILTERED_FILE_STAGE, StageRows, answers_of
from clipmill.timeline import split_windows

_FILE_COLUMNS = (
    "clip_digest", "clip_mode", "mode_reason", "file_start_s", "width", "height", "framerate", "num_frames",
    "num_bytes", "video_codec", "has_audio", *CROP_COLUMNS,
)  # fmt: skip
_MOTION_COLUMNS = (
    "motion_global_mean", "motion_per_patch_min_256", "motion_camera_mean", "motion_object_mean",
    "motion_source",
)  # fmt: skip
_QUALITY_COLUMNS = (
    "sharpness", "exposure", "colourfulness", "blockiness", "black_ratio", "frozen_ratio", "letterbox_ratio",
    "text_likeness",
)  # fmt: skip
_ERROR_COLUMNS = {
    "motion": "error",
    "quality": "error",
    "encode": "message",
    "embed": "message",
    "frames": "message",
    "aesthetic": "error",
    "answers": "error",
}


def clip_row(
    video: VideoFate, clip: ClipSpan, fate: ClipFate, rows: StageRows, *, plan: RunPlan, output: str
) -> Row:
    """One clip, kept or filtered; duplicates are marked later."""
    span = {name: getattr(clip, name) for name in ("clip_id", "start_s", "end_s", "start_pts", "end_pts")}
    embed = rows.get("embed")
    is_embedded = plan.embedding is not None and embed is not None and embed["reason"] is None
    return {
        **span,
        "video_id": video.inspection["video_id"] if video.inspection else None,
        "source_uri": video.source.uri,
        "time_base": video.split["time_base"] if video.split else None,
        "start_frame": clip.frames.start_frame,
        "end_frame": clip.frames.end_frame,
        "status": "filtered" if fate.reason else "kept",
        "reason": fate.reason,
        **_file(rows.get(FILTERED_FILE_STAGE if fate.reason else "encode"), output=output),
        **_picked(rows.get("motion"), _MOTION_COLUMNS),
        **_picked(rows.get("quality"), _QUALITY_COLUMNS),
        "aesthetic_score": _aesthetic_score(rows.get("aesthetic"), plan),
        "embedding_algorithm": plan.embedding.algorithm if plan.embedding and is_embedded else None,
        **_picked(embed if is_embedded else None, ("text_match", "text_match_score")),
        "answers": _answers(rows.get("answers"), plan),
        "errors": json.dumps(_errors(rows), sort_keys=True),
        "schema_version": SCHEMA_VERSION,
    }


def window_rows(clip: ClipSpan, rows: StageRows, *, plan: RunPlan, output: str) -> Iterator[Row]:
    """The caption windows of a clip, with what was said of each; ``skipped`` where nobody was asked.

    Times are placed by frame count between the ends of the clip, so within a VFR clip they are approximate.
    """
    num_frames = clip.frames.num_frames
    spec = plan.windows
    spans = split_windows(
        num_frames, window_size=spec.window_size, remainder_threshold=spec.remainder_threshold
    )
    previews = {window["start_frame"]: window["preview_uri"] for window in _windows(rows, "preview")}
    captions = {window["start_frame"]: window for window in _windows(rows, "caption")}
    enhanced = {window["start_frame"]: window for window in _windows(rows, "enhance")}
    for span in spans:
        yield {
            "window_id": identity.window_id(clip.clip_id, span.start_frame, span.end_frame),
            "clip_id": clip.clip_id,
            "start_frame": span.start_frame,
            "end_frame": span.end_frame,
            "start_s": clip.start_s + clip.duration_s * span.start_frame / num_frames,
            "end_s": clip.start_s + clip.duration_s * span.end_frame / num_frames,
            **_caption(captions.get(span.start_frame), rows.get("caption")),
            **_enhanced(enhanced.get(span.start_frame), rows.get("enhance")),
            "preview_uri": _absolute(previews.get(span.start_frame), output=output),
        }


def _caption(window: Row | None, row: Row | None) -> Row:
    if window is None or row is None:
        return {"status": "skipped"}
    said = _picked(window, ("caption", "status", "input_tokens", "output_tokens"))
    return {**_picked(row, ("model", "revision", "prompt_digest")), **said}


def _enhanced(window: Row | None, row: Row | None) -> Row:
    if window is None or row is None:
        return {}
    said = {"enhanced_caption": window["caption"], "enhanced_status": window["status"]}
    return {"enhanced_model": row["model"], **said}


def _aesthetic_score(row: Row | None, plan: RunPlan) -> object:
    return row[f"aesthetic_{plan.aesthetics.reduction}"] if row and plan.aesthetics else None


def _answers(row: Row | None, plan: RunPlan) -> str | None:
    """JSON, question -> answer."""
    if row is None or not plan.questions:
        return None
    return json.dumps({one.question: one.answer for one in answers_of(row)}, sort_keys=True)


def _file(row: Row | None, *, output: str) -> Row:
    if row is None or row["reason"] is not None:
        return {}
    uri = _absolute(row["clip_uri"], output=output)
    return {"clip_uri": uri, "encode_digest": row["stage_digest"], **_picked(row, _FILE_COLUMNS)}


def _absolute(relative: object, *, output: str) -> str | None:
    """The state names artefacts below the output; the tables name them in full."""
    return layout.join(output, str(relative)) if relative else None


def _picked(row: Row | None, columns: tuple[str, ...]) -> Row:
    return {} if row is None else {name: row[name] for name in columns}


def _windows(rows: StageRows, stage: str) -> list[Mapping[str, object]]:
    row = rows.get(stage) or {}
    return cast("list[Mapping[str, object]]", row.get("windows") or [])


def _errors(rows: StageRows) -> dict[str, str]:
    """Stage -> message; a window's is named by its frames, as the documents name them (inclusive end)."""
    texts = {stage: row.get(_ERROR_COLUMNS[stage]) for stage in _ERROR_COLUMNS if (row := rows.get(stage))}
    for stage in ("preview", "caption", "enhance"):
        for window in _windows(rows, stage):
            last_frame = cast(int, window["end_frame"]) - 1
            texts[f"{stage}_{window['start_frame']}_{last_frame}"] = window["message"]
    return {stage: str(text) for stage, text in texts.items() if text}
