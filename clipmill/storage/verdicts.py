"""What the rows of the state say of a clip, for admission and for the snapshot alike. Pure."""

from collections.abc import Iterable, Mapping
from typing import cast

from clipmill.plan import RunPlan
from clipmill.records import Answer, ClipReason
from clipmill.scores.motion import MotionScores
from clipmill.scores.quality import QualityScores
from clipmill.scores.verdict import aesthetic_verdict, answer_verdict, motion_verdict, quality_verdict
from clipmill.stages.video.filtering.quality_filter import QUALITY_SCORES

SCORE_STAGES = ("motion", "quality")
MODEL_FILTER_STAGES = ("aesthetic", "answers")
"""Filters by models; they look only at what the scores let pass."""
FILE_STAGES = ("encode", "embed", "preview", "frames", "caption", "enhance")
FILTERED_FILE_STAGE = "encode_filtered"
CUSTOM_STAGE = "custom"
CLIP_STAGES = (*SCORE_STAGES, *MODEL_FILTER_STAGES, *FILE_STAGES, FILTERED_FILE_STAGE, CUSTOM_STAGE)

StageRows = Mapping[str, Mapping[str, object] | None]
"""Of one clip: stage -> row, for every stage that is on; None where the row is not there yet."""

ScoreRow = Mapping[str, object]
"""A row of a stage that scores; empty where there is none."""

_NO_ROW: ScoreRow = {}


def missing_stages(rows: StageRows, plan: RunPlan) -> list[str]:
    """The stages whose row this clip should have and has not.

    A clip that a filter rejected needs its scores and, for whoever judges the filter, its preview (its file
    is kept when it is scored, or never); one that could not be cut or embedded, or that a custom stage
    dropped, needs nothing more. Without scores a clip may pass, so that its files are missing too.
    """
    missing = _missing_stages(rows, plan)
    # A custom stage sees a clip with all that the stages before it made, or not at all.
    return [stage for stage in CLIP_STAGES if stage in rows] if plan.customs and missing else missing


def _missing_stages(rows: StageRows, plan: RunPlan) -> list[str]:
    scores = _without_row(SCORE_STAGES, rows)
    if scores:
        return [*scores, *_without_row((*MODEL_FILTER_STAGES, *FILE_STAGES), rows)]
    if clip_verdict(rows, plan) is not None:
        return _without_row(("preview",), rows)
    if any((rows.get(stage) or {}).get("reason") is not None for stage in (CUSTOM_STAGE, "encode", "embed")):
        return []
    return _without_row((*MODEL_FILTER_STAGES, *FILE_STAGES, CUSTOM_STAGE), rows)


def clip_verdict(rows: StageRows, plan: RunPlan) -> ClipReason | None:
    """Why a plan's filters drop a clip, the cheapest first; None keeps it. A missing score never drops."""
    verdicts = (_motion_verdict, _quality_verdict, _aesthetic_verdict, _answer_verdict)
    return next(filter(None, (verdict(rows, plan) for verdict in verdicts)), None)


def answers_of(row: ScoreRow) -> list[Answer]:
    """The answers in a row of the state."""
    answers = cast("list[Mapping[str, str | None]]", row.get("answers") or [])
    return [Answer(str(one["question"]), one["answer"], one["text"] or "") for one in answers]


def _motion_verdict(rows: StageRows, plan: RunPlan) -> ClipReason | None:
    return motion_verdict(_motion(_row(rows, "motion")), plan.motion_filter) if plan.motion_filter else None


def _quality_verdict(rows: StageRows, plan: RunPlan) -> ClipReason | None:
    row = _row(rows, "quality")
    if plan.quality is None or not row:
        return None
    return quality_verdict(
        QualityScores(**{name: _number(row, name) for name in QUALITY_SCORES}), plan.quality
    )


def _aesthetic_verdict(rows: StageRows, plan: RunPlan) -> ClipReason | None:
    if plan.aesthetics is None:
        return None
    score = _number(_row(rows, "aesthetic"), f"aesthetic_{plan.aesthetics.reduction}")
    return aesthetic_verdict(score, plan.aesthetics)


def _answer_verdict(rows: StageRows, plan: RunPlan) -> ClipReason | None:
    return answer_verdict(answers_of(_row(rows, "answers")), plan.questions)


def _row(rows: StageRows, stage: str) -> ScoreRow:
    return rows.get(stage) or _NO_ROW


def _without_row(stages: Iterable[str], rows: StageRows) -> list[str]:
    return [stage for stage in stages if stage in rows and rows[stage] is None]


def _motion(row: ScoreRow) -> MotionScores | None:
    mean, patch = _number(row, "motion_global_mean"), _number(row, "motion_per_patch_min_256")
    return None if mean is None or patch is None else MotionScores(mean, patch)


def _number(row: ScoreRow, name: str) -> float | None:
    value = row.get(name)
    return None if value is None else float(str(value))
