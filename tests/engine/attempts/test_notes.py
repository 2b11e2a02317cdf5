"""What a run notes of its work, and what the next one makes of the notes of a dead one."""

from pathlib import Path

from clipmill.engine.attempts.notes import (
    KEPT,
    WorkerNotes,
    new_notes,
    noted_videos,
    remove_dead_notes,
    stopped_runs,
)


def test_next_run_knows_the_last_videos_of_each_worker_of_a_dead_one(tmp_path: Path) -> None:
    uri = new_notes(str(tmp_path), "run-1").uri
    first, second = WorkerNotes(uri), WorkerNotes(uri)
    for number in range(KEPT + 2):
        first.take(f"a{number}")
    second.take("b")
    expected = {f"a{number}": "run-1" for number in range(2, KEPT + 2)} | {"b": "run-1"}
    assert noted_videos(str(tmp_path), but="run-2") == expected
    assert noted_videos(str(tmp_path), but="run-1") == {}


def test_a_worker_has_one_file_however_many_videos_it_takes(tmp_path: Path) -> None:
    notes = WorkerNotes(new_notes(str(tmp_path), "run-1").uri)
    for number in range(100):
        notes.take(f"a{number}")
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_a_run_that_ends_by_itself_leaves_no_notes(tmp_path: Path) -> None:
    notes = new_notes(str(tmp_path), "run-1")
    WorkerNotes(notes.uri).take("a")
    notes.remove()
    assert noted_videos(str(tmp_path), but="run-2") == {}


def test_notes_of_dead_runs_go_and_those_of_this_one_stay(tmp_path: Path) -> None:
    for run_id in ("run-1", "run-2"):
        WorkerNotes(new_notes(str(tmp_path), run_id).uri).take(run_id)
    remove_dead_notes(str(tmp_path), but="run-2")
    assert noted_videos(str(tmp_path), but="") == {"run-2": "run-2"}


def test_a_run_that_stopped_early_is_remembered(tmp_path: Path) -> None:
    new_notes(str(tmp_path), "run-1").stop()
    remove_dead_notes(str(tmp_path), but="run-2")
    assert stopped_runs(str(tmp_path)) == {"run-1"}
    assert noted_videos(str(tmp_path), but="run-2") == {}


def test_without_an_output_nothing_is_noted() -> None:
    WorkerNotes("").take("a")


def test_a_note_that_cannot_be_written_stops_no_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    WorkerNotes(str(tmp_path / "file")).take("a")
