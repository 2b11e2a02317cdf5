"""Compaction: the same rows in fewer parts, while others read, and however often."""

import json
import random
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipmill import identity
from clipmill.state import compaction
from clipmill.state.compaction import Compacted, Target, compact, compact_folder
from clipmill.state.schema import OUTCOME
from clipmill.state.store import ResultStore
from tests.state.test_store import MOTION, Rows

IDS = [identity.clip_id("v", index, index + 1) for index in range(40)]


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    return Rows(tmp_path)


def fill(rows: Rows, *, num_parts: int = 30) -> None:
    """Rows with repeats, failures and cleared rows, from many runs."""
    chosen = random.Random(1)
    for part in range(num_parts):
        run_id = f"{part:02d}"
        outcomes = chosen.choices(["result", "final", "retryable", "cleared"], [6, 2, 3, 1], k=8)
        pairs = zip(chosen.sample(IDS, 8), outcomes, strict=True)
        made = ({"id": one, "outcome": outcome, "motion_global_mean": part / 10} for one, outcome in pairs)
        rows.put(*made, run_id=run_id)


def folder(rows: Rows) -> str:
    return rows.store.folder(rows.key, "d")


def test_many_parts_become_one_with_the_same_rows(rows: Rows) -> None:
    fill(rows)
    before = rows.read()
    done = compact_folder(folder(rows))
    assert (done.num_before, done.num_after) == (30, 1)
    assert rows.read() == before
    assert rows.read().num_rows > 20


@pytest.mark.parametrize("content", [b"not json", b'{"a": 1}'], ids=["text", "other"])
@pytest.mark.parametrize("number", [1, 7], ids=["own", "foreign"])
def test_an_index_that_cannot_be_read_is_left_out(
    rows: Rows, number: int, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    fill(rows, num_parts=4)
    before = rows.read()
    compact_folder(folder(rows))
    index = Path(folder(rows)) / f"index-{number}.json"
    index.write_bytes(content)
    assert rows.read() == before
    assert f"{index.name}: not a readable index" in caplog.text
    rows.put({"id": IDS[0], "outcome": "retryable"}, run_id="99")
    compact_folder(folder(rows))
    assert len(rows.store.parts(rows.key, "d").live) == 1
    assert rows.read() == before


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)], ids=str)
def test_compacting_again_and_in_any_order_keeps_the_rows(rows: Rows, order: tuple[int, ...]) -> None:
    fill(rows, num_parts=20)
    targets = [Target(part_rows=20), Target(part_rows=50), Target()]
    before = rows.read()
    for index in order:
        compact_folder(folder(rows), target=targets[index])
        assert rows.read() == before
    late = Rows(Path(rows.store.root_uri))
    late.put({"id": IDS[0], "motion_global_mean": 0.5}, run_id="00")
    after = late.read()
    compact_folder(folder(rows))
    assert late.read() == after


def test_rows_of_every_value_of_an_option_stay(rows: Rows) -> None:
    for run_id, effects in enumerate(("", 'tone="mapped"', None)):
        rows.put({"id": IDS[0], "effects": effects, "motion_global_mean": 0.1 * run_id}, run_id=str(run_id))
    compact_folder(folder(rows))
    found = {
        effects: rows.store.read(rows.key, "d", schema=MOTION, effects=effects)
        for effects in ("", 'tone="mapped"')
    }
    assert [one["motion_global_mean"].to_pylist() for one in found.values()] == [[0.0], [0.1]]


def test_what_is_compact_stays_as_it_is(rows: Rows) -> None:
    fill(rows)
    compact_folder(folder(rows))
    assert compact_folder(folder(rows)) == Compacted(folder(rows), 1, 1, 0, 0)
    assert rows.store.parts(rows.key, "d").index.number == 1


def test_failures_of_every_run_stay_until_there_is_a_result(rows: Rows) -> None:
    for run_id in "123":
        rows.put(
            {"id": IDS[0], "outcome": "retryable"}, {"id": IDS[1], "outcome": "retryable"}, run_id=run_id
        )
    rows.put({"id": IDS[1]}, run_id="4")
    compact_folder(folder(rows))
    found = rows.store.all_rows(rows.key, "d", schema=MOTION, columns=["id", "run_id"])
    pairs = sorted(zip(found["id"].to_pylist(), found["run_id"].to_pylist(), strict=True))
    assert pairs == sorted([*((IDS[0], run_id) for run_id in "123"), (IDS[1], "4")])


