"""Stages by name: built-in ones, a user's own, and one readable line for everything else."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import pytest
from pydantic import Field, field_validator

from clipmill.errors import SpecError
from clipmill.planning.registry import BUILT_IN, make_stage, parameters_of, rank_of, stage_class
from clipmill.stages.base import BOUND, VERDICT, Stage
from clipmill.stages.video.filtering.motion_filter import MotionFilterStage
from clipmill.stages.video.filtering.quality_filter import QualityFilterStage
from clipmill.stages.video.io.video_reader import VideoReader

USER = """
from typing import ClassVar
from clipmill.stages.base import Stage

class DarkFilter(Stage):
    name: ClassVar = "dark"
    grain: ClassVar = "clip"

class Renamer:
    name = "renamer"
    def process(self, task):
        return task

class Nothing:
    pass

number = 3
"""


@pytest.fixture(autouse=True)
def _package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/__init__.py").write_text("")
    (tmp_path / "own/filters.py").write_text(USER)
    (tmp_path / "own/broken.py").write_text("raise RuntimeError('no\\nlicence')\n")
    (tmp_path / "own/needy.py").write_text("import own_missing\n")
    (tmp_path / "own/leaver.py").write_text("import sys; sys.exit(2)\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "own"]:
        del sys.modules[name]


@pytest.mark.parametrize("path", BUILT_IN)
def test_every_line_names_a_class(path: str) -> None:
    cls = stage_class(path)
    assert rank_of(cls) == BUILT_IN.index(path)
    assert stage_class(cls.__name__) is cls


def test_a_built_in_stage_goes_by_class_and_by_name() -> None:
    assert stage_class("QualityFilterStage") is QualityFilterStage
    assert stage_class("quality") is QualityFilterStage


def test_the_reader_comes_first_and_a_users_class_has_no_rank() -> None:
    assert rank_of(VideoReader) == 0
    assert rank_of(stage_class("own.filters:DarkFilter")) is None


@pytest.mark.parametrize("name", ["DarkFilter", "Renamer"])
def test_a_users_class_goes_by_its_import_path(name: str) -> None:
    assert stage_class(f"own.filters:{name}").__name__ == name


@pytest.mark.parametrize(
    ("use", "message"),
    [
        ("qualty", "use: there is no built-in stage 'qualty'; did you mean quality?"),
        ("qualityfilter",
         "use: there is no built-in stage 'qualityfilter'; did you mean QualityFilterStage?"),
        ("own.filters.DarkFilter",
         "use: there is no built-in stage 'own.filters.DarkFilter'; "
         "write a class of your own as package.module:Class"),
        ("own.filters:", "use: 'own.filters:' must look like package.module:Class"),
        (".filters:Dark", "use: '.filters:Dark' must look like package.module:Class"),
        ("own_absent.filters:Dark",
         "use: own_absent.filters:Dark: cannot import own_absent.filters: ModuleNotFoundError: "
         "No module named 'own_absent'; put the folder that holds own_absent on PYTHONPATH"),
        ("own.needy:Dark",
         "use: own.needy:Dark: cannot import own.needy: ModuleNotFoundError: No module named 'own_missing'"),
        ("own.broken:Dark", "use: own.broken:Dark: cannot import own.broken: RuntimeError: no licence"),
        ("own.leaver:Dark", "use: own.leaver:Dark: cannot import own.leaver: SystemExit: 2"),
        ("own.filters:DarkFiltr",
         "use: own.filters:DarkFiltr: own.filters has no class DarkFiltr; did you mean DarkFilter?"),
        ("own.filters:Nothing",
         "use: own.filters:Nothing: Nothing is no stage: let it extend clipmill.stages.base.Stage"),
        ("clipmill.stages.base:Stage",
         "use: clipmill.stages.base:Stage: Stage has no name, so it is no stage; "
         "use a class that extends it"),
        ("own.filters:number", "use: own.filters:number: number is no class, but an int"),
    ],
    ids=lambda value: value if len(value) < 30 and ": " not in value else "",
)  # fmt: skip
def test_what_is_no_stage_is_one_line(use: str, message: str) -> None:
    with pytest.raises(SpecError) as raised:
        stage_class(use)
    assert str(raised.value) == message


def test_a_far_name_lists_the_built_in_stages() -> None:
    with pytest.raises(SpecError, match=r"built-in are read, .*motion, .*write; write a class of your own"):
        stage_class("zzz")


class Dark(Stage):
    name: ClassVar[str] = "dark"
    grain: ClassVar = "clip"

    threshold: Annotated[float, VERDICT] = 0.1
    count: int = Field(default=3, ge=1)
    clusters: int | Literal["auto"] = "auto"
    texts: list[str] = Field(default_factory=list[str], max_length=2)
    mode: Literal["mean", "min"] = "mean"
    step: int = 2
    pace: Annotated[float, BOUND] = 1.0

    @field_validator("step")
    @classmethod
    def _even(cls, value: int) -> int:
        if value % 2:
            raise ValueError(f"{value} is odd")
        return value


def test_parameters_leave_out_what_other_stages_set() -> None:
    assert parameters_of(Dark) == ("verbose", "threshold", "count", "clusters", "texts", "mode", "step")


def test_a_stage_is_made_of_its_parameters() -> None:
    assert make_stage(Dark, {"threshold": 0.4, "texts": ["a"]}) == Dark(threshold=0.4, texts=["a"])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"threshold": "x"}, "threshold must be a number, got 'x'"),
        ({"threshold": None}, "threshold must be a number, got None"),
        ({"threshold": float("nan")}, "threshold must be a finite number, got nan"),
        ({"count": 1.5}, "count must be a whole number, got 1.5"),
        ({"count": 0}, "count must be at least 1, got 0"),
        ({"clusters": "x"}, "clusters must be a whole number or 'auto', got 'x'"),
        ({"texts": "x"}, "texts must be a list, got 'x'"),
        ({"texts": ["x", 1]}, "texts.1 must be text, got 1"),
        ({"texts": ["x", "y", "z"]},
         "texts must be a list with at most 2 items after validation, not 3, got ['x', 'y', 'z']"),
        ({"mode": "max"}, "mode must be 'mean' or 'min', got 'max'"),
        ({"verbose": "maybe"}, "verbose must be true or false, got 'maybe'"),
        ({"step": 3}, "step: 3 is odd"),
        ({"count": 0, "mode": "max"},
         "count must be at least 1, got 0; mode must be 'mean' or 'min', got 'max'"),
        ({"treshold": 1}, "there is no parameter treshold; did you mean threshold?"),
        ({"pace": 2.0}, "pace follows from other stages and cannot be set"),
        ({"zzz": 2.0},
         "there is no parameter zzz; it has verbose, threshold, count, clusters, texts, mode, step"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)  # fmt: skip
def test_a_fault_is_one_line(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError) as raised:
        make_stage(Dark, parameters)
    assert str(raised.value) == f"stage dark: {message}"


def test_a_fault_names_the_key_of_the_stage() -> None:
    with pytest.raises(SpecError, match=r"^stage very_dark: threshold must be a number"):
        make_stage(Dark, {"threshold": "x"}, key="very_dark")


def test_a_missing_parameter_is_named() -> None:
    class Needs(Stage):
        name: ClassVar[str] = "needs"
        grain: ClassVar = "clip"
        model: str

    with pytest.raises(SpecError, match=r"^stage needs: model is missing$"):
        make_stage(Needs, {})


def test_a_built_in_stage_is_made_too() -> None:
    made = make_stage(MotionFilterStage, {"score_only": True})
    assert made == MotionFilterStage(score_only=True)
