"""The state: parts appear whole, a reader sees one row per id whatever the order and number of attempts."""

from pathlib import Path

import pyarrow as pa
import pytest

from clipmill.errors import StoreError
from clipmill.storage.state import State
from clipmill.storage.tables import STATE_SCHEMAS


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(str(tmp_path))


def test_rows_come_back_sorted_typed_and_named_by_digest(state: State) -> None:
    state.append("motion", [{"id": "b", "motion_global_mean": 0.5}, {"id": "a"}], digest="d1", attempt="0")
    table = state.read("motion", "d1")
    assert table.schema == STATE_SCHEMAS["motion"]
    assert table.select(["id", "stage_digest", "motion_global_mean"]).to_pylist() == [
        {"id": "a", "stage_digest": "d1", "motion_global_mean": None},
        {"id": "b", "stage_digest": "d1", "motion_global_mean": 0.5},
    ]


def test_another_digest_is_another_result(state: State) -> None:
    state.append("motion", [{"id": "a"}], digest="d1", attempt="0")
    assert state.ids("motion", "d1") == {"a"}
    assert state.ids("motion", "d2") == set()
    assert state.read("motion", "d2").schema == STATE_SCHEMAS["motion"]


@pytest.mark.parametrize("order", [("0", "1"), ("1", "0")])
def test_the_winner_of_two_attempts_does_not_depend_on_who_wrote_first(
    state: State, order: tuple[str, ...]
) -> None:
    for attempt in order:
        row = {"id": "a", "motion_global_mean": float(attempt)}
        state.append("motion", [row], digest="d", attempt=attempt)
    assert state.read("motion", "d")["motion_global_mean"].to_pylist() == [0.0]


def test_a_result_wins_over_a_failure(state: State) -> None:
    state.append("split", [{"id": "v", "reason": "decoder_crashed"}], digest="d", attempt="0")
    state.append("split", [{"id": "v", "num_frames": 10}], digest="d", attempt="1")
    assert state.read("split", "d").select(["reason", "num_frames"]).to_pylist() == [
        {"reason": None, "num_frames": 10}
    ]


def test_a_retry_that_computes_the_same_writes_no_second_part(state: State, tmp_path: Path) -> None:
    for _ in range(2):
        state.append("motion", [{"id": "a"}], digest="d", attempt="0")
    assert len(list(tmp_path.rglob("*.parquet"))) == 1


def test_parts_of_one_attempt_do_not_replace_each_other(state: State) -> None:
    for name in "abc":
        state.append("motion", [{"id": name}], digest="d", attempt="0")
    assert state.ids("motion", "d") == {"a", "b", "c"}


def test_tables_and_nested_columns(state: State) -> None:
    spans = [{"start_frame": 0, "end_frame": 48, "clip_id": "c"}]
    table = pa.table({"id": ["v"], "clips": [spans]})
    state.append("split", table, digest="d", attempt="0")
    (row,) = state.read("split", "d").to_pylist()
    assert [(clip["clip_id"], clip["end_frame"]) for clip in row["clips"]] == [("c", 48)]


def test_no_rows_write_no_part(state: State, tmp_path: Path) -> None:
    state.append("motion", [], digest="d", attempt="0")
    assert list(tmp_path.rglob("*")) == []


def test_a_column_the_stage_does_not_have_is_an_error(state: State) -> None:
    with pytest.raises(ValueError, match="has no column motoin"):
        state.append("motion", [{"id": "a", "motoin": 1}], digest="d", attempt="0")


def test_a_column_that_older_parts_lack_is_null(state: State, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    folder = tmp_path / "state" / "motion" / "d"
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"id": ["a"], "stage_digest": ["d"]}), folder / "0-old.parquet")
    assert state.read("motion", "d")["error"].to_pylist() == [None]


def test_a_half_part_is_named(state: State, tmp_path: Path) -> None:
    state.append("motion", [{"id": "a"}], digest="d", attempt="0")
    (part,) = tmp_path.rglob("*.parquet")
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(StoreError, match=f"{part}: not a readable table"):
        state.read("motion", "d")


def test_a_temporary_file_of_a_killed_writer_is_not_read(state: State, tmp_path: Path) -> None:
    state.append("motion", [{"id": "a"}], digest="d", attempt="0")
    (part,) = tmp_path.rglob("*.parquet")
    (part.parent / f".{part.name}").write_bytes(b"half")
    assert state.ids("motion", "d") == {"a"}
