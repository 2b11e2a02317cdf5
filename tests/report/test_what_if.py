"""Thresholds that a reader tries: what they take of the kept clips, and where a spec sets them."""

import numpy as np
import pyarrow as pa

from clipmill.planning.from_spec import plan_of_spec
from clipmill.report.measures import CLIP_LENGTH, Measure
from clipmill.report.plan_records import ThresholdPlace
from clipmill.report.sections.what_if import MAX_POINTS, what_if
from clipmill.report.thresholds import threshold_places
from clipmill.specs import CurateSpec

SCORE = Measure("score", "Score", "score", "")


def clips(scores: list[float | None], *, statuses: list[str] | None = None) -> pa.Table:
    """Clips of 1, 2, 3 ... seconds."""
    num = len(scores)
    ends = [float(number + 1) for number in range(num)]
    columns = {"score": scores, "status": statuses or ["kept"] * num, "start_s": [0.0] * num, "end_s": ends}
    return pa.table(columns)


def test_clips_and_seconds_outside_each_value_are_counted() -> None:
    table = clips([3.0, 1.0, 1.0, None, 9.0, 2.0], statuses=["kept"] * 5 + ["filtered"])
    found = what_if(table, [SCORE], [ThresholdPlace("score", min="group.low")])["score"]
    assert found.values == (1.0, 2.0, 3.0, 9.0)
    assert found.below == (0, 2, 2, 3)
    assert found.above == (2, 2, 1, 0)
    assert found.below_s == (0.0, 5.0, 5.0, 6.0)
    assert found.above_s == (6.0, 6.0, 5.0, 0.0)
    assert (found.num_clips, found.seconds) == (5, 15.0)
    assert found.place.min == "group.low"


def test_many_values_are_counted_exactly_at_some_of_them() -> None:
    values = np.random.default_rng(3).normal(size=5000)
    found = what_if(clips(values.tolist()), [SCORE], [])["score"]
    assert len(found.values) == MAX_POINTS
    assert (found.values[0], found.values[-1]) == (values.min(), values.max())
    assert list(found.below) == [int((values < one).sum()) for one in found.values]
    assert list(found.above) == [int((values > one).sum()) for one in found.values]


def test_a_measure_with_one_value_has_no_slider() -> None:
    """Two values are enough, also where filtered clips alone have the second."""
    assert list(what_if(clips([1.0, 1.0]), [SCORE, CLIP_LENGTH], [])) == [CLIP_LENGTH.column]
    black = what_if(clips([0.0, 0.0, 1.0], statuses=["kept", "kept", "filtered"]), [SCORE], [])["score"]
    assert (black.values, black.below, black.above) == ((0.0, 1.0), (0, 2), (0, 0))


def test_the_parameters_of_bounds_are_found_by_setting_them() -> None:
    plan = plan_of_spec(CurateSpec(), source="films", output="out")
    places = {place.score: place for place in threshold_places(plan.nodes)}
    assert places["sharpness"] == ThresholdPlace(
        "sharpness", "quality.sharpness.min", "quality.sharpness.max", "quality.score_only"
    )
    motion = ThresholdPlace(
        "motion_global_mean", "motion_filter.global_mean_threshold", "", "motion_filter.score_only"
    )
    assert places["motion_global_mean"] == motion


def test_a_stage_of_a_users_own_is_named_by_its_key() -> None:
    spec = CurateSpec.model_validate({"stages": [{"use": "examples.dark_filter:DarkFilter"}]})
    plan = plan_of_spec(spec, source="films", output="out")
    places = {place.min for place in threshold_places(plan.nodes)}
    assert "stages.dark.threshold" in places
