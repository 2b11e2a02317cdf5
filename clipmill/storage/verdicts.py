"""What the rows of the state say of a clip, for admission and for the snapshot alike. Pure."""

from collections.abc import Iterable, Mapping

from clipmill.plan import RunPlan
from clipmill.records import ClipReason
from clipmill.scores.motion import MotionScores
from clipmill.scores.quality import QualityScores
from clipmill.scores.verdict import motion_verdict, quality_verdict
from clipmill.stages.video.filtering.motion_filter import MotionFilterStage
from clipmill.stages.video.filtering.quality_filter import QUALITY_SCORES, QualityFilterStage

SCORE_STAGES = ("motion", "quality")
FILE_STAGES = ("encode", "embed", "preview", "frames")
FILTERED_FILE_STAGE = "encode_filtered"
CUSTOM_STAGE = "custom"
CLIP_STAGES = (*SCORE_STAGES, *FILE_STAGES, FILTERED_FILE_STAGE, CUSTOM_STAGE)

StageRows = Mapping[str, Mapping[str, object] | None]
"""Of one clip: stage -> row, for every stage that is on; None where the row is not there yet."""

ScoreRow = Mapping[str, object]
"""A row of the motion or the quality state; empty where there is none."""


def filter_verdict(
    motion: ScoreRow,
    quality: ScoreRow,
    *,
    motion_filter: MotionFilterStage | None,
    quality_filter: QualityFilterStage | None,
) -> ClipReason | None:
    """Why the filters drop a clip, motion first; None keeps it. A missing score never drops."""
    low_motion = motion_verdict(_motion(motion), motion_filter) if motion_filter else None
    if low_motion or quality_filter is None or not quality:
        return low_motion
    scores = QualityScores(**{name: _number(quality, name) for name in QUALITY_SCORES})
    return quality_verdict(scores, quality_filter)


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
        return [*scores, *_without_row(FILE_STAGES, rows)]
    if clip_verdict(rows, plan) is not None:
        return _without_row(("preview",), rows)
    if any((rows.get(stage) or {}).get("reason") is not None for stage in (CUSTOM_STAGE, "encode", "embed")):
        return []
    return _without_row((*FILE_STAGES, CUSTOM_STAGE), rows)


def clip_verdict(rows: StageRows, plan: RunPlan) -> ClipReason | None:
    """``filter_verdict`` of a plan's filters on a clip's rows."""
    return filter_verdict(
        rows.get("motion") or {},
        rows.get("quality") or {},
        motion_filter=plan.motion_filter,
        quality_filter=plan.quality,
    )


def _without_row(stages: Iterable[str], rows: StageRows) -> list[str]:
    return [stage for stage in stages if stage in rows and rows[stage] is None]


def _motion(row: ScoreRow) -> MotionScores | None:
    mean, patch = _number(row, "motion_global_mean"), _number(row, "motion_per_patch_min_256")
    return None if mean is None or patch is None else MotionScores(mean, patch)


def _number(row: ScoreRow, name: str) -> float | None:
    value = row.get(name)
    return None if value is None else float(str(value))
