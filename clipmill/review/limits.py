"""Which thresholds a run filters by, so that plots can mark them."""

from clipmill.review.measures import LENGTH
from clipmill.review.view import ScoreLimit
from clipmill.stages.video.clipping.clip_extraction_stages import FixedStrideExtractorStage
from clipmill.stages.video.clipping.content_extraction import ShotClipRules
from clipmill.stages.video.filtering.clip_aesthetic_filter import ClipAestheticFilterStage
from clipmill.stages.video.filtering.motion_filter import MotionFilterStage
from clipmill.stages.video.filtering.quality_filter import QUALITY_SCORES, QualityFilterStage


def length_limit(extractor: FixedStrideExtractorStage | ShotClipRules) -> ScoreLimit:
    """The lengths of clips that an extractor allows."""
    if isinstance(extractor, FixedStrideExtractorStage):
        return ScoreLimit(LENGTH, min=extractor.min_clip_length_s, max=extractor.clip_len_s)
    return ScoreLimit(LENGTH, min=extractor.min_length_s, max=extractor.max_length_s)


def motion_limits(rule: MotionFilterStage) -> tuple[ScoreLimit, ...]:
    """The thresholds of the motion filter."""
    is_active = not rule.score_only
    return (
        ScoreLimit("motion_global_mean", min=rule.global_mean_threshold, is_active=is_active),
        ScoreLimit("motion_per_patch_min_256", min=rule.per_patch_min_256_threshold, is_active=is_active),
    )


def aesthetic_limit(rule: ClipAestheticFilterStage) -> ScoreLimit:
    """The threshold of the aesthetic filter."""
    return ScoreLimit("aesthetic_score", min=rule.score_threshold, is_active=not rule.score_only)


def quality_limits(rule: QualityFilterStage) -> tuple[ScoreLimit, ...]:
    """The bounds of the quality filter that are set."""
    bounds = {name: getattr(rule, name) for name in QUALITY_SCORES}
    return tuple(
        ScoreLimit(name, min=bound.min, max=bound.max, is_active=not rule.score_only)
        for name, bound in bounds.items()
        if bound.min is not None or bound.max is not None
    )
