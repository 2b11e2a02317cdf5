"""Why a clip's scores drop it: thresholds applied to scores, nothing else.

A score that is missing never filters: what could not be measured is reported, not guessed.
"""

from collections.abc import Iterable
from typing import Protocol

from clipmill.records import Answer, ClipReason
from clipmill.scores.motion import MotionScores
from clipmill.scores.quality import QualityScores
from clipmill.stages.video.filtering.clip_aesthetic_filter import ClipAestheticFilterStage
from clipmill.stages.video.filtering.motion_filter import MotionFilterStage
from clipmill.stages.video.filtering.quality_filter import QUALITY_SCORES, Bounds, QualityFilterStage

SCORE_DIGITS = 6
"""Scores are rounded before any threshold, so that the last bits of a processor decide nothing."""


class Question(Protocol):
    """What a question to the captioning model rejects."""

    @property
    def question(self) -> str:
        """As it is asked."""
        ...

    @property
    def reject_if(self) -> str:
        """The answer that rejects, yes or no."""
        ...

    @property
    def score_only(self) -> bool:
        """Whether it rejects nothing."""
        ...


_REASONS = {"black_ratio": ClipReason.BLACK, "frozen_ratio": ClipReason.FROZEN}


def motion_verdict(scores: MotionScores | None, spec: MotionFilterStage) -> ClipReason | None:
    """``LOW_MOTION`` when either score is below (never at) its threshold; None keeps the clip."""
    if spec.score_only or scores is None:
        return None
    is_low = (
        scores.global_mean < spec.global_mean_threshold
        or scores.per_patch_min_256 < spec.per_patch_min_256_threshold
    )
    return ClipReason.LOW_MOTION if is_low else None


def quality_verdict(scores: QualityScores | None, spec: QualityFilterStage) -> ClipReason | None:
    """Reason of the first score outside its bounds, black before frozen before low; None keeps the clip."""
    if spec.score_only or scores is None:
        return None
    named_first = sorted(QUALITY_SCORES, key=lambda name: name not in _REASONS)
    for name in named_first:
        if not _within(getattr(scores, name), getattr(spec, name)):
            return _REASONS.get(name, ClipReason.LOW_QUALITY)
    return None


def aesthetic_verdict(score: float | None, spec: ClipAestheticFilterStage) -> ClipReason | None:
    """``LOW_AESTHETIC`` when the reduced score is below (never at) its threshold; None keeps the clip."""
    if spec.score_only or score is None:
        return None
    return ClipReason.LOW_AESTHETIC if score < spec.score_threshold else None


def answer_verdict(answers: Iterable[Answer], questions: Iterable[Question]) -> ClipReason | None:
    """``REJECTED_BY_ANSWER`` when one of the answers is the one that its question rejects."""
    rejected = {(spec.question, spec.reject_if) for spec in questions if not spec.score_only}
    is_rejected = any((one.question, one.answer) in rejected for one in answers)
    return ClipReason.REJECTED_BY_ANSWER if is_rejected else None


def _within(score: float | None, bounds: Bounds) -> bool:
    if score is None:
        return True
    return (bounds.min is None or score >= bounds.min) and (bounds.max is None or score <= bounds.max)