def test_a_cleared_row_stays_for_failures_that_come_late(rows: Rows) -> None:
    rows.put({"id": IDS[0], "outcome": "final"}, run_id="1")
    rows.put({"id": IDS[0], "outcome": "cleared"}, run_id="2")
    compact_folder(folder(rows))
    rows.put({"id": IDS[0], "outcome": "final", "message": "late"}, run_id="1")
    assert len(rows.read()) == 0
    found = rows.store.all_rows(rows.key, "d", schema=MOTION, columns=["outcome"])
    assert sorted(found["outcome"].to_pylist()) == ["cleared", "final"]


def test_replaced_parts_stay_a_day_and_as_long_as_another_run_stands(
    rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(rows)
    files = Path(folder(rows))
    compact_folder(folder(rows))
    assert len(list(files.glob("*.parquet"))) == 31
    now = compaction.time.time()
    monkeypatch.setattr(compaction.time, "time", lambda: now + compaction.KEPT_S + 60)
    assert compact_folder(folder(rows), may_delete=lambda: False).num_deleted == 0
    before = rows.read()
    assert compact_folder(folder(rows)).num_deleted == 30
    assert len(list(files.glob("*.parquet"))) == 1
    assert sorted(path.name for path in files.glob("index-*.json")) == ["index-1.json", "index-2.json"]
    assert json.loads((files / "index-2.json").read_text())["replaced"] == {}
    assert rows.read() == before


def test_a_killed_compaction_leaves_a_part_that_repeats_rows(
    rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(rows)
    before = rows.read()
    with monkeypatch.context() as patch:
        patch.setattr("clipmill.state.part_set.store.create", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            compact_folder(folder(rows))
    assert len(rows.store.parts(rows.key, "d").live) == 31
    assert rows.read() == before
    compact_folder(folder(rows))
    assert rows.read() == before


def test_two_compactions_at_once_both_count(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(rows)
    before = rows.read()
    create, is_first = compaction.store.create, [True]

    def second_first(uri: str, data: bytes) -> bool:
        if is_first.pop() if is_first else False:
            compact_folder(folder(rows), target=Target(part_rows=40))
        return create(uri, data)

    monkeypatch.setattr("clipmill.state.part_set.store.create", second_first)
    compact_folder(folder(rows))
    assert rows.store.parts(rows.key, "d").index.number == 2
    assert rows.read() == before


def test_a_reader_during_compaction_loses_no_row(rows: Rows) -> None:
    fill(rows, num_parts=60)
    before, seen, stop = rows.read(), list[bool](), threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.append(rows.read() == before)

    reader = threading.Thread(target=read)
    reader.start()
    for part_rows in (16, 40, 100, 1000):
        compact_folder(folder(rows), target=Target(part_rows=part_rows))
    stop.set()
    reader.join()
    assert seen
    assert all(seen)


def test_ids_of_two_forms_stay_what_they_were(rows: Rows) -> None:
    rows.put({"id": IDS[0]})
    rows.put({"id": "by hand"})
    compact_folder(folder(rows))
    assert rows.read()["id"].to_pylist() == sorted([IDS[0], "by hand"])


def test_vectors_are_joined_in_small_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipmill.state.part_file.HEAVY_ROWS", 15)
    schema = pa.schema([*OUTCOME, ("embedding", pa.list_(pa.float32(), 2))])
    rows = Rows(tmp_path, "embedding", schema)
    for start in range(0, 40, 4):
        rows.put(*({"id": one, "embedding": [start, 1.0]} for one in IDS[start : start + 4]))
    before = rows.read()
    compact_folder(folder(rows))
    (part,) = rows.store.parts(rows.key, "d").live
    file = pq.ParquetFile(part)
    assert [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)] == [15, 15, 10]
    assert rows.read() == before


def test_every_folder_of_an_output_is_compacted(tmp_path: Path) -> None:
    for key in ("motion", "quality"):
        rows = Rows(tmp_path, key)
        rows.put({"id": IDS[0]}, run_id="1")
        rows.put({"id": IDS[1]}, run_id="2")
    done = compact(str(tmp_path))
    assert [(Path(one.folder).parent.name, one.num_before, one.num_after) for one in done] == [
        ("motion", 2, 1),
        ("quality", 2, 1),
    ]
    assert len(ResultStore(str(tmp_path)).read("quality", "d", schema=MOTION)) == 2
