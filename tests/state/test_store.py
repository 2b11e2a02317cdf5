"""The state: parts appear whole, a reader sees one row per id whatever the order and number of attempts."""

from collections.abc import Callable
from itertools import permutations, product
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipmill import identity
from clipmill.planning.from_spec import plan_of_spec
from clipmill.specs import CurateSpec
from clipmill.stages.process_stage import SEEN_CLIPS
from clipmill.state import part_file
from clipmill.state.compaction import compact
from clipmill.state.database import Database, scratch_database
from clipmill.state.failures import failures
from clipmill.state.schema import INSPECT_STATE, OUTCOME, SPLIT_STATE, light_columns, schema_of
from clipmill.state.store import ResultStore

PLAN = plan_of_spec(CurateSpec(), source="/videos", output="/out")
MOTION = schema_of(PLAN.by_key["motion"])


class Rows:
    """Rows of one key under one folder, a part for each call."""

    def __init__(self, folder: Path, key: str = "motion", schema: pa.Schema = MOTION) -> None:
        self.store, self.key, self.schema = ResultStore(str(folder)), key, schema

    def put(self, *rows: dict[str, object], run_id: str = "0", digest: str = "d") -> None:
        values = [{"outcome": "result", **row} for row in rows]
        table = pa.Table.from_pylist(values, schema=self.schema)
        self.store.append(self.key, digest, table, run_id=run_id)

    def read(self, digest: str = "d", columns: list[str] | None = None) -> pa.Table:
        return self.store.read(self.key, digest, schema=self.schema, columns=columns)


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    return Rows(tmp_path)


def test_rows_come_back_sorted_typed_and_named_by_digest_and_run(rows: Rows) -> None:
    rows.put({"id": "b", "motion_global_mean": 0.5}, {"id": "a"}, digest="d1", run_id="r")
    table = rows.read("d1")
    assert table.schema == MOTION
    assert table.select(["id", "stage_digest", "run_id", "motion_global_mean"]).to_pylist() == [
        {"id": "a", "stage_digest": "d1", "run_id": "r", "motion_global_mean": None},
        {"id": "b", "stage_digest": "d1", "run_id": "r", "motion_global_mean": 0.5},
    ]


def test_another_digest_is_another_result(rows: Rows) -> None:
    rows.put({"id": "a"}, digest="d1")
    assert rows.read("d1")["id"].to_pylist() == ["a"]
    assert len(rows.read("d2")) == 0
    assert rows.read("d2").schema == MOTION


def test_only_the_wanted_columns_come_back(rows: Rows) -> None:
    rows.put({"id": "a", "motion_global_mean": 0.5})
    assert rows.read(columns=["motion_global_mean"]).column_names == ["motion_global_mean"]


@pytest.mark.parametrize("order", [("0", "1"), ("1", "0")])
def test_of_equal_outcomes_the_smallest_run_wins_whichever_was_written_first(
    rows: Rows, order: tuple[str, ...]
) -> None:
    for run_id in order:
        rows.put({"id": "a", "motion_global_mean": float(run_id)}, run_id=run_id)
    assert rows.read()["motion_global_mean"].to_pylist() == [0.0]


@pytest.mark.parametrize("order", list(permutations(("result", "final", "retryable"))), ids="-".join)
def test_a_result_wins_over_a_final_failure_and_that_over_a_retryable_one(
    tmp_path: Path, order: tuple[str, ...]
) -> None:
    rows = Rows(tmp_path)
    for run_id, outcome in enumerate(order):
        rows.put({"id": "all", "outcome": outcome}, run_id=str(run_id))
        if outcome != "result":
            rows.put({"id": "failed", "outcome": outcome}, run_id=str(run_id))
    found = dict(zip(*(rows.read()[name].to_pylist() for name in ("id", "outcome")), strict=True))
    assert found == {"all": "result", "failed": "final"}


def test_a_result_of_a_later_run_wins_over_a_failure(tmp_path: Path) -> None:
    rows = Rows(tmp_path, "content", SPLIT_STATE)
    rows.put({"id": "v", "outcome": "final", "reason": "decoder_crashed"}, run_id="0")
    rows.put({"id": "v", "num_frames": 10}, run_id="1")
    assert rows.read().select(["reason", "num_frames"]).to_pylist() == [{"reason": None, "num_frames": 10}]


def test_a_row_that_notes_the_clips_it_saw_is_replaced_by_the_next_run(tmp_path: Path) -> None:
    rows = Rows(tmp_path, "judge", pa.schema([*OUTCOME, (SEEN_CLIPS, pa.string())]))
    rows.put({"id": "a", SEEN_CLIPS: "two"}, run_id="0")
    rows.put({"id": "a", SEEN_CLIPS: "three"}, run_id="1")
    assert rows.read()[SEEN_CLIPS].to_pylist() == ["three"]


