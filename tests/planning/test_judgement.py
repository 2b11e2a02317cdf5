"""Which items rules reject: from rows of stages, without an engine."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

import pyarrow as pa
import pytest

from clipmill.errors import StageBroken
from clipmill.planning.judgement import Rejection, judge
from clipmill.planning.nodes import Placed
from clipmill.planning.plan import Plan
from clipmill.stages.base import VERDICT, Column, Reads, Rule, Stage
from clipmill.stages.video.clipping.clip_extraction_stages import ClipTranscodingStage
from clipmill.stages.video.embedding.perceptual import PerceptualEmbeddingStage
from clipmill.stages.video.filtering.motion_filter import MotionFilterStage
from clipmill.stages.video.filtering.quality_filter import Bounds, QualityFilterStage
from tests.support.hand_made import IDS, plan, rows

A, B, C = IDS


class Score(Stage, abstract=True):
    """What the stages of this file have in common: they are of this file, so that no source is read."""

    grain: ClassVar = "clip"
    code: ClassVar = "version"


class Light(Score):
    """A number, a text and a flag with bounds."""

    name: ClassVar = "light"
    writes: ClassVar = (
        Column("luma", pa.float64(), "mean luma"),
        Column("frames_lit", pa.int64(), "lit frames"),
        Column("kind", pa.string(), "kind of light"),
        Column("is_flat", pa.bool_(), "whether the picture is flat"),
    )

    most: Annotated[float | None, VERDICT] = None

    def rules(self) -> tuple[Rule, ...]:
        return (
            Rule("kind", "odd_light", equals=("strobe", "laser")),
            Rule("is_flat", "flat", equals=(True,), words="the picture is flat"),
            Rule("luma", "dark", min=0.1, max=self.most),
            Rule("frames_lit", "dark", min=3),
        )


class Twice(Score):
    """A derived column with a bound."""

    name: ClassVar = "twice"
    writes: ClassVar = (
        Column("once", pa.float64(), "a number"),
        Column("doubled", pa.float64(), "its double", derived=True),
    )

    factor: Annotated[float, VERDICT] = 2.0

    def rules(self) -> tuple[Rule, ...]:
        return (Rule("doubled", "too_much", max=1.0),)

    def published(self, rows: pa.Table) -> pa.Table:
        doubled = [None if one is None else one * self.factor for one in rows["once"].to_pylist()]
        return rows.append_column("doubled", pa.array(doubled, pa.float64()))


class LaterBound(Score):
    """A bound of a column of another stage."""

    name: ClassVar = "later_bound"

    def reads(self) -> Reads:
        return Reads(columns=("light:luma",))

    def rules(self) -> tuple[Rule, ...]:
        return (Rule("light:luma", "too_bright", max=0.9),)


class Hook(Score):
    """A verdict that bounds cannot say, over its own column and one that it reads."""

    name: ClassVar = "hook"
    writes: ClassVar = (Column("weight", pa.float64(), "a weight"),)

    def reads(self) -> Reads:
        return Reads(columns=("light:luma",))

    def rejects(self, rows: pa.Table) -> pa.Table:
        pairs = zip(rows["weight"].to_pylist(), rows["luma"].to_pylist(), strict=True)
        heavy = [None not in pair and sum(pair) > 1 for pair in pairs]
        reasons = ["heavy" if one else None for one in heavy]
        return pa.table({"reason": reasons, "message": ["weight and luma" if one else None for one in heavy]})


class Brighter(Score):
    """A verdict over columns of one name of two stages, and of its own."""

    name: ClassVar = "brighter"
    writes: ClassVar = (Column("luma", pa.float64(), "a third luma"),)

    def reads(self) -> Reads:
        return Reads(columns=("first:luma", "second:luma"))

    def rejects(self, rows: pa.Table) -> pa.Table:
        names = ("luma", "first:luma", "second:luma")
        found = zip(*(rows[name].to_pylist() for name in names), strict=True)
        return pa.table({"reason": ["seen"] * len(rows), "message": [repr(one) for one in found]})


class Misshapen(Hook):
    """Its code fails, or gives something else than verdicts."""

    name: ClassVar = "misshapen"
    what: str = "raises"

    def rejects(self, rows: pa.Table) -> pa.Table:
        if self.what == "raises":
            raise ZeroDivisionError("no clip is heavy")
        return pa.table({"reason": ["heavy"]})


class Underived(Score):
    """Its derived column is not there."""

    name: ClassVar = "underived"
    writes: ClassVar = (
        Column("weight", pa.float64(), "a weight"),
        Column("mass", pa.float64(), "from it", derived=True),
    )

    def rules(self) -> tuple[Rule, ...]:
        return (Rule("mass", "heavy", max=1.0),)


def judged(
    of: Plan, values: Mapping[str, Mapping[str, Sequence[object]]], ids: Sequence[str] = IDS
) -> dict[str, Rejection]:
    tables = {key: rows(of.by_key[key], columns, ids=ids) for key, columns in values.items()}
    return judge(of.nodes, tables, IDS)


def lit(**values: object) -> dict[str, Rejection]:
    """The verdict over the first clip, whose other values are those of a good one."""
    good: dict[str, object] = {"luma": 0.5, "frames_lit": 9, "kind": "sun", "is_flat": False}
    columns = {name: [value] for name, value in {**good, **values}.items()}
    return judged(plan(Light(most=0.8)), {"light": columns}, ids=[A])


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (Misshapen(), r"misshapen is broken: rejects\(\) raised ZeroDivisionError: no clip is heavy"),
        (Misshapen(what="short"), r"misshapen is broken: rejects\(\) must return reason and message"),
        (Underived(), r"underived is broken: published\(\) must return mass of each of 3 rows"),
    ],
    ids=["raises", "other rows", "no derived column"],
)
def test_code_of_a_stage_that_cannot_judge_is_named(stage: Score, message: str) -> None:
    made = plan(Light(most=0.8), stage)
    with pytest.raises(StageBroken, match=message):
        judged(made, {"light": {"luma": [0.5]}, stage.name: {"weight": [0.5]}}, ids=[A])


def test_a_stage_is_not_asked_about_clips_before_it_ran() -> None:
    assert judged(plan(Light(most=0.8), Misshapen()), {"light": {"luma": [0.5]}}, ids=[A]) == {}


def test_a_clip_inside_all_bounds_passes() -> None:
    assert lit() == {}


@pytest.mark.parametrize(
    ("values", "reason", "message"),
    [
        ({"luma": 0.05}, "dark", "luma 0.05 is below 0.1"),
        ({"luma": 0.81}, "dark", "luma 0.81 is above 0.8"),
        ({"frames_lit": 2}, "dark", "frames_lit 2 is below 3"),
        ({"kind": "laser"}, "odd_light", "kind is laser"),
        ({"is_flat": True}, "flat", "the picture is flat"),
    ],
    ids=["min", "max", "whole number", "text", "flag"],
)
def test_a_value_out_of_bounds_rejects_with_its_numbers(
    values: dict[str, object], reason: str, message: str
) -> None:
    assert lit(**values) == {A: Rejection("light", reason, message)}


@pytest.mark.parametrize("luma", [0.1, 0.8])
def test_bounds_are_inclusive(luma: float) -> None:
    assert lit(luma=luma) == {}


@pytest.mark.parametrize("column", ["luma", "frames_lit", "kind", "is_flat"])
def test_a_null_never_rejects(column: str) -> None:
    assert lit(**{column: None}) == {}


def test_the_first_rule_gives_the_reason_and_the_message_names_all_in_the_order_of_columns() -> None:
    (rejection,) = lit(luma=0.05, kind="strobe", frames_lit=1).values()
    assert rejection.reason == "odd_light"
    assert rejection.message == "luma 0.05 is below 0.1, frames_lit 1 is below 3, kind is strobe"


def test_clips_without_a_row_pass_and_rows_of_other_clips_are_not_seen() -> None:
    luma = {"light": {"luma": [0.0, 0.0]}}
    assert judged(plan(Light()), luma, ids=[B, "another run's"]).keys() == {B}


def test_a_derived_column_is_made_before_it_is_judged() -> None:
    once = {"twice": {"once": [0.4, 0.6, None]}}
    assert judged(plan(Twice()), once) == {B: Rejection("twice", "too_much", "doubled 1.2 is above 1")}
    assert judged(plan(Twice(factor=3.0)), once).keys() == {A, B}


def test_a_bound_of_another_stage_is_named_by_the_stage_that_rejects() -> None:
    found = judged(plan(Light(), LaterBound()), {"light": {"luma": [0.95, 0.5, None]}})
    assert found == {A: Rejection("later_bound", "too_bright", "luma 0.95 is above 0.9")}


def test_the_first_stage_in_run_order_gives_the_reason() -> None:
    values = {"light": {"luma": [0.95, 0.05, 0.5]}}
    found = judged(plan(Light(most=0.8), LaterBound()), values)
    assert {one: (found[one].key, found[one].reason) for one in found} == {
        A: ("light", "dark"),
        B: ("light", "dark"),
    }


def test_a_hook_sees_its_own_columns_and_those_that_it_reads() -> None:
    values = {"light": {"luma": [0.5, 0.5, None]}, "hook": {"weight": [0.6, 0.1, 9.0]}}
    assert judged(plan(Light(), Hook()), values) == {A: Rejection("hook", "heavy", "weight and luma")}


def test_a_hook_sees_nulls_of_a_stage_without_rows() -> None:
    assert judged(plan(Light(), Hook()), {"hook": {"weight": [9.0, 9.0, 9.0]}}) == {}


def test_a_hook_tells_columns_of_one_name_apart() -> None:
    of = plan(Placed(Light(), "first"), Placed(Light(), "second"), Placed(Brighter(), "third"))
    values = {
        "first": {"luma": [0.3] * 3},
        "second": {"luma": [0.5] * 3},
        "third": {"luma": [0.7] * 3},
    }
    assert judged(of, values)[A].message == "(0.7, 0.3, 0.5)"


def test_a_stage_with_a_key_is_named_by_it() -> None:
    found = judged(plan(Placed(Light(), "lamp")), {"lamp": {"luma": [0.0, 0.5, 0.5]}})
    assert found == {A: Rejection("lamp", "dark", "luma 0 is below 0.1")}


@pytest.mark.parametrize("outcome", ["final", "retryable"])
@pytest.mark.parametrize(
    ("stage", "key", "reason"),
    [
        (ClipTranscodingStage(), "encode", "encode_failed"),
        (PerceptualEmbeddingStage(), "embedding", "embedding_failed"),
    ],
)
def test_a_clip_without_a_file_or_a_vector_is_dropped(
    stage: Stage, key: str, reason: str, outcome: str
) -> None:
    failure = {"outcome": ["result", outcome, "result"], "message": [None, "no memory", "a warning"]}
    assert judged(plan(stage), {key: failure}) == {B: Rejection(key, reason, "no memory")}


def test_a_clip_that_a_score_failed_on_stays() -> None:
    assert judged(plan(Light()), {"light": {"outcome": ["final"] * 3, "message": ["broken"] * 3}}) == {}


def test_both_scores_of_motion_are_in_the_message() -> None:
    values = {"motion_global_mean": [0.0, 0.1, None], "motion_per_patch_min_256": [0.0, 0.1, None]}
    assert judged(plan(MotionFilterStage()), {"motion": values}) == {
        A: Rejection(
            "motion_filter",
            "low_motion",
            "motion_global_mean 0 is below 0.00098, motion_per_patch_min_256 0 is below 1e-06",
        )
    }


def test_black_and_frozen_are_named_before_other_bounds_of_quality() -> None:
    stage = QualityFilterStage(sharpness=Bounds(min=4), frozen_ratio=Bounds(max=0.5))
    values = {"sharpness": [3.0, 3.0, 5.0], "frozen_ratio": [0.9, 0.0, 0.9]}
    found = judged(plan(stage), {"quality": values})
    assert [found[one].reason for one in IDS] == ["frozen", "low_quality", "frozen"]
    assert found[A].message == "sharpness 3 is below 4, frozen_ratio 0.9 is above 0.5"


def test_a_stage_that_only_scores_rejects_nothing() -> None:
    stage = QualityFilterStage(sharpness=Bounds(min=4), score_only=True)
    assert judged(plan(stage), {"quality": {"sharpness": [0.0, 0.0, 0.0]}}) == {}
