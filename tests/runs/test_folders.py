"""Hand-over folders: a run clears its own, and those of runs that died a day ago."""

from datetime import timedelta
from pathlib import Path

import pytest

from clipmill import layout
from clipmill.errors import OutputError
from clipmill.runs.folders import remove_folder, sweep_folders
from clipmill.runs.lease import take
from clipmill.runs.lease_file import now
from clipmill.runs.run_id import new_run_id
from clipmill.storage import store

OWN, RECENT = new_run_id(), new_run_id()
OLD = f"{now() - timedelta(days=2):%Y%m%dT%H%M%S.%fZ}-1f2e3d4c"


@pytest.fixture
def work(output: Path) -> Path:
    work = layout.work_dir(str(output))
    for name in (OWN, RECENT, OLD, "dedup"):
        store.put_bytes(layout.join(work, name, "a", "ids.parquet"), b"x")
    store.put_bytes(layout.join(work, "sources-abc.json"), b"x")
    return Path(work)


def test_folders_of_runs_a_day_ago_are_swept(output: Path, work: Path) -> None:
    sweep_folders(str(output), run_id=OWN)
    assert {path.name for path in work.iterdir()} == {OWN, RECENT, "dedup", "sources-abc.json"}


def test_a_run_of_more_than_a_day_keeps_its_own(output: Path, work: Path) -> None:
    sweep_folders(str(output), run_id=OLD)
    assert (work / OLD).exists()


def test_a_run_removes_its_own_folder(output: Path, work: Path) -> None:
    remove_folder(str(output), OWN)
    remove_folder(str(output), OWN)
    assert {path.name for path in work.iterdir()} == {RECENT, OLD, "dedup", "sources-abc.json"}
    assert layout.run_folder(str(output), OWN) == str(work / OWN)


@pytest.mark.parametrize("name", ["report.html", "kept_clips.json", "tables/clips.parquet", "manifest.json"])
def test_a_first_run_refuses_to_write_over_files_of_others(output: Path, name: str) -> None:
    store.put_bytes(f"{output}/{name}", b"{}")
    with pytest.raises(OutputError, match=f"holds {name}, which clipmill did not write: name another folder"):
        take(str(output), new_run_id())
    assert not (output / "lease.json").exists()


def test_only_a_first_run_warns_of_other_files(output: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a.txt", "b/c.txt", "d", "e", ".hidden"):
        store.put_bytes(f"{output}/{name}", b"x")
    take(str(output), new_run_id()).release()
    take(str(output), new_run_id()).release()
    said = [record.getMessage() for record in caplog.records]
    assert said == [f"{output} holds other files (a.txt, b, d, ...): they stay as they are"]
