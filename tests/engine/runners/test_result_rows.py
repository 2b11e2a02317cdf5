"""What a worker answers becomes rows, or the named failure of its stage."""

from typing import ClassVar

import numpy as np
import pyarrow as pa
import pytest

from clipmill.engine.runners.result_rows import BadResults, checked, rows_of
from clipmill.planning.nodes import Node
from clipmill.stages.base import Column, Failed, Grain, Reads, Results, Stage
from tests.support.stages.engine_stages import items, scorer

NODE = scorer()


def made(answer: object, count: int = 2) -> pa.Table:
    return rows_of(NODE, checked(NODE, items(count), answer), {})


def values(rows: pa.Table, name: str) -> list[object]:
    return rows[name].to_pylist()


def test_each_item_has_a_row_in_its_order() -> None:
    rows = made({"score": [0.25, 1], "label": ["a", None]})
    assert values(rows, "id") == ["0", "1"]
    assert values(rows, "outcome") == ["result"] * 2
    assert values(rows, "score") == [0.25, 1.0]
    assert values(rows, "label") == ["a", None]


def test_a_column_that_was_not_measured_is_null() -> None:
    assert values(made({"score": [1, 2]}), "count") == [None, None]


@pytest.mark.parametrize(
    "given",
    [
        [0.5, 0.25],
        np.array([0.5, 0.25], np.float32),
        [np.float32(0.5), np.float64(0.25)],
        pa.array([0.5, 0.25], pa.float32()),
        (0.5, 0.25),
    ],
    ids=["list", "array", "numpy numbers", "arrow", "tuple"],
)
def test_columns_come_as_any_sequence(given: object) -> None:
    assert values(made({"score": given}), "score") == [0.5, 0.25]


def test_a_matrix_is_a_column_of_vectors() -> None:
    assert values(made({"vector": np.eye(2, dtype=np.float32)}), "vector") == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"score": [0.5]}, "column score has 1 values for 2 items"),
        ({"score": [0.5] * 3}, "column score has 3 values for 2 items"),
        ({"score": np.zeros(3)}, "column score has 3 values for 2 items"),
        ({"score": ["high", "low"]}, "column score does not hold double"),
        ({"count": [0.5, 1]}, "column count does not hold int64"),
        ({"count": [1 << 63, 1]}, "column count does not hold int64"),
        ({"label": [1, 2]}, "column label does not hold string"),
        ({"vector": [[1.0], [2.0]]}, "column vector does not hold fixed_size_list"),
        ({"score": 0.5}, "column score does not hold double"),
        ({"scores": [1, 2]}, "it returned column scores, which its class does not declare in writes"),
        ([0.5, 0.25], "it returned list instead of columns by name"),
        (None, "it returned NoneType instead of columns by name"),
        (Results({}, {2: Failed("final", "dark", "too dark")}), "it names item 2 of 2 as failed"),
    ],
    ids=[
        "too few", "too many", "too long an array", "words", "fractions", "too large", "numbers",
        "short vectors", "no sequence", "undeclared", "list", "none", "failure of no item",
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said(answer: object, message: str) -> None:
    with pytest.raises(BadResults, match=message):
        made(answer)


def test_hashes_of_64_bits_are_a_column() -> None:
    class Hashing(Stage):
        name: ClassVar[str] = "hashing"
        grain: ClassVar[Grain] = "clip"
        writes: ClassVar[tuple[Column, ...]] = (Column("hash", pa.uint64(), "of its frames"),)

    node = Node("hashing", Hashing(), Reads())
    rows = rows_of(node, checked(node, items(2), {"hash": [(1 << 64) - 1, 1]}), {})
    assert values(rows, "hash") == [(1 << 64) - 1, 1]


@pytest.mark.parametrize("score", [float("nan"), float("inf"), float("-inf")], ids=str)
def test_no_number_fails_its_item_and_names_stage_and_column(score: float) -> None:
    rows = made({"score": [score, 0.5], "label": ["a", "b"]})
    assert values(rows, "outcome") == ["retryable", "result"]
    assert values(rows, "reason") == ["bad_result", None]
    assert values(rows, "message") == ["stage scorer: column score is NaN or infinite", None]
    assert values(rows, "label") == [None, "b"]


def test_a_vector_with_nan_or_infinity_fails_its_item() -> None:
    rows = made({"vector": [None, [0.0, 1.0], [float("nan"), 1.0], [1.0, float("inf")]]}, count=4)
    assert values(rows, "outcome") == ["result", "result", "retryable", "retryable"]
    assert values(rows, "vector") == [None, [0.0, 1.0], None, None]


def test_an_item_that_failed_has_reason_message_and_no_values() -> None:
    rows = made(Results({"score": [0.5, 0.75]}, {0: Failed("final", "dark", "too dark")}))
    assert values(rows, "outcome") == ["final", "result"]
    assert values(rows, "reason") == ["dark", None]
    assert values(rows, "message") == ["too dark", None]
    assert values(rows, "score") == [None, 0.75]


def test_items_that_failed_before_have_rows_too() -> None:
    before = {"9": (items(1)[0], Failed("final", "no_frames", "no sampled frame"))}
    rows = rows_of(NODE, checked(NODE, [], {}), before)
    assert values(rows, "outcome") == ["final"]
    assert values(rows, "reason") == ["no_frames"]


def test_a_column_with_a_rule_is_rounded_once() -> None:
    assert values(made({"score": [0.12345678, -0.0]}), "score") == [0.123457, 0.0]
    assert values(made({"vector": [[0.1, 0.2]] * 2}), "vector")[0] == [np.float32(0.1), np.float32(0.2)]


def test_a_null_in_a_column_that_is_not_nullable_fails_its_item() -> None:
    class Strict(Stage):
        name: ClassVar[str] = "strict"
        grain: ClassVar[Grain] = "clip"
        writes: ClassVar[tuple[Column, ...]] = (Column("label", pa.string(), "a word", nullable=False),)

    node = Node("strict", Strict(), Reads())
    answer = Results({"label": ["a", None, None]}, {2: Failed("final", "blurred", "no word")})
    rows = rows_of(node, checked(node, items(3), answer), {})
    assert values(rows, "outcome") == ["result", "retryable", "final"]
    assert values(rows, "reason") == [None, "bad_result", "blurred"]
    assert values(rows, "message")[1] == "stage strict: column label is null"
