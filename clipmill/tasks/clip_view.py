"""From rows of clip stages to the documented fields of a clip."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import get_args

from clipmill.planning.nodes import Node
from clipmill.records import Answer, CutClip, SoundFacts, SoundStatus
from clipmill.scores.quality import QualityScores
from clipmill.stages.process_stage import KEPT_BYTES, OVERRIDES, ProcessStage
from clipmill.stages.video.clipping.clip_extraction_stages import CROP_COLUMNS
from clipmill.stages.video.filtering.question_filter import QuestionFilterStage
from clipmill.tasks.row import Row
from clipmill.tasks.video import Clip

COSMOS, INTERNVIDEO = "cosmos-embed1", "internvideo2"
"""Algorithms, or families of them, that have documented fields of their own."""


def fill_clip(clip: Clip, node: Node, row: Row) -> None:
    """Fills what a stage found out about a clip; of a failure, its message in ``errors``."""
    if isinstance(node.stage, ProcessStage):
        _fill_process(clip, row)
        return
    message = row.message or row.get("answer_message", str)
    if message:
        clip.errors[node.key] = message
    if row.has_result:
        for kind in type(node.stage).__mro__:
            if fill := _FILLERS.get(kind.__name__):
                fill(clip, node, row)


def _fill_motion(clip: Clip, _node: Node, row: Row) -> None:
    clip.motion_score_global_mean = row.get("motion_global_mean", float)
    clip.motion_score_per_patch_min_256 = row.get("motion_per_patch_min_256", float)
    clip.motion_score_camera_mean = row.get("motion_camera_mean", float)
    clip.motion_score_object_mean = row.get("motion_object_mean", float)


def _fill_quality(clip: Clip, _node: Node, row: Row) -> None:
    clip.quality = QualityScores(**{one.name: row.get(one.name, float) for one in fields(QualityScores)})


def _fill_aesthetic(clip: Clip, _node: Node, row: Row) -> None:
    clip.aesthetic_score = row.get("aesthetic_score", float)


def _fill_answer(clip: Clip, node: Node, row: Row) -> None:
    assert isinstance(node.stage, QuestionFilterStage)
    answer = Answer(node.stage.question, row.get("answer", str), row.get("answer_text", str) or "")
    clip.answers = (*clip.answers, answer)


def _fill_file(clip: Clip, _node: Node, row: Row) -> None:
    crop = [row.get(name, int) for name in CROP_COLUMNS]
    clip.errors |= row.texts_by_name("audio_errors")
    clip.file_digest = row.get("clip_digest", str) or ""
    clip.file = CutClip(
        clip_id=str(clip.uuid),
        path=row.get("clip_uri", str) or "",
        clip_mode=row.get("clip_mode", str) or "",
        mode_reason=row.get("mode_reason", str) or "",
        file_start_s=row.get("file_start_s", float) or 0.0,
        width=row.get("width", int) or 0,
        height=row.get("height", int) or 0,
        framerate=row.get("framerate", float) or 0.0,
        num_frames=row.get("num_frames", int) or 0,
        num_bytes=row.get("num_bytes", int) or 0,
        video_codec=row.get("video_codec", str) or "",
        has_audio=bool(row.get("has_audio", bool)),
        sound=_sound(row),
        crop=_whole(crop),
    )


def _sound(row: Row) -> SoundFacts:
    """What became of the sound; rows of older versions do not say."""
    status, reason = row.get("audio_status", str), row.get("audio_reason", str) or ""
    return next((SoundFacts(each, reason) for each in get_args(SoundStatus) if each == status), SoundFacts())


def _whole(crop: list[int | None]) -> tuple[int, int, int, int] | None:
    left, top, width, height = crop
    if left is None or top is None or width is None or height is None:
        return None
    return left, top, width, height


def _fill_embedding(clip: Clip, _node: Node, row: Row) -> None:
    """The first embedding of a run fills the general fields, each family its own."""
    vector, match = row.vector("embedding"), _text_match(row)
    if clip.embedding is None:
        clip.embedding, clip.text_match = vector, match
    if clip.sketch is None:
        clip.sketch = row.get("sketch", bytes)
    algorithm = row.get("embedding_algorithm", str) or ""
    if algorithm.startswith(COSMOS):
        clip.cosmos_embed1_embedding, clip.cosmos_embed1_text_match = vector, match
    elif algorithm == INTERNVIDEO:
        clip.intern_video_2_embedding, clip.intern_video_2_text_match = vector, match


def _text_match(row: Row) -> tuple[str, float] | None:
    text, probability = row.get("text_match", str), row.get("text_match_score", float)
    return None if text is None or probability is None else (text, probability)


def _fill_process(clip: Clip, row: Row) -> None:
    clip.errors |= row.texts_by_name("errors")
    if (kept := row.unpacked(KEPT_BYTES)) is not None:
        clip.egomotion = dict(kept)
    for column, field in OVERRIDES.items():
        if (value := row.get(column, float)) is not None:
            setattr(clip, field, value)


_FILLERS: Mapping[str, Callable[[Clip, Node, Row], None]] = {
    "MotionVectorDecodeStage": _fill_motion,
    "QualityFilterStage": _fill_quality,
    "ClipAestheticFilterStage": _fill_aesthetic,
    "QuestionFilterStage": _fill_answer,
    "EncoderStage": _fill_file,
    "EmbedderStage": _fill_embedding,
}
"""Documented class or role -> what fills its fields. By name, so that a stage may be left out."""
