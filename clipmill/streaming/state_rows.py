"""From a finished parcel to the rows of the state. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from clipmill import layout
from clipmill.models.captioner import Caption
from clipmill.models.prompts import caption_prompt, enhancement_prompt, prompt_digest, refinement
from clipmill.plan import RunPlan
from clipmill.records import ClipSpan, WorkItem
from clipmill.scores.verdict import SCORE_DIGITS
from clipmill.stages.video.caption.caption_generation import CaptionGenerationStage
from clipmill.stages.video.caption.serving import ServedModel
from clipmill.storage.tables import CROP_COLUMNS
from clipmill.storage.verdicts import CUSTOM_STAGE
from clipmill.streaming.parcel import Parcel, SplitOutcome, TimedDrop, TimedShot
from clipmill.video import Clip, Window

StateRow = dict[str, object]
"""Column name -> value, as ``clipmill.storage.tables`` has them."""


@dataclass(frozen=True)
class Origins:
    """What rows say of how they were made; ``captions`` and ``enhanced`` name who was asked what."""

    motion_source: str
    captions: StateRow
    enhanced: StateRow


def origins_of(plan: RunPlan) -> Origins:
    """The origins that a plan's rows have in common."""
    return Origins(
        motion_source=plan.motion.motion_source if plan.motion else "",
        captions=_writer(plan, plan.captions, caption_prompt(plan.windows)),
        enhanced=_writer(plan, plan.enhancement, enhancement_prompt(plan.enhancement))
        if plan.enhancement
        else {},
    )


def _writer(plan: RunPlan, stage: ServedModel | None, prompt: str) -> StateRow:
    """Model, revision and the digest of what it was asked; an endpoint's model has no revision."""
    if stage is None:
        return {}
    second = refinement(stage) if isinstance(stage, CaptionGenerationStage) else None
    asked: StateRow = {"prompt_digest": prompt_digest(prompt, second)}
    used = next((model for model in plan.models if model.stage is stage), None)
    if used is None:
        return {"model": stage.endpoint_model, "revision": None, **asked}
    return {"model": used.entry.source, "revision": used.revision, **asked}


def rows_of(parcel: Parcel, origins: Origins) -> Iterator[tuple[str, StateRow]]:
    """(stage, row) for everything this parcel decided; the stages the item did not miss give none.

    The split comes last: when it is there, its clips' rows were at least handed over.
    """
    missing = parcel.item.missing
    video = parcel.task.data
    for clip in (*video.clips, *video.filtered_clips):
        for stage, row in _clip_rows(clip, origins.motion_source):
            if stage in missing:
                yield stage, {"id": str(clip.uuid), **row}
        if clip.reason is None:
            yield from _caption_rows(clip, missing, origins)
    if "video_frames" in missing and video.clip_chunk_index == 0:
        yield "video_frames", {"id": parcel.item.video_id}
    if parcel.outcome and "split" in missing:
        yield "split", _split_row(parcel.item, parcel.outcome)


def _clip_rows(clip: Clip, motion_source: str) -> Iterator[tuple[str, StateRow]]:
    yield "motion", _motion_row(clip, motion_source)
    if clip.frame_scores is not None or clip.errors.get("aesthetic"):
        yield "aesthetic", _aesthetic_row(clip)
    if clip.answers or clip.errors.get("answers"):
        yield "answers", _answers_row(clip)
    dropped = clip.errors.get(CUSTOM_STAGE)
    if clip.reason is None or dropped:
        yield CUSTOM_STAGE, {"reason": clip.reason, "message": dropped}
    yield "quality", _quality_row(clip)
    encode_failed = clip.errors.get("encode")
    if clip.reason is None or encode_failed:
        yield "encode", _encode_row(clip, encode_failed)
    elif clip.file is not None:
        yield "encode_filtered", _encode_row(clip, None)
    embed_failed = clip.errors.get("embed")
    if clip.reason is None or embed_failed:
        yield "embed", _embed_row(clip, embed_failed)
    yield "preview", {"windows": [_preview(clip, index) for index in range(len(clip.windows))]}
    if clip.reason is None:
        yield "frames", {"num_frames": clip.place.frames.num_frames if clip.place else 0, "message": ""}


def _caption_rows(clip: Clip, missing: frozenset[str], origins: Origins) -> Iterator[tuple[str, StateRow]]:
    if "caption" in missing:
        answers = [window.answer for window in clip.windows]
        yield "caption", {**origins.captions, **_caption_row(clip, answers)}
    if "enhance" in missing:
        answers = [window.enhanced_answer for window in clip.windows]
        yield "enhance", {**origins.enhanced, **_caption_row(clip, answers)}


def _motion_row(clip: Clip, motion_source: str) -> StateRow:
    return {
        "motion_global_mean": clip.motion_score_global_mean,
        "motion_per_patch_min_256": clip.motion_score_per_patch_min_256,
        "motion_camera_mean": clip.motion_score_camera_mean,
        "motion_object_mean": clip.motion_score_object_mean,
        "motion_source": motion_source,
        "error": clip.errors.get("motion"),
    }


