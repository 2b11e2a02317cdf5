"""What a report takes from a plan: measures, thresholds, fields and files; it knows no stage by name."""

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pytest

import clipmill.report
import clipmill.stages.video
from clipmill import base_columns
from clipmill.dataset import schemas
from clipmill.planning.nodes import Placed
from clipmill.report import words as wording
from clipmill.report.fields import clip_fields, worded_as
from clipmill.report.measures import (
    CLIP_LENGTH,
    LENGTH,
    NUM_ON_CARDS,
    card_measures,
    measure_values,
    plan_measures,
    scaled,
)
from clipmill.report.names import label_of, unit_of, words_of
from clipmill.report.page import build_page
from clipmill.report.plan_records import NO_STAGES, ScoreLimit
from clipmill.report.plan_view import plan_view
from clipmill.report.sections.gallery import clip_views
from clipmill.report.thresholds import node_limits
from clipmill.stages.base import Column, Rule, Stage
from clipmill.stages.columns import FILE
from tests.support.rendered_report import OPTIONS, embedded, render
from tests.support.report_tables import drawn_run, table
from tests.support.stages.report_stages import (
    Beauty,
    Cutter,
    FileMaker,
    Flow,
    FlowFilter,
    Looks,
    Matcher,
    PatchFilter,
    SmallPlan,
    plan_of_stages,
)


def measured(plan: SmallPlan) -> list[str]:
    return [measure.column for measure in plan_measures(plan_view(plan))]


# Measures


def test_measures_are_the_length_and_the_plotted_columns_in_run_order() -> None:
    flow = ["motion_global_mean", "motion_per_patch_min_256", "motion_camera_mean", "motion_object_mean"]
    assert measured(plan_of_stages(Beauty(), Flow())) == [LENGTH, "aesthetic_score", *flow]


def test_a_run_without_stages_measures_the_length_only() -> None:
    assert plan_measures(NO_STAGES) == (CLIP_LENGTH,)


def test_a_measure_has_the_published_name_of_its_column() -> None:
    plan = plan_of_stages(Beauty(), Placed(Beauty(), key="second"))
    assert measured(plan) == [LENGTH, "aesthetic_score", "second_aesthetic_score"]
    assert plan_measures(plan_view(plan))[2].label == "Second aesthetic score"


def test_a_measure_is_worded_from_its_column() -> None:
    measure = plan_measures(plan_view(plan_of_stages(Flow())))[1]
    assert (measure.label, measure.short) == ("Motion global mean", "motion global mean")
    assert measure.hint == "mean flow over height + width"


def test_only_numbers_are_plotted() -> None:
    class Named(Stage):
        name: ClassVar = "named"
        grain: ClassVar = "clip"
        writes: ClassVar = (
            Column("mood", pa.string(), "", plot=True),
            Column("is_night", pa.bool_(), "", plot=True),
            Column("num_faces", pa.int64(), "", plot=True),
        )

    assert measured(plan_of_stages(Named())) == [LENGTH, "is_night", "num_faces"]


def test_nulls_of_any_number_are_nan() -> None:
    clips = pa.table({"flag": pa.array([True, None]), "count": pa.array([None, 3], pa.int64())})
    assert np.array_equal(measure_values(clips, "flag"), [1.0, np.nan], equal_nan=True)
    assert np.array_equal(measure_values(clips, "count"), [np.nan, 3.0], equal_nan=True)


def test_cards_name_the_first_six_measures_that_have_a_value() -> None:
    on_cards = build_page(drawn_run().tables, options=OPTIONS).card_measures
    assert len(on_cards) == NUM_ON_CARDS
    assert [measure.column for measure in on_cards[:3]] == [
        "motion_global_mean", "motion_per_patch_min_256", "sharpness",
    ]  # fmt: skip


def test_cards_name_none_where_no_clip_has_a_value() -> None:
    assert card_measures(plan_measures(OPTIONS.view), table("clips", [])) == ()


# Scales


def test_motion_is_drawn_by_magnitude() -> None:
    plots = build_page(drawn_run().tables, options=OPTIONS).distributions.plots
    assert [plot.measure.column for plot in plots if plot.measure.is_log] == [
        "motion_global_mean", "motion_per_patch_min_256",
    ]  # fmt: skip


MANY_MAGNITUDES = np.geomspace(1e-5, 0.9, 200)