def test_a_retry_that_computes_the_same_writes_no_second_part(rows: Rows, tmp_path: Path) -> None:
    for _ in range(2):
        rows.put({"id": "a"})
    assert len(list(tmp_path.rglob("*.parquet"))) == 1


def test_parts_of_one_run_do_not_replace_each_other(rows: Rows) -> None:
    for name in "abc":
        rows.put({"id": name})
    assert rows.read()["id"].to_pylist() == ["a", "b", "c"]


def test_a_part_is_named_by_run_form_and_content(rows: Rows, tmp_path: Path) -> None:
    rows.put({"id": "a"}, run_id="r7")
    rows.put({"id": "a"}, run_id="r8")
    rows.put({"id": "a", "outcome": "final"}, {"id": "b"}, run_id="r9")
    parts = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.parquet"))
    assert [str(part.parent) for part in parts] == ["state/motion/d"] * 3
    runs, forms, contents = zip(*(part.stem.split("-") for part in parts), strict=True)
    assert runs == ("r7", "r8", "r9")
    assert [form[0] for form in forms] == ["r", "r", "x"]
    assert len({form[1:] for form in forms}) == 1
    assert len(set(contents)) == 3
    assert all(len(content) == 16 for content in contents)


def test_parts_whose_names_say_nothing_are_read_like_the_others(rows: Rows, tmp_path: Path) -> None:
    rows.put({"id": "a", "outcome": "final", "reason": "broken"}, {"id": "b"}, run_id="1")
    rows.put({"id": "c", "motion_global_mean": 2.0}, run_id="2")
    rows.put({"id": "a", "outcome": "cleared"}, run_id="3")
    rows.put({"id": "d", "outcome": "retryable"}, run_id="4")

    def found() -> tuple[list[str], list[str], list[object]]:
        parts = rows.store.parts(rows.key, "d")
        with scratch_database() as database:
            database.load("motion", parts, select="id, motion_global_mean, outcome", schema=MOTION)
            table = database.rows("SELECT motion_global_mean, outcome FROM motion ORDER BY ALL")
        failed = [one.id for one in failures(rows.store, rows.key, "d")]
        return rows.read()["id"].to_pylist(), failed, table.to_pylist()

    named = found()
    assert named[:2] == (["b", "c", "d"], ["d"])
    for path in sorted(tmp_path.rglob("*.parquet"))[::2]:
        run_id, _, content = path.stem.split("-")
        path.rename(path.with_name(f"{run_id}-{content}.parquet"))
    assert found() == named


