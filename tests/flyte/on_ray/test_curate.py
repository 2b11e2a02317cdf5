"""The workflow as people run it: ``pyflyte run`` on this machine, with Ray where there is work."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from clipmill.specs import CurateSpec
from tests.support.runs.curation import (
    ROOT,
    curate_here,
    environment,
    fates,
    published_files,
    rows,
    small_spec,
    stamps,
)

pytestmark = pytest.mark.timeout(600)  # three runs, two of them with Ray, on whatever machine

PYFLYTE = "import sys; from flytekit.clis.sdk_in_container.pyflyte import main; sys.exit(main())"
SPEC = small_spec()
NOWHERE = "127.0.0.1:1"
"""As RAY_ADDRESS: whoever starts Ray fails."""
FIRST_CLIP_S = 180.0


@dataclass(frozen=True)
class Ended:
    """One run: how it ended, what it said, and every file's stamp after it."""

    code: int
    said: str
    stamps: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Runs:
    """Runs into one output, in this order; ``undisturbed`` is what a run without Flyte and Ray publishes."""

    source: Path
    output: Path
    undisturbed: dict[str, bytes]
    first: Ended
    published: dict[str, bytes]
    again: Ended


def command(source: Path, output: Path, spec: CurateSpec) -> list[str]:
    arguments = ["--source", str(source), "--output", str(output), "--spec", spec.model_dump_json()]
    return [sys.executable, "-c", PYFLYTE, "run", "workflows/curate.py", "curate", *arguments]


def run(source: Path, output: Path, **variables: str) -> Ended:
    """One run to its end, with a home of its own: Flyte keeps its local cache there."""
    env = environment(HOME=str(source.parent), **variables)
    done = subprocess.run(
        command(source, output, SPEC),
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )
    return Ended(done.returncode, done.stdout + done.stderr, stamps(output))


def kill_at_first_clip(source: Path, output: Path) -> None:
    """Start a run and kill all of its processes as soon as it has cut a clip."""
    env = environment(HOME=str(source.parent))
    process = subprocess.Popen(
        command(source, output, SPEC),
        cwd=ROOT,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until_s = time.monotonic() + FIRST_CLIP_S
    while not list(output.glob("clips/*.mp4")):
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < until_s, "no clip was cut"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, collection: Path) -> Runs:
    """Undisturbed; killed and run to its end; run again."""
    folder = tmp_path_factory.mktemp("curate")
    source, output = folder / "source", folder / "out"
    shutil.copytree(collection, source)
    curate_here(source, output, SPEC)
    undisturbed = published_files(output)
    output.rename(folder / "undisturbed")
    kill_at_first_clip(source, output)
    first = run(source, output)
    published = published_files(output)
    again = run(source, output, RAY_ADDRESS=NOWHERE)
    return Runs(source, output, undisturbed, first, published, again)


def test_run_ends_well_though_files_are_broken(runs: Runs) -> None:
    assert runs.first.code == 0


TREE = (
    "clips/*.mp4", "metas/v0/*.json", "previews/*/*.webp", "processed_videos/*.json",
    "processed_clip_chunks/*_0.json", "perceptual_embd_parquet/*.parquet", "tables/videos.parquet",
    "tables/shots.parquet", "tables/clips.parquet", "tables/windows.parquet", "tables/rejections.parquet",
    "tables/duplicates.parquet", "manifest.json", "report.html", "kept_clips.json", "runs/*.json",
)  # fmt: skip


@pytest.mark.parametrize("pattern", TREE)
def test_documented_file_is_there(runs: Runs, pattern: str) -> None:
    assert list(runs.output.glob(pattern))


def test_killed_and_completed_run_publishes_what_an_undisturbed_one_does(runs: Runs) -> None:
    visible = {name: data for name, data in runs.published.items() if "/." not in f"/{name}"}
    assert visible.keys() == runs.undisturbed.keys()
    assert visible == runs.undisturbed


def test_every_file_has_its_fate(runs: Runs) -> None:
    assert fates(runs.output, runs.source) == {
        "harbour.mp4": "curated", "letter.mp4": "not_a_video", "market.mp4": "curated",
        "reposts/remuxed.mkv": "duplicate", "reposts/renamed.mp4": "duplicate",
        "reposts/worn.mp4": "curated", "wreck.mp4": "unreadable",
    }  # fmt: skip


def test_rejections_name_file_reason_and_cause(runs: Runs) -> None:
    messages = {str(row["reason"]): str(row["message"]) for row in rows(runs.output, "rejections")}
    assert "letter.mp4: its content is no known video format" in messages["not_a_video"]
    assert "wreck.mp4: its container cannot be read" in messages["unreadable"]


def test_summary_counts_what_was_found_and_kept(runs: Runs) -> None:
    for line in (
        r"videos +7 ", r"not_a_video +1 +14\.3 %", r"unreadable +1 ", r"duplicate +2 ",
        r"curated +3 +42\.9 %", r"clips +6 ", r"kept +4 +66\.7 %", r"next run: has nothing left to do",
        r"speed: [\d.]+ s of video per second", r"report: .*report\.html",
    ):  # fmt: skip
        assert re.search(line, runs.first.said), line


def test_second_run_starts_no_ray(runs: Runs) -> None:
    assert runs.again.code == 0
    assert "speed: nothing new to do" in runs.again.said


def test_second_run_changes_no_file_but_its_record(runs: Runs) -> None:
    before, after = runs.first.stamps, runs.again.stamps
    assert {name: after[name] for name in before} == before
    assert [name.split("/")[0] for name in after.keys() - before.keys()] == ["runs"]


def test_run_over_a_folder_of_nothing_good_needs_no_ray_is_rebuilt_and_sees_what_is_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flyte's local cache is on, and must not take a deleted output or another folder for a finished one."""
    from workflows.curate import curate

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_ADDRESS", NOWHERE)
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "letter.mp4").write_text("The film will follow by post.")
    output = tmp_path / "out"
    curate(source=str(tmp_path / "source"), output=str(output), spec=SPEC)
    before = published_files(output)
    assert fates(output, tmp_path / "source") == {"letter.mp4": "not_a_video"}
    shutil.rmtree(output)
    curate(source=str(tmp_path / "source"), output=str(output), spec=SPEC)
    assert published_files(output) == before
    (tmp_path / "source" / "note.mp4").write_text("Not yet.")
    curate(source=str(tmp_path / "source"), output=str(output), spec=SPEC)
    assert fates(output, tmp_path / "source") == dict.fromkeys(["letter.mp4", "note.mp4"], "not_a_video")
