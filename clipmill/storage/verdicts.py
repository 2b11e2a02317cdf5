"""The filters' verdict on scores as the state keeps them, for admission and snapshot alike."""

from collections.abc import Mapping

from clipmill.records import ClipReason
from clipmill.scores.motion import MotionScores
from clipmill.scores.quality import QualityScores
from clipmill.scores.verdict import motion_verdict, quality_verdict
from clipmill.stages.video.filtering.motion_filter import MotionFilterStage
from clipmill.stages.video.filtering.quality_filter import QUALITY_SCORES, QualityFilterStage

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


def _motion(row: ScoreRow) -> MotionScores | None:
    mean, patch = _number(row, "motion_global_mean"), _number(row, "motion_per_patch_min_256")
    return None if mean is None or patch is None else MotionScores(mean, patch)


def _number(row: ScoreRow, name: str) -> float | None:
    value = row.get(name)
    return None if value is None else float(str(value))
