"""Which thresholds a spec sets, so that plots can mark them."""

from clipmill.review.view import ScoreLimit
from clipmill.specs import CurateSpec, SplitSpec
from clipmill.stages.video.filtering.quality_filter import QUALITY_SCORES

LENGTH = "length_s"


def spec_limits(spec: CurateSpec) -> tuple[ScoreLimit, ...]:
    """Every threshold of ``spec`` by the column of the clips table it applies to."""
    return (*_length(spec.split), *_motion(spec), *_quality(spec))


def _length(split: SplitSpec) -> tuple[ScoreLimit, ...]:
    if split.algorithm == "fixed_stride":
        fixed = split.fixed_stride
        return (ScoreLimit(LENGTH, min=fixed.min_clip_length_s, max=fixed.clip_len_s),)
    return (ScoreLimit(LENGTH, min=split.content.min_length_s, max=split.content.max_length_s),)


def _motion(spec: CurateSpec) -> tuple[ScoreLimit, ...]:
    rule = spec.motion_filter
    if rule is None:
        return ()
    is_active = not rule.score_only
    return (
        ScoreLimit("motion_global_mean", min=rule.global_mean_threshold, is_active=is_active),
        ScoreLimit("motion_per_patch_min_256", min=rule.per_patch_min_256_threshold, is_active=is_active),
    )


def _quality(spec: CurateSpec) -> tuple[ScoreLimit, ...]:
    if spec.quality is None:
        return ()
    bounds = {name: getattr(spec.quality, name) for name in QUALITY_SCORES}
    return tuple(
        ScoreLimit(name, min=bound.min, max=bound.max, is_active=not spec.quality.score_only)
        for name, bound in bounds.items()
        if bound.min is not None or bound.max is not None
    )
