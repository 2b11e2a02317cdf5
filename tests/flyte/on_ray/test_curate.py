"""The workflow as people run it: ``pyflyte run`` on this machine, with Ray where there is work."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clipmill.specs import CurateSpec
from tasks.specs import Curation
from tests.support.films.small_films import draw_film
from tests.support.runs.curation import (
    PYFLYTE,
    ROOT,
    curate_here,
    environment,
    fates,
    published_files,
    rows,
    small_spec,
    stamps,
)
from tests.support.stand_ins.model_server import hashes_frames, model_server

pytestmark = pytest.mark.timeout(600)  # four runs, one of them with Ray, on whatever machine

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
    added: Ended


@dataclass(frozen=True)
class Places:
    """Where runs read and write, and what they are asked for."""

    source: Path
    output: Path
    spec: CurateSpec


def command(places: Places, engine: str) -> list[str]:
    spec = places.spec.model_dump_json(exclude_unset=True)
    arguments = [
        "--source", str(places.source), "--output", str(places.output), "--spec", spec, "--engine", engine
    ]  # fmt: skip
    return [sys.executable, "-c", PYFLYTE, "run", "workflows/curate.py", "curate", *arguments]


def run(places: Places, engine: str, **variables: str) -> Ended:
    """One run to its end, with a home of its own: Flyte keeps its local cache there."""
    env = environment(HOME=str(places.source.parent), **variables)
    done = subprocess.run(
        command(places, engine),
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return Ended(done.returncode, done.stdout + done.stderr, stamps(places.output))


def kill_at_first_clip(places: Places) -> None:
    """Start a run and kill all of its processes as soon as it has cut a clip."""
    env = environment(HOME=str(places.source.parent))
    process = subprocess.Popen(
        command(places, "map"),
        cwd=ROOT,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until_s = time.monotonic() + FIRST_CLIP_S
    while not list(places.output.glob("clips/*.mp4")):
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < until_s, "no clip was cut"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, collection: Path) -> Runs:
    """Undisturbed; killed in plain pods and run to its end on Ray; run again; run with one film more.

    Captions wait for deduplication; each is a hash of what the server was shown.
    """
    folder = tmp_path_factory.mktemp("curate")
    source, output = folder / "source", folder / "out"
    shutil.copytree(collection, source)
    with model_server() as server:
        captions = {"endpoint_url": server.url, "endpoint_model": "tiny"}
        server.speaks = hashes_frames
        ranked = {"which_to_keep": "columns", "rank_columns": ["num_bytes"]}  # so that no keeper changes
        spec = small_spec(captions=captions, dedup={"when": "before_captions", **ranked})
        places = Places(source, output, spec)
        curate_here(source, output, places.spec)
        undisturbed = published_files(output)
        output.rename(folder / "undisturbed")
        kill_at_first_clip(places)
        first = run(places, "stream")
        published = published_files(output)
        again = run(places, "stream", RAY_ADDRESS=NOWHERE)
        draw_film(source / "garden.mp4", seed=70)
        added = run(places, "map", RAY_ADDRESS=NOWHERE)
    return Runs(source, output, undisturbed, first, published, again, added)


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


def test_kept_clips_are_captioned_behind_deduplication_in_both_engines(runs: Runs) -> None:
    clips, windows = (
        pq.read_table(io.BytesIO(runs.published[f"tables/{name}.parquet"])).to_pylist()
        for name in ("clips", "windows")
    )
    kept = {row["clip_id"] for row in clips if row["status"] == "kept"}
    statuses = {(row["status"], row["clip_id"] in kept) for row in windows}
    assert statuses == {("success", True), ("duplicate", False)}
    assert len({row["caption"] for row in windows if row["caption"]}) == len(kept)
    assert re.search(r"calls saved: the clip is a duplicate +2 ", runs.first.said)


def test_every_file_has_its_fate(runs: Runs) -> None:
    assert fates(runs.output, runs.source) == {
        "garden.mp4": "curated", "harbour.mp4": "curated", "letter.mp4": "not_a_video",
        "market.mp4": "curated", "reposts/remuxed.mkv": "duplicate", "reposts/renamed.mp4": "duplicate",
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


def test_added_film_alone_is_processed(runs: Runs) -> None:
    assert runs.added.code == 0
    names = {row["video_id"]: Path(str(row["uri"])).name for row in rows(runs.output, "videos")}
    record = json.loads(max((runs.output / "runs").glob("*.stream.json")).read_text())
    assert {names[lap["video_id"]] for lap in record["laps"]} == {"garden.mp4"}


def test_run_over_a_folder_of_nothing_good_needs_no_ray_and_is_rebuilt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flyte's local cache is on, and must not take a deleted output for a finished one."""
    from workflows.curate import curate

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_ADDRESS", NOWHERE)
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "letter.mp4").write_text("The film will follow by post.")
    output = tmp_path / "out"
    curate(source=str(tmp_path / "source"), output=str(output), spec=Curation.of(SPEC))
    before = published_files(output)
    assert fates(output, tmp_path / "source") == {"letter.mp4": "not_a_video"}
    shutil.rmtree(output)
    curate(source=str(tmp_path / "source"), output=str(output), spec=Curation.of(SPEC))
    assert published_files(output) == before


def test_the_acceptance_of_a_cluster_is_a_run_that_finds_itself_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.hardware import Engine
    from workflows.acceptance import accept

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_ADDRESS", NOWHERE)
    draw_film(tmp_path / "source" / "harbour.mp4", seed=1, shots=(76,))
    said = accept(source=str(tmp_path / "source"), output=str(tmp_path / "out"), engine=Engine.MAP)
    assert said == "accepted: 3 s of video were curated, and the second run had nothing to do"
    assert len(list(tmp_path.glob("out/acceptance-*/clips/*.mp4"))) == 1
