import pytest

from clipmill.records import ClipReason
from clipmill.scores.motion import MotionScores
from clipmill.scores.quality import QualityScores
from clipmill.scores.verdict import motion_verdict, quality_verdict
from clipmill.stages.video.filtering.motion_filter import MotionFilterStage
from clipmill.stages.video.filtering.quality_filter import QUALITY_SCORES, Bounds, QualityFilterStage


def quality(**scores: float | None) -> QualityScores:
    """A clip that scores 0.5 everywhere but where said."""
    return QualityScores(**(dict.fromkeys(QUALITY_SCORES, 0.5) | scores))


@pytest.mark.parametrize(
    ("global_mean", "per_patch", "reason"),
    [
        (0.00098, 0.000001, None),
        (0.000979, 1.0, ClipReason.LOW_MOTION),
        (1.0, 0.0, ClipReason.LOW_MOTION),
        (0.0, 0.0, ClipReason.LOW_MOTION),
    ],
    ids=["at both thresholds", "mean below", "patch below", "still"],
)
def test_motion_below_either_threshold_is_low(
    global_mean: float, per_patch: float, reason: ClipReason | None
) -> None:
    assert motion_verdict(MotionScores(global_mean, per_patch), MotionFilterStage()) is reason


def test_motion_thresholds_are_those_of_the_spec() -> None:
    spec = MotionFilterStage(global_mean_threshold=0.5, per_patch_min_256_threshold=0)
    assert motion_verdict(MotionScores(0.4, 0.0), spec) is ClipReason.LOW_MOTION
    assert motion_verdict(MotionScores(0.5, 0.0), spec) is None


def test_score_only_filters_nothing() -> None:
    dark = QualityFilterStage(score_only=True, black_ratio=Bounds(max=0.1))
    assert motion_verdict(MotionScores(0.0, 0.0), MotionFilterStage(score_only=True)) is None
    assert quality_verdict(quality(black_ratio=1.0), dark) is None


def test_a_missing_score_filters_nothing() -> None:
    spec = QualityFilterStage(sharpness=Bounds(min=3), frozen_ratio=Bounds(max=0.1))
    assert motion_verdict(None, MotionFilterStage()) is None
    assert quality_verdict(None, spec) is None
    assert quality_verdict(quality(sharpness=None, frozen_ratio=None), spec) is None


def test_without_bounds_any_quality_passes() -> None:
    assert quality_verdict(quality(sharpness=0.0, black_ratio=1.0), QualityFilterStage()) is None


@pytest.mark.parametrize("name", QUALITY_SCORES)
@pytest.mark.parametrize("bounds", [Bounds(min=0.6), Bounds(max=0.4)], ids=["min", "max"])
def test_a_score_outside_its_bounds_has_its_reason(name: str, bounds: Bounds) -> None:
    reasons = {"black_ratio": ClipReason.BLACK, "frozen_ratio": ClipReason.FROZEN}
    found = quality_verdict(quality(), QualityFilterStage(**{name: bounds}))
    assert found is reasons.get(name, ClipReason.LOW_QUALITY)


@pytest.mark.parametrize("name", QUALITY_SCORES)
def test_bounds_are_inclusive(name: str) -> None:
    assert quality_verdict(quality(), QualityFilterStage(**{name: Bounds(min=0.5, max=0.5)})) is None


def test_black_is_named_before_frozen_before_low_quality() -> None:
    low = Bounds(max=0.1)
    every = QualityFilterStage(sharpness=low, black_ratio=low, frozen_ratio=low)
    assert quality_verdict(quality(), every) is ClipReason.BLACK
    assert quality_verdict(quality(black_ratio=0.0), every) is ClipReason.FROZEN