@pytest.mark.parametrize(
    ("values", "marks", "is_log", "bounds"),
    [
        (MANY_MAGNITUDES, [], True, None),
        (np.append(MANY_MAGNITUDES, [0.0] * 10), [], True, None),
        (np.append(MANY_MAGNITUDES, -1.0), [], False, None),
        (np.append(MANY_MAGNITUDES, [0.0] * 100), [], False, (0.0, 1.0)),
        (np.linspace(1.0, 30.0, 100), [], False, None),
        (np.array([0.1, 0.5]), [], False, (0.0, 1.0)),
        (np.array([0.1, 0.5]), [0.9], False, (0.0, 1.0)),
        (np.array([0.1, 0.5]), [3.0], False, None),
        (np.array([0.001, 0.002]), [], False, None),
        (np.array([0.0, 7.0]), [], False, None),
        (np.array([0.0]), [], False, None),
    ],
    ids=[
        "magnitudes", "a few zeros", "negative", "many zeros", "one magnitude", "share",
        "share with threshold", "threshold outside", "small range", "above one", "zero",
    ],
)  # fmt: skip
def test_the_scale_follows_the_values(
    values: np.ndarray, marks: list[float], is_log: bool, bounds: tuple[float, float] | None
) -> None:
    measure = scaled(CLIP_LENGTH, values, marks)
    assert (measure.is_log, measure.bounds) == (is_log, bounds)


# Thresholds


def test_the_extractor_gives_the_bounds_of_the_length() -> None:
    limits = plan_view(plan_of_stages(extractor=Cutter(max_length_s=7))).limits
    assert limits == (ScoreLimit(LENGTH, min=2, max=7),)


def test_a_rule_over_an_own_column_is_a_threshold() -> None:
    assert list(node_limits(plan_of_stages(Looks()).nodes)) == [ScoreLimit("sharpness", min=3)]


def test_a_rule_over_a_column_that_is_read_is_a_threshold_of_that_column() -> None:
    nodes = plan_of_stages(Flow(), FlowFilter(least=0.5)).nodes
    assert list(node_limits(nodes)) == [ScoreLimit("motion_global_mean", min=0.5)]


def test_a_threshold_has_the_published_name_of_its_column() -> None:
    nodes = plan_of_stages(Placed(Looks(), key="late")).nodes
    assert list(node_limits(nodes)) == [ScoreLimit("late_sharpness", min=3)]


def test_thresholds_of_a_stage_that_only_scores_are_not_active() -> None:
    nodes = plan_of_stages(Flow(), FlowFilter(score_only=True), PatchFilter()).nodes
    assert list(node_limits(nodes)) == [
        ScoreLimit("motion_global_mean", min=0.00098, is_active=False),
        ScoreLimit("motion_per_patch_min_256", min=1e-6, is_active=False),
    ]


def test_an_open_rule_is_no_threshold() -> None:
    assert list(node_limits(plan_of_stages(Looks(least_sharpness=None)).nodes)) == []


def test_a_rule_over_words_is_no_threshold() -> None:
    class Worded(Stage):
        name: ClassVar = "worded"
        grain: ClassVar = "clip"
        writes: ClassVar = (Column("reply", pa.string(), ""),)

        def rules(self) -> tuple[Rule, ...]:
            return (Rule("reply", "rejected_by_reply", equals=("no",)),)

    assert list(node_limits(plan_of_stages(Worded()).nodes)) == []


def test_a_rule_that_is_off_and_names_no_column_is_no_threshold() -> None:
    class Vague(Stage):
        name: ClassVar = "vague"
        grain: ClassVar = "clip"
        score_only: bool = True

        def rules(self) -> tuple[Rule, ...]:
            return () if self.score_only else (Rule("nothing", "vague", min=1),)

    assert list(node_limits(plan_of_stages(Vague()).nodes)) == []


# The larger view


def test_each_stage_has_a_heading_with_its_columns() -> None:
    fields = clip_fields(plan_view(plan_of_stages(Looks(), Placed(Matcher(), key="by_eye"))))
    assert list(dict.fromkeys(field.heading for field in fields)) == [
        "Place", "Verdict", "Identity", "Looks", "By eye",
    ]  # fmt: skip
    assert ("Embedding algorithm", "by_eye_embedding_algorithm") in [
        (one.label, one.column) for one in fields
    ]


@pytest.mark.parametrize(
    ("errors", "shown"),
    [("{}", wording.DASH), (None, wording.DASH), ('{"flow": "no data"}', '{"flow": "no data"}')],
)
def test_a_clip_without_errors_lists_none(errors: str | None, shown: str) -> None:
    field = next(field for field in clip_fields(NO_STAGES) if field.column == "errors")
    assert field.worded(errors) == shown


def test_columns_that_no_table_has_are_not_listed() -> None:
    view = plan_view(plan_of_stages(Flow()))
    assert "flow_hidden" not in [field.column for field in clip_fields(view)]
    assert "flow_hidden" not in measured(plan_of_stages(Flow()))


def test_stages_with_plots_stand_beside_the_picture() -> None:
    assert embedded(render(drawn_run()))["beside"] == ["Verdict", "Flow", "Looks", "Beauty"]


