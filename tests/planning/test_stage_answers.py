"""What a class of stages says of itself and cannot mean: one readable line before any work."""

import re
from collections.abc import Callable
from fractions import Fraction
from types import new_class
from typing import Any

import pyarrow as pa
import pytest

from clipmill.errors import SpecError, plain_text, said_by
from clipmill.planning.nodes import RESERVED_KEYS, Placed
from clipmill.stages.base import Artifact, Column, Failed, Measure, Reads, Resources, Rule, Stage
from clipmill.state.schema import INSPECT, VERIFY
from tests.support.hand_made import plan

VALUE = Column("value", pa.float64(), "a value")


NESTED = (Column("v", pa.float64(), "", json="a.b"), Column("w", pa.float64(), "", json="a"))
IN_VALID = Column("v", pa.float64(), "", json="valid.x")


def wrong(value: object) -> Any:  # noqa: ANN401 - what no type checker lets through
    """Returns a value of another type than the one that is declared."""
    return value


def stage_class(**parts: object) -> type[Stage]:
    """Returns a class of stages with these parts in place of sound ones."""
    sound: dict[str, object] = {
        "__doc__": "A stage of one's own.", "__module__": __name__, "name": "own", "grain": "clip",
        "code": "version", "writes": (VALUE,),
    }  # fmt: skip
    fields = {name: str for name in parts if name in ("use", "key", "after")}
    return new_class(
        "Own", (Stage,), exec_body=lambda body: body.update({**sound, **parts, "__annotations__": fields})
    )


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"name": 3}, "Own has no name"),
        ({"grain": "frame"}, "Own.grain is 'frame': take run or video or clip or window"),
        ({"runs_on": "most"}, "Own.runs_on is 'most': take passed or all"),
        ({"on_failure": "explode"}, "Own.on_failure is 'explode': take keep or drop"),
        ({"code": "magic"}, "Own.code is 'magic': take source or version"),
        ({"version": "one"}, "Own.version is 'one': take a whole number"),
        ({"writes": (Column("a b", pa.float64(), ""),)}, "Own writes 'a b', which is no name of a column"),
        ({"writes": (Column('a"b', pa.float64(), ""),)}, "which is no name of a column: take a letter"),
        ({"writes": (Column("", pa.float64(), ""),)}, "Own writes '', which is no name of a column"),
        ({"grain": "run"}, "Own is of the grain run and writes columns"),
        ({"writes": (VALUE, Column("Value", pa.float64(), ""))}, "Own writes column value twice"),
        ({"key": "k"}, "Own.key hides what a spec says of every stage: give the field another name"),
        ({"use": "u"}, "Own.use hides what a spec says of every stage"),
    ],
)
def test_a_class_that_cannot_be_is_refused_where_it_is_defined(parts: dict[str, object], said: str) -> None:
    with pytest.raises(TypeError, match=re.escape(said)):
        stage_class(**parts)


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (lambda: Column("v", wrong("float64"), ""), "column v has the type 'float64': take one of Arrow's"),
        (lambda: Column("v", pa.string(), "", role="captoin"), "the role captoin, which is none of caption,"),
        (lambda: Column("v", pa.string(), "", rank=wrong("up")), "has rank 'up': take nothing, asc, desc"),
        (
            lambda: Column("v", pa.string(), "", table=wrong("mine")),
            "has table 'mine': take embeddings, own_grain",
        ),
        (
            lambda: Column("v", pa.string(), "", json="a..b"),
            "the JSON path 'a..b', with a part that is empty",
        ),
        (lambda: Artifact("f", "mine/all.bin"), "have one name for all items: add {clip_id} to the path"),
        (lambda: Artifact("f", "../mine/{clip_id}.bin"), "cannot lie there"),
        (lambda: Artifact("f", "/mine/{clip_id}.bin"), "cannot lie there"),
        (lambda: Artifact("f", "{clip_id}.bin"), "cannot lie there"),
        (lambda: Artifact("f", "tables/{clip_id}.parquet"), "cannot lie there"),
        (lambda: Rule("v", "", min=1.0), "a rule over v has no reason"),
        (lambda: Rule("v", "low", min=float("nan")), "has the bound nan, which is no number"),
        (lambda: Rule("v", "low", max=wrong("3")), "has the bound '3', which is no number"),
        (lambda: Resources(cpus=-1), "of 0 or more"),
        (lambda: Resources(gpus=float("inf")), "of 0 or more"),
        (lambda: Resources(batch_items=0), "batch_items and max_workers of 1 or more"),
        (lambda: Resources(max_workers=0), "batch_items and max_workers of 1 or more"),
        (lambda: Measure("package.module:f", Fraction(2), (-1,)), "lengths of 0 or more"),
        (lambda: Failed(wrong("lost"), "gone", ""), "final or retryable"),
    ],
)
def test_a_declaration_that_means_nothing_is_refused(declare: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        declare()


def _divides(*_: object) -> object:
    return 1 / 0


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"reads": lambda self: None}, "stage own: reads() returned NoneType: let it return Reads"),
        ({"reads": _divides}, "stage own: reads() raised ZeroDivisionError: division by zero"),
        ({"rules": lambda self: None}, "stage own: rules() returned NoneType: let it return a tuple of Rule"),
        ({"rules": lambda self: Rule("value", "low")}, "rules() returned Rule: let it return a tuple"),
        ({"models": lambda self: ("a",)}, "models() returned str: let it return a tuple of ModelRef"),
        ({"asked": lambda self: 3}, "asked() returned int: let it return a tuple of str"),
        ({"resources": lambda self: None}, "resources() returned NoneType: let it return Resources"),
        ({"resources": lambda self: Resources(cpus=-1)}, "stage own: Resources needs cpus, gpus"),
        ({"requires": lambda self: ("motion",)}, "requires() returned str: let it return a tuple of Stage"),
        ({"bind": lambda self, run: None}, "stage own: bind() returned NoneType: let it return Stage"),
        ({"bind": lambda self, run: self.bound(most=1)}, "stage own: bind(): most: Extra inputs"),
        ({"reads": lambda self: Reads(artifacts=("encode.x",))}, "which is no stage of this run"),
        ({"writes": (IN_VALID,)}, "valid.x of the JSON, which is taken by every clip"),
        ({"writes": NESTED}, "stage own writes w to a of the JSON, which is taken by own"),
        ({"writes": (Column("Status", pa.float64(), ""),)}, "Status, which is a column of every table"),
    ],
)  # fmt: skip
def test_what_a_stage_says_of_itself_is_checked(parts: dict[str, object], said: str) -> None:
    with pytest.raises(SpecError, match=re.escape(said)) as caught:
        plan(stage_class(**parts)())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["..", "a/b", "a:b", "a b", "x" * 65, *sorted(RESERVED_KEYS)])
def test_a_key_that_names_no_folder_or_another_thing_is_refused(key: str) -> None:
    assert {INSPECT, VERIFY} <= RESERVED_KEYS
    with pytest.raises(SpecError, match=f"^{re.escape(repr(key))} cannot be the key of a stage"):
        plan(Placed(stage_class()(), key))


def test_capitals_tell_no_two_keys_apart() -> None:
    own = stage_class()()
    with pytest.raises(SpecError, match="two stages have the key Sharp: give one Own a key of its own"):
        plan(Placed(own, "sharp"), Placed(own, "Sharp"))


def test_what_foreign_code_says_is_plain_and_short() -> None:
    class Silent(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert said_by(Silent()) == "Silent: its message cannot be read"
    assert said_by(ValueError("\x1b[31mred\ud800\0")) == "ValueError:  [31mred? "
    assert said_by(MemoryError()) == "MemoryError"
    assert len(plain_text("x" * 100_000)) == 1000