def _quality_row(clip: Clip) -> StateRow:
    scores = clip.quality
    return {
        "sharpness": scores.sharpness if scores else None,
        "exposure": scores.exposure if scores else None,
        "colourfulness": scores.colourfulness if scores else None,
        "blockiness": scores.blockiness if scores else None,
        "black_ratio": scores.black_ratio if scores else None,
        "frozen_ratio": scores.frozen_ratio if scores else None,
        "letterbox_ratio": scores.letterbox_ratio if scores else None,
        "text_likeness": scores.text_likeness if scores else None,
        "error": clip.errors.get("quality"),
    }


def _encode_row(clip: Clip, failed: str | None) -> StateRow:
    if failed or clip.file is None:
        return {"reason": "encode_failed", "message": failed or "the clip was not cut"}
    file = clip.file
    return {
        "clip_uri": file.path,
        "clip_digest": clip.file_digest,
        "clip_mode": file.clip_mode,
        "mode_reason": file.mode_reason,
        "file_start_s": file.file_start_s,
        "width": file.width,
        "height": file.height,
        "framerate": file.framerate,
        "num_frames": file.num_frames,
        "num_bytes": file.num_bytes,
        "video_codec": file.video_codec,
        "has_audio": file.has_audio,
        **dict(zip(CROP_COLUMNS, file.crop or (None,) * 4, strict=True)),
    }


def _embed_row(clip: Clip, failed: str | None) -> StateRow:
    if clip.embedding is None:
        return {"reason": "embedding_failed", "message": failed or "the clip was not embedded"}
    text, score = clip.text_match or (None, None)
    embedding = clip.embedding.tolist()
    return {"embedding": embedding, "sketch": clip.sketch, "text_match": text, "text_match_score": score}


def _aesthetic_row(clip: Clip) -> StateRow:
    scores = clip.frame_scores
    if scores is None or not len(scores):
        return {"error": clip.errors.get("aesthetic", "the clip has no sampled frames")}
    return {
        "aesthetic_min": round(float(scores.min()), SCORE_DIGITS),
        "aesthetic_mean": round(float(scores.mean()), SCORE_DIGITS),
    }


def _answers_row(clip: Clip) -> StateRow:
    answers = [{"question": one.question, "answer": one.answer, "text": one.text} for one in clip.answers]
    return {"answers": answers, "error": clip.errors.get("answers")}


def _caption_row(clip: Clip, captions: Sequence[Caption | None]) -> StateRow:
    pairs = zip(clip.windows, captions, strict=True)
    return {"id": str(clip.uuid), "windows": [_caption(window, caption) for window, caption in pairs]}


def _caption(window: Window, caption: Caption | None) -> StateRow:
    place = {"start_frame": window.start_frame, "end_frame": window.end_frame + 1}
    if caption is None:
        return {**place, "status": "skipped"}
    return {
        **place,
        "caption": caption.text or None,
        "status": caption.status,
        "message": caption.message or None,
        "input_tokens": caption.input_tokens,
        "output_tokens": caption.output_tokens,
    }


def _preview(clip: Clip, index: int) -> StateRow:
    window = clip.windows[index]
    error = clip.errors.get(f"preview_{window.start_frame}_{window.end_frame}")
    path = layout.preview_path("", str(clip.uuid), window.start_frame, window.end_frame).lstrip("/")
    return {
        "start_frame": window.start_frame,
        "end_frame": window.end_frame + 1,
        "preview_uri": path if window.has_preview else None,
        "message": error,
    }


def _split_row(item: WorkItem, outcome: SplitOutcome) -> StateRow:
    facts = outcome.facts
    row: StateRow = {"id": item.video_id, "reason": outcome.reason, "message": outcome.message}
    if facts is None:
        return row
    return row | {
        "content_digest": facts.content_digest,
        "audio_digest": facts.audio_digest,
        "is_partial": facts.is_partial,
        "partial_reason": facts.partial_reason,
        "num_frames": facts.num_frames,
        "duration_s": facts.duration_s,
        "is_vfr": facts.is_vfr,
        "time_base": str(facts.time_base),
        "repaired_times": facts.repaired_times,
        "oddities": facts.oddities,
        "detector": outcome.detector,
        "shots": [_shot(shot) for shot in outcome.shots],
        "clips": [_clip(clip) for clip in outcome.clips],
        "dropped": [_drop(dropped) for dropped in outcome.dropped],
        "bytes_read": facts.bytes_read,
    }


def _shot(shot: TimedShot) -> StateRow:
    return {
        "start_frame": shot.shot.span.start_frame,
        "end_frame": shot.shot.span.end_frame,
        "start_pts": shot.start_pts,
        "end_pts": shot.end_pts,
        "start_s": shot.start_s,
        "end_s": shot.end_s,
        "gradual_start_s": shot.gradual_start_s,
        "gradual_end_s": shot.gradual_end_s,
    }


def _clip(span: ClipSpan) -> StateRow:
    return {
        "clip_id": span.clip_id,
        "start_frame": span.frames.start_frame,
        "end_frame": span.frames.end_frame,
        "start_pts": span.start_pts,
        "end_pts": span.end_pts,
        "start_s": span.start_s,
        "end_s": span.end_s,
        "shot_index": span.shot_index,
    }


def _drop(dropped: TimedDrop) -> StateRow:
    return {"start_s": dropped.start_s, "end_s": dropped.end_s, "cause": dropped.dropped.cause}