@pytest.mark.parametrize(
    ("name", "kind", "value", "shown"),
    [
        ("framerate", pa.float64(), 29.97003, "29.97"),
        ("share", pa.float32(), None, wording.DASH),
        ("num_frames", pa.int64(), 1234, "1,234"),
        ("num_bytes", pa.int64(), 1_400_000, "1.4 MB"),
        ("mean_bytes", pa.float64(), 1_400_000.4, "1.4 MB"),
        ("file_start_s", pa.float64(), 12.4, "0:12.40"),
        ("sound_lag_s", pa.float64(), -0.04, "-0:00.04"),
        ("has_audio", pa.bool_(), False, "no"),
        ("mood", pa.string(), "calm\x00", "calm\ufffd"),
        ("mood", pa.string(), None, wording.DASH),
        ("colours", pa.list_(pa.string()), ["red", "blü"], '["red", "blü"]'),
        ("shot_on", pa.date32(), date(2026, 11, 29), '"2026-11-29"'),
        ("colours", pa.list_(pa.string()), None, wording.DASH),
    ],
)
def test_a_value_is_worded_by_type_and_name(name: str, kind: pa.DataType, value: object, shown: str) -> None:
    assert worded_as(name, kind)(value) == shown


@pytest.mark.parametrize(
    ("name", "words", "label", "unit"),
    [
        ("motion_global_mean", "motion global mean", "Motion global mean", ""),
        ("peak_px", "peak", "Peak", "px"),
        ("num_faces", "faces", "Faces", ""),
        ("px", "px", "Px", ""),
        ("Faces_EU", "Faces EU", "Faces EU", ""),
    ],
)
def test_names_are_read_as_words(name: str, words: str, label: str, unit: str) -> None:
    assert (words_of(name), label_of(name), unit_of(name)) == (words, label, unit)


# Files and cards


def test_the_clip_file_is_the_encoders() -> None:
    class Poster(Stage):
        name: ClassVar = "poster"
        grain: ClassVar = "clip"
        writes: ClassVar = (Column("poster_uri", pa.string(), "", role=FILE),)

    assert plan_view(plan_of_stages(Poster(), FileMaker())).clip_file == "clip_uri"
    assert plan_view(plan_of_stages(Poster())).clip_file == ""


def test_a_run_without_files_has_no_link_and_no_preview() -> None:
    run = drawn_run()
    tables, rows = run.tables, list(range(4))
    views = clip_views(tables, rows, (), (), root="", options=type(OPTIONS)(view=NO_STAGES))
    assert {(view.link, view.preview_uri) for view in views} == {("", None)}


def test_cards_show_what_stages_want_there() -> None:
    row: dict[str, object] = {
        "clip_id": "a", "source_uri": "a.mp4", "start_s": 0.0, "end_s": 1.0, "status": "kept",
        "best_text": "a dog", "best_text_score": 0.75,
    }  # fmt: skip
    tables = type(drawn_run().tables)(
        **{name: table(name, [row] if name == "clips" else []) for name in schemas.TABLES}
    )
    (card,) = clip_views(tables, [0], (), (), root="", options=OPTIONS)
    assert card.note == "a dog 0.7500"


# No stage by name


def modules_of(package: ModuleType) -> Iterator[str]:
    path, name = package.__path__, package.__name__
    return (module.name for module in pkgutil.walk_packages(path, f"{name}."))


def stage_classes() -> Iterator[type[Stage]]:
    """The classes of every module of stages."""
    for name in modules_of(clipmill.stages.video):
        module = importlib.import_module(name)
        yield from (one for one in vars(module).values() if isinstance(one, type) and issubclass(one, Stage))


def base_names() -> set[str]:
    tables = (schemas.VIDEOS, schemas.SHOTS, schemas.REJECTIONS, schemas.DUPLICATES)
    bases = (base_columns.CLIP_PLACE, base_columns.CLIP_FATE, base_columns.WINDOW_PLACE)
    return {name for schema in (*tables, *bases) for name in schema.names}


def own_names() -> set[str]:
    """Names of stages and of the columns that only stages write."""
    classes = list(stage_classes())
    columns = {column.name for one in classes for column in one.writes}
    return ({one.name for one in classes} | columns) - base_names() - {""}


def test_no_module_of_the_report_names_a_stage_or_its_columns() -> None:
    names = own_names()
    assert {"motion_global_mean", "quality"} <= names
    for file in Path(clipmill.report.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant):
                assert node.value not in names, f"{file.name}:{node.lineno} names {node.value!r}"
            if isinstance(node, ast.ImportFrom):
                assert "stages.video" not in (node.module or ""), f"{file.name}:{node.lineno}"
            if isinstance(node, ast.Import):
                assert not any("stages.video" in one.name for one in node.names), f"{file.name}:{node.lineno}"
