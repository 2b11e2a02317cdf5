"""The two stages of motion: the worker on hand-made samples, the thresholds, and what names results."""

import numpy as np
import pyarrow as pa
import pytest

from clipmill.scores.motion import clip_motion
from clipmill.stages.base import Item, Motion, MotionSamples, Results, rate
from clipmill.stages.video.filtering.motion_filter import NO_DATA, MotionFilterStage, MotionVectorDecodeStage
from tests.support.stages.clip_items import NO_BLOCKS, batch, facts, item, moved, reason, table
from tests.support.stages.stage_context import PlainContext

RNG = np.random.default_rng(3)
BLOCKS = RNG.random((5, 4, 6), np.float32)
PARTS = RNG.random((5, 2), np.float32)


def scored(*items: Item, **fields: object) -> Results:
    found = MotionVectorDecodeStage(**fields).open(PlainContext())(batch(*items))
    assert isinstance(found, Results)
    return found


def test_the_worker_scores_each_clip_in_the_size_that_is_shown() -> None:
    upright = item("b", video=facts(rotation_deg=90), motion=moved(BLOCKS[:2]))
    found = scored(item("a", motion=moved(BLOCKS)), upright)
    expected = [
        clip_motion(BLOCKS, width_px=640, height_px=360),
        clip_motion(BLOCKS[:2], width_px=360, height_px=640),
    ]
    assert found.columns["motion_global_mean"] == [one.global_mean for one in expected if one]
    assert found.columns["motion_per_patch_min_256"] == [one.per_patch_min_256 for one in expected if one]
    assert found.columns["motion_camera_mean"] == found.columns["motion_object_mean"] == [None, None]
    assert found.failed == {}


def test_the_camera_is_scored_apart_where_that_is_asked_for() -> None:
    found = scored(item(motion=moved(BLOCKS, PARTS)), separate_camera=True)
    expected = PARTS.mean(axis=0, dtype=np.float64).round(6).tolist()
    assert [found.columns["motion_camera_mean"][0], found.columns["motion_object_mean"][0]] == expected


def test_a_share_of_the_instants_is_spread_over_the_clip() -> None:
    found = scored(item(motion=moved(BLOCKS, PARTS)), target_duration_ratio=0.4, separate_camera=True)
    expected = clip_motion(BLOCKS[[1, 3]], width_px=640, height_px=360, parts=PARTS[[1, 3]])
    assert expected is not None
    assert found.columns["motion_global_mean"] == [expected.global_mean]
    assert found.columns["motion_object_mean"] == [expected.object_mean]


@pytest.mark.parametrize("motion", [moved(NO_BLOCKS), None], ids=["no instant inside", "no motion"])
def test_a_clip_without_motion_fails_for_good_and_others_do_not(motion: MotionSamples | None) -> None:
    found = scored(item("still", motion=motion), item("moves", motion=moved(BLOCKS)))
    assert found.failed == {0: NO_DATA}
    assert (NO_DATA.kind, NO_DATA.reason, NO_DATA.message) == ("final", "no_motion_data", "no motion data")
    assert [value is None for value in found.columns["motion_global_mean"]] == [True, False]


def test_it_reads_motion_as_it_is_asked_for() -> None:
    stage = MotionVectorDecodeStage(target_fps=23.976, motion_source="vectors")
    assert stage.reads().motion == Motion(rate(23.976), "vectors")
    assert MotionVectorDecodeStage(separate_camera=True).reads().motion == Motion(
        rate(2), separate_camera=True
    )


def test_published_rows_name_the_source_of_motion() -> None:
    stage = MotionVectorDecodeStage(motion_source="vectors")
    rows = stage.published(table(stage, {"motion_global_mean": 0.1}, {}))
    assert rows["motion_source"].to_pylist() == ["vectors", "vectors"]


def test_its_columns_are_those_of_the_published_table() -> None:
    scores = ("global_mean", "per_patch_min_256", "camera_mean", "object_mean")
    assert [(column.name, column.type) for column in MotionVectorDecodeStage.writes] == [
        *((f"motion_{name}", pa.float64()) for name in scores),
        ("motion_source", pa.string()),
    ]


def test_what_is_measured_names_results_and_cores_do_not() -> None:
    stage = MotionVectorDecodeStage()
    assert MotionVectorDecodeStage(num_cpus_per_worker=1).digest() == stage.digest()
    for change in ({"target_fps": 4}, {"target_duration_ratio": 0.5}, {"separate_camera": True}):
        assert MotionVectorDecodeStage(**change).digest() != stage.digest()


# The filter


@pytest.mark.parametrize(
    ("global_mean", "per_patch", "expected"),
    [
        (0.00098, 0.000001, None),
        (0.000979, 1.0, "low_motion"),
        (1.0, 0.0, "low_motion"),
        (0.0, 0.0, "low_motion"),
        (None, None, None),
    ],
    ids=["at both thresholds", "mean below", "patch below", "still", "not measured"],
)
def test_motion_below_either_threshold_is_low(
    global_mean: float | None, per_patch: float | None, expected: str | None
) -> None:
    stage = MotionFilterStage()
    found = reason(stage, motion_global_mean=global_mean, motion_per_patch_min_256=per_patch)
    assert found == expected


def test_thresholds_are_those_of_the_stage() -> None:
    stage = MotionFilterStage(global_mean_threshold=0.5, per_patch_min_256_threshold=0)
    assert [rule.min for rule in stage.rules()] == [0.5, 0]
    assert MotionFilterStage(score_only=True).rules() == ()


def test_the_filter_reads_what_the_stage_that_it_requires_writes() -> None:
    stage = MotionFilterStage()
    (measures,) = stage.requires()
    assert measures == MotionVectorDecodeStage()
    for place in stage.reads().columns:
        key, _, name = place.partition(":")
        assert key == measures.name
        assert measures.column(name) is not None
    assert {rule.column for rule in stage.rules()} == set(stage.reads().columns)


def test_no_parameter_of_the_filter_names_results() -> None:
    changed = MotionFilterStage(score_only=True, global_mean_threshold=1, per_patch_min_256_threshold=1)
    assert changed.result_fields() == {}