def test_a_part_whose_name_says_that_it_holds_results_is_not_read_for_failures(
    rows: Rows, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows.put({"id": "a"})
    rows.put({"id": "b", "outcome": "final", "reason": "broken"})
    whole = next(path for path in tmp_path.rglob("*.parquet") if path.stem.split("-")[1].startswith("r"))
    whole.write_bytes(b"no part")
    rows_failed = rows.store.failed_rows(rows.key, "d", schema=OUTCOME, columns=["reason"], among=None)
    assert rows_failed["id"].to_pylist() == ["b"]
    assert not caplog.records


def test_nested_columns(tmp_path: Path) -> None:
    rows = Rows(tmp_path, "content", SPLIT_STATE)
    rows.put({"id": "v", "clips": [{"start_frame": 0, "end_frame": 48, "clip_id": "c"}]})
    (row,) = rows.read().to_pylist()
    assert [(clip["clip_id"], clip["end_frame"]) for clip in row["clips"]] == [("c", 48)]


def test_no_rows_write_no_part(rows: Rows, tmp_path: Path) -> None:
    rows.put()
    assert list(tmp_path.rglob("*")) == []


def test_a_column_that_older_parts_lack_is_null(rows: Rows, tmp_path: Path) -> None:
    folder = tmp_path / "state" / "motion" / "d"
    folder.mkdir(parents=True)
    old = {"id": ["a"], "stage_digest": ["d"], "outcome": ["result"], "run_id": ["0"]}
    pq.write_table(pa.table(old), folder / "0-0123456789abcdef.parquet")
    assert rows.read()["motion_camera_mean"].to_pylist() == [None]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: data[:0],
    "cut off": lambda data: data[:-20],
    "other bytes": lambda data: b"no part" * len(data),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_part_is_named_and_left_out(
    rows: Rows, caplog: pytest.LogCaptureFixture, damage: Callable[[bytes], bytes]
) -> None:
    rows.put({"id": "a"})
    (part,) = rows.store.parts(rows.key, "d").live
    rows.put({"id": "b"})
    Path(part).write_bytes(damage(Path(part).read_bytes()))
    assert rows.read()["id"].to_pylist() == ["b"]
    assert part in caplog.text


def test_a_part_that_was_set_aside_is_not_read_again(rows: Rows) -> None:
    rows.put({"id": "a"})
    (part,) = rows.store.parts(rows.key, "d").live
    rows.put({"id": "b"})
    (left,) = rows.store.parts(rows.key, "d").set_aside([part]).live
    assert left != part
    assert rows.read()["id"].to_pylist() == ["b"]


def test_foreign_files_are_not_read(rows: Rows) -> None:
    rows.put({"id": "a"})
    folder = Path(rows.store.folder(rows.key, "d"))
    pq.write_table(pa.table({"id": [1], "outcome": [2.0]}), folder / "export.parquet")
    (folder / "notes.json").write_text("{}")
    (folder / "deeper").mkdir()
    pq.write_table(pa.table({"x": [1]}), folder / "deeper" / "0-0123456789abcdef.parquet")
    assert rows.read()["id"].to_pylist() == ["a"]


def test_ids_are_16_bytes_in_a_part_and_text_in_a_table(tmp_path: Path) -> None:
    clip, video = identity.clip_id("v", 0, 1), "0123456789abcdef" * 2
    schema = pa.schema([*OUTCOME, ("clip_id", pa.string()), ("video_id", pa.string())])
    rows = Rows(tmp_path, "x", schema)
    source = identity.source_version("a.mp4", 1, "")
    rows.put({"id": source, "clip_id": clip, "video_id": video}, {"id": source[:-1] + "0", "video_id": video})
    (part,) = rows.store.parts("x", "d").live
    stored = pq.read_schema(part)
    assert {stored.field(name).type for name in ("id", "clip_id", "video_id")} == {pa.uuid()}
    found = {row["id"]: (row["clip_id"], row["video_id"]) for row in rows.read().to_pylist()}
    assert found == {source: (clip, video), source[:-1] + "0": (None, video)}


@pytest.mark.parametrize("odd", ["a", "A" * 32, "sv2:" + "0" * 32, "0" * 31 + "g"])
def test_ids_of_no_known_form_stay_text(rows: Rows, odd: str) -> None:
    rows.put({"id": odd}, {"id": "0" * 32})
    assert rows.read()["id"].to_pylist() == sorted([odd, "0" * 32])


def test_a_temporary_file_of_a_killed_writer_is_not_read(rows: Rows, tmp_path: Path) -> None:
    rows.put({"id": "a"})
    (part,) = tmp_path.rglob("*.parquet")
    (part.parent / f".{part.name}").write_bytes(b"half")
    assert rows.read()["id"].to_pylist() == ["a"]


def test_a_stage_stores_its_columns_but_not_derived_ones(rows: Rows) -> None:
    assert "motion_global_mean" in MOTION.names
    assert "motion_source" not in MOTION.names


def test_rows_of_windows_say_where_the_window_lies() -> None:
    schema = schema_of(PLAN.by_key["preview"])
    assert schema.names == [*OUTCOME.names, "clip_id", "start_frame", "end_frame", "preview_uri"]


def test_light_columns_hold_no_vectors_and_bytes() -> None:
    assert light_columns(PLAN.by_key["embedding"]) == [*OUTCOME.names, "embedding_algorithm"]


def test_facts_of_a_header_come_back_typed_and_a_readable_one_wins(tmp_path: Path) -> None:
    store = ResultStore(str(tmp_path))
    failed = {"outcome": "retryable", "reason": "store_error"}
    for row in ({"id": "v", **failed}, {"id": "v", "outcome": "result", "width": 64}):
        store.append_records("inspect", "d", [row], schema=INSPECT_STATE, run_id="0")
    found = store.read("inspect", "d", schema=INSPECT_STATE)
    assert found.schema == INSPECT_STATE
    assert found.select(["reason", "width"]).to_pylist() == [{"reason": None, "width": 64}]


def test_a_fact_that_headers_do_not_have_is_an_error(tmp_path: Path) -> None:
    row = {"id": "a", "outcome": "result", "widht": 1}
    with pytest.raises(ValueError, match="has no column widht"):
        ResultStore(str(tmp_path)).append_records("inspect", "d", [row], schema=INSPECT_STATE, run_id="0")


def test_inspections_of_clipmill_0_1_have_an_outcome_by_their_reason(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "inspect" / "d"
    folder.mkdir(parents=True)
    old = pa.table({"id": ["a", "b", "c"], "reason": [None, "store_error", "not_a_video"]})
    pq.write_table(old, folder / "sources-0123456789abcdef.parquet")
    found = ResultStore(str(tmp_path)).read("inspect", "d", schema=INSPECT_STATE)
    assert found["outcome"].to_pylist() == ["result", "retryable", "final"]


def test_a_cleared_row_takes_away_the_failures_before_it_and_no_result(rows: Rows) -> None:
    rows.put({"id": "a", "outcome": "final"}, {"id": "b"}, {"id": "c", "outcome": "retryable"}, run_id="1")
    rows.put(*({"id": name, "outcome": "cleared"} for name in "abc"), run_id="2")
    assert rows.read()["id"].to_pylist() == ["b"]
    rows.put({"id": "c", "outcome": "final"}, run_id="3")
    assert rows.read().select(["id", "outcome"]).to_pylist() == [
        {"id": "b", "outcome": "result"},
        {"id": "c", "outcome": "final"},
    ]


def test_a_lost_row_takes_away_the_results_before_it_too(rows: Rows) -> None:
    rows.put({"id": "a"}, {"id": "b"}, {"id": "c", "outcome": "final"}, run_id="1")
    rows.put(*({"id": name, "outcome": "lost"} for name in "ac"), run_id="2")
    rows.put({"id": "b", "outcome": "cleared"}, run_id="2")
    assert rows.read()["id"].to_pylist() == ["b"]
    rows.put({"id": "a"}, run_id="3")
    assert rows.read().select(["id", "run_id"]).to_pylist() == [
        {"id": "a", "run_id": "3"},
        {"id": "b", "run_id": "1"},
    ]


def test_only_the_wanted_ids_come_back(rows: Rows) -> None:
    rows.put({"id": "a"}, {"id": "b"}, {"id": "c"})
    found = rows.store.read(rows.key, "d", schema=MOTION, columns=["id"], among=pa.array(["c", "a", "x"]))
    assert found["id"].to_pylist() == ["a", "c"]


def test_parts_that_do_not_fit_into_memory_together_are_taken_in_halves(
    rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a cleared row of another half, or of another batch, ends stays out."""
    for index, name in enumerate("abcde"):
        outcome = "final" if name == "b" else "result"
        rows.put({"id": name, "outcome": outcome, "motion_global_mean": index / 2})
    rows.put({"id": "b", "outcome": "cleared"}, run_id="1")
    run, tried = Database.run, list[int]()

    def run_in_little_memory(database: Database, query: str, **tables: pa.Table) -> None:
        if query.startswith("INSERT INTO motion"):
            tried.append(query.count(".parquet'"))
            if tried[-1] > 2:
                raise duckdb.OutOfMemoryException("all of it is in use")
        run(database, query, **tables)

    monkeypatch.setattr(Database, "run", run_in_little_memory)
    monkeypatch.setattr("clipmill.state.database.PARTS_AT_ONCE", 4)
    parts = rows.store.parts(rows.key, "d")
    with scratch_database() as database:
        database.load("motion", parts, select="id, motion_global_mean", schema=MOTION)
        assert database.number("SELECT count(DISTINCT id) FROM motion") == 4
        assert (max(tried), sum(num for num in tried if num <= 2)) == (4, 6)


def _unreadable_to_the_database(part: Path) -> None:
    """Flips a bit of the footer in a field that Arrow skips."""
    whole = part.read_bytes()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    for place, bit in product(range(footer, len(whole) - 8), range(8)):
        part.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
        try:
            part_file.decode(str(part), part.read_bytes())
            duckdb.execute(f"FROM '{part}'").fetchall()
        except part_file.DamagedPart:
            continue
        except duckdb.Error:
            return
    raise AssertionError("both read every footer")


def test_a_part_that_only_the_database_cannot_read_is_set_aside(rows: Rows) -> None:
    for name in "ab":
        rows.put({"id": name})
    parts = rows.store.parts(rows.key, "d")
    _unreadable_to_the_database(Path(parts.live[0]))
    with scratch_database() as database:
        left = database.load("motion", parts, select="id", schema=MOTION)
        assert database.number("SELECT count(*) FROM motion") == 1
    assert left.live == parts.live[1:]


def test_a_part_that_is_deleted_after_the_listing_is_left_out(rows: Rows) -> None:
    for name in "abc":
        rows.put({"id": name}, run_id=name)
    parts = rows.store.parts("motion", "d")
    Path(parts.live[0]).unlink()
    with scratch_database() as database:
        left = database.load("found", parts, select="id", schema=OUTCOME)
        assert database.number("SELECT count(*) FROM found") == 2
    assert left is not parts
    assert left.live == parts.live[1:]


def test_a_part_that_an_index_has_and_the_folder_has_not_is_set_aside(rows: Rows) -> None:
    for name in "abc":
        rows.put({"id": name}, run_id=name)
    compact(rows.store.root_uri)
    rows.put({"id": "d"}, run_id="d")
    parts = rows.store.parts("motion", "d")
    Path(next(uri for uri in parts.live if "compacted" in uri)).unlink()
    assert rows.read()["id"].to_pylist() == ["d"]
    left = rows.store.parts("motion", "d").checked()
    assert len(left.index.damaged) == 1
    assert left.checked() is left
