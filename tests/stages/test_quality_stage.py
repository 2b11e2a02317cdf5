"""The quality stage: its worker on hand-made samples, its bounds, and what names its results."""

import importlib

import numpy as np
import pyarrow as pa
import pytest

from clipmill.scores.quality import FRAME_MEASURES, clip_quality, frame_measures
from clipmill.stages.base import Batch
from clipmill.stages.video.filtering.quality_filter import QUALITY_SCORES, Bounds, QualityFilterStage
from tests.support.stages.clip_items import batch, clip_of, item, reason
from tests.support.stages.stage_context import PlainContext

STILL = np.zeros((9, 27, 48, 3), np.uint8)
NOISE = clip_of(9, height_px=27, width_px=48)
TIMES_S = np.arange(10) / 25
NO_SAMPLES = np.zeros((0, len(FRAME_MEASURES)), np.float32)
EVEN = dict.fromkeys(QUALITY_SCORES, 0.5)


def measured(num_samples: int, seed: int = 0) -> np.ndarray:
    pictures = np.random.default_rng(seed).integers(0, 256, (num_samples, 90, 160), dtype=np.uint8)
    return np.stack([frame_measures(luma, NOISE[0]) for luma in pictures])


def scored(clips: Batch) -> dict[str, list[float | None]]:
    return dict(QualityFilterStage().open(PlainContext())(clips))


def test_the_worker_scores_each_clip_by_its_samples() -> None:
    first, second = measured(3), measured(2, seed=1)
    found = scored(
        batch(item("a", measures=(first,), thumbnails=NOISE), item("b", measures=(second,), thumbnails=STILL))
    )
    expected = [clip_quality(first, NOISE, TIMES_S), clip_quality(second, STILL, TIMES_S)]
    assert found == {name: [getattr(one, name) for one in expected] for name in QUALITY_SCORES}


def test_a_clip_without_samples_has_no_scores_but_may_be_frozen() -> None:
    found = scored(batch(item(measures=(NO_SAMPLES,), thumbnails=STILL)))
    assert {name: values[0] for name, values in found.items() if values[0] is not None} == {
        "frozen_ratio": 1.0
    }


def test_the_measure_that_it_reads_is_there_and_has_its_shape() -> None:
    (measure,) = QualityFilterStage(sample_fps=0.5).reads().measures
    module, _, name = measure.function.partition(":")
    found = getattr(importlib.import_module(module), name)(np.zeros((90, 160), np.uint8), STILL[0])
    assert (found.shape, found.dtype) == (measure.shape, np.float32)
    assert measure.fps == 0.5


def test_its_columns_are_those_of_the_published_table() -> None:
    assert [column.name for column in QualityFilterStage.writes] == [
        "sharpness", "exposure", "colourfulness", "blockiness", "black_ratio", "frozen_ratio",
        "letterbox_ratio", "text_likeness",
    ]  # fmt: skip
    assert {column.type for column in QualityFilterStage.writes} == {pa.float64()}


def test_without_bounds_nothing_is_rejected() -> None:
    assert QualityFilterStage().rules() == ()


@pytest.mark.parametrize("name", QUALITY_SCORES)
@pytest.mark.parametrize("bounds", [Bounds(min=0.6), Bounds(max=0.4)], ids=["min", "max"])
def test_a_score_outside_its_bounds_has_its_reason(name: str, bounds: Bounds) -> None:
    reasons = {"black_ratio": "black", "frozen_ratio": "frozen"}
    stage = QualityFilterStage(**{name: bounds})
    assert reason(stage, **EVEN) == reasons.get(name, "low_quality")
    assert reason(stage, **{**EVEN, name: None}) is None


@pytest.mark.parametrize("name", QUALITY_SCORES)
def test_bounds_are_inclusive(name: str) -> None:
    assert reason(QualityFilterStage(**{name: Bounds(min=0.5, max=0.5)}), **EVEN) is None


def test_black_is_named_before_frozen_before_the_others_in_their_order() -> None:
    every = QualityFilterStage(**dict.fromkeys(QUALITY_SCORES, Bounds(max=0.1)))
    assert [rule.column for rule in every.rules()] == [
        "black_ratio", "frozen_ratio", "sharpness", "exposure", "colourfulness", "blockiness",
        "letterbox_ratio", "text_likeness",
    ]  # fmt: skip
    assert reason(every, **EVEN) == "black"
    assert reason(every, **{**EVEN, "black_ratio": 0.0}) == "frozen"
    assert reason(every, **{**EVEN, "black_ratio": 0.0, "frozen_ratio": 0.0}) == "low_quality"


def test_score_only_rejects_nothing() -> None:
    assert QualityFilterStage(score_only=True, black_ratio=Bounds(max=0.1)).rules() == ()


def test_bounds_do_not_name_results_and_the_rate_does() -> None:
    stage = QualityFilterStage()
    bounded = QualityFilterStage(score_only=True, **dict.fromkeys(QUALITY_SCORES, Bounds(max=1)))
    assert bounded.digest() == stage.digest() != QualityFilterStage(sample_fps=2).digest()
    assert bounded.without_verdicts() == stage


def test_rejected_clips_are_measured_too() -> None:
    assert QualityFilterStage.runs_on == "all"
