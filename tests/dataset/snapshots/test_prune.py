"""Earlier snapshots: listed, read by their own manifests, and removed with the files that only they name."""

from pathlib import Path

import pytest

from clipmill.cli.main import main
from clipmill.dataset.snapshots.prune import list_snapshots, plan_pruning, prune
from clipmill.dataset.snapshots.record import current_snapshot, read_table
from clipmill.specs import CurateSpec
from clipmill.storage import store
from tests.support.runs.curation import files
from tests.support.state_rows import Project

pytestmark = pytest.mark.integration


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two snapshots: of a.mp4 and b.mp4, and of a.mp4 alone; every clip and preview has a file."""
    project = Project(tmp_path)
    for name in ("a.mp4", "b.mp4"):
        project.curate(name)
    for clip in project.spans:
        for path in (f"clips/{clip}.mp4", f"previews/{clip}/0_99.webp"):
            store.put_bytes(f"{project.output}/{path}", clip.encode())
    project.publish("r1")
    del project.sources[1]
    project.publish("r2")
    return project


def names(project: Project, folder: str) -> set[str]:
    return {name for name in files(Path(project.output)) if name.startswith(f"{folder}/")}


def test_an_earlier_snapshot_is_read_by_its_own_manifest(project: Project) -> None:
    now, before = list_snapshots(project.output)
    counts = [read_table(project.output, "clips", snapshot=one.snapshot).num_rows for one in (now, before)]
    assert (counts, now.is_current, before.is_current) == ([2, 4], True, False)
    assert (now.published_at, before.published_at) == ("2026-01-01T00:01:02Z", "2026-01-01T00:01:01Z")


def test_pruning_keeps_what_the_current_snapshot_names(project: Project) -> None:
    first, second, *gone = project.spans
    before = files(Path(project.output))
    pruning = plan_pruning(project.output)
    assert files(Path(project.output)) == before
    prune(pruning)
    snapshot = current_snapshot(project.output)
    assert names(project, "clips") == {f"clips/{first}.mp4", f"clips/{second}.mp4"}
    assert names(project, "previews") == {f"previews/{clip}/0_99.webp" for clip in (first, second)}
    assert {name.split("/")[1] for name in names(project, "snapshots")} == {snapshot.snapshot_id}
    assert read_table(project.output, "clips")["clip_id"].to_pylist() == [first, second]
    kept = ("clips/", "previews/", "snapshots/", "state/")
    after = files(Path(project.output))
    assert {name for name in before if not name.startswith(kept)} <= set(after)
    assert all(after[name] == before[name] for name in after if name in before)
    assert len(gone) == 2


def test_a_removed_file_is_made_again_when_its_video_comes_back(project: Project) -> None:
    prune(plan_pruning(project.output))
    project.find("b.mp4")
    project.publish("r3")
    rows = read_table(project.output, "videos").to_pylist()
    assert {Path(str(row["uri"])).name: row["status"] for row in rows} == {
        "a.mp4": "curated", "b.mp4": "pending",
    }  # fmt: skip


def test_files_of_two_kept_snapshots_stay(project: Project) -> None:
    before = files(Path(project.output))
    pruning = plan_pruning(project.output, keep=2)
    assert (pruning.removed, pruning.files) == ((), ())
    prune(pruning)
    assert files(Path(project.output)) == before


def test_the_folder_of_a_killed_run_goes(project: Project) -> None:
    store.put_bytes(f"{project.output}/snapshots/unfinished/clips/part-00000-x.parquet", b"half")
    assert "unfinished" in plan_pruning(project.output, keep=2).removed


def test_files_of_filtered_clips_are_named_by_the_snapshot(tmp_path: Path) -> None:
    options = {"motion_filter": {}, "write": {"write_filtered_clips": True}}
    project = Project(tmp_path, CurateSpec.model_validate(options))
    (clip,) = project.split(project.inspect("a.mp4"), [(0, 250)])
    project.finish(clip, motion=0.0, but="encode")
    project.put("encode_filtered", id=clip, clip_uri=f"filtered_clips/{clip}.mp4")
    store.put_bytes(f"{project.output}/filtered_clips/{clip}.mp4", b"clip")
    project.publish()
    assert plan_pruning(project.output).files == ()


def test_the_verb_shows_before_it_removes(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["snapshots", "prune", project.output]) == 0
    assert "would remove 1 snapshot and 4 files" in capsys.readouterr().out
    assert main(["snapshots", "prune", project.output, "--yes"]) == 0
    assert "removes 1 snapshot and 4 files" in capsys.readouterr().out
    assert main(["snapshots", "list", project.output]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(current_snapshot(project.output).snapshot_id)
    assert line.endswith("current")


def test_one_snapshot_is_shown(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    snapshot = current_snapshot(project.output)
    assert main(["snapshots", "show", project.output, snapshot.snapshot_id]) == 0
    assert f'"snapshot_id": "{snapshot.snapshot_id}"' in capsys.readouterr().out
    assert main(["snapshots", "show", project.output, "other"]) == 2


def test_an_output_without_snapshots_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["snapshots", "list", str(tmp_path)]) == 2
    assert "nothing was published there" in capsys.readouterr().err
