"""Streaming is real: operators that work at once on small rows, on one core and on two, with one result."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from clipmill.curation import run
from clipmill.engine.channel import Channel
from clipmill.engine.chunk import MAX_ROW_BYTES, Chunk, pack, unpack
from clipmill.engine.work import Work
from clipmill.intake.manifests import get_work
from clipmill.media.scan.clip_samples import ClipSamples
from clipmill.stages.reads import Frames
from tests.support.films.small_films import draw_film
from tests.support.runs.curation import (
    ROOT,
    Row,
    curate_here,
    environment,
    fates,
    laps,
    plain_spec,
    published_files,
    rows,
)
from tests.support.runs.one_codec import one_codec_process
from tests.support.stand_ins import sabotage

pytestmark = pytest.mark.timeout(600)

NUM_CPUS = ("1", "2")
HANG_S = 400.0


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, collection: Path) -> Path:
    """The collection and a film that kills its decoder."""
    folder = tmp_path_factory.mktemp("streaming") / "source"
    shutil.copytree(collection, folder)
    draw_film(folder / "SCAN_CRASH.mp4", seed=60, shots=(30,))
    return folder


@pytest.fixture(scope="module")
def plans(source: Path) -> dict[str, list[str]]:
    """Ray's plans; what was curated inline, on one core and on two lies beside the source."""
    env = environment(**sabotage.lay(source.parent / "saboteur"))
    env["PYTHONPATH"] = f"{env['PYTHONPATH']}:{ROOT}"
    arguments = ["-m", "tests.support.runs.ray_runs", str(source), str(source.parent), *NUM_CPUS]
    done = subprocess.run(
        [sys.executable, *arguments], env=env, stdout=subprocess.PIPE, text=True, timeout=HANG_S, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(("plan", "kind"), [("logical", "MapBatches"), ("physical", "ActorPoolMapOperator")])
def test_ray_runs_at_least_three_operators(plans: dict[str, list[str]], plan: str, kind: str) -> None:
    assert plans[plan].count(kind) >= 3


@pytest.mark.usefixtures("plans")
@pytest.mark.parametrize("num_cpus", NUM_CPUS)
def test_cores_do_not_show_in_what_is_published(source: Path, num_cpus: str) -> None:
    inline_files, ray_files = (published_files(source.parent / name) for name in ("inline", num_cpus))
    assert ray_files.keys() == inline_files.keys()
    assert ray_files == inline_files


@pytest.mark.usefixtures("plans")
@pytest.mark.parametrize("num_cpus", NUM_CPUS)
def test_crashing_decoder_costs_its_video_on_ray_too(source: Path, num_cpus: str) -> None:
    found = fates(source.parent / num_cpus, source)
    assert found["SCAN_CRASH.mp4"] == "decoder_crashed"
    assert [name for name, fate in found.items() if fate == "curated"] == [
        "harbour.mp4", "market.mp4", "reposts/worn.mp4"
    ]  # fmt: skip


def test_custom_stage_drops_clips_in_a_worker_of_ray(plans: dict[str, list[str]]) -> None:
    assert plans["customs"] == ["cut", "custom"]


def overlap(one: Row, other: Row) -> bool:
    starts, ends = ([float(str(lap[name])) for lap in (one, other)] for name in ("started_s", "ended_s"))
    return max(starts) < min(ends)


@pytest.mark.usefixtures("plans")
def test_two_videos_are_in_different_stages_at_once(source: Path) -> None:
    done = laps(source.parent / "2")
    assert any(
        one["operator"] != other["operator"] and one["video_id"] != other["video_id"] and overlap(one, other)
        for one, other in product(done, done)
    )


@pytest.fixture
def chunks(monkeypatch: pytest.MonkeyPatch) -> list[Chunk]:
    """Every chunk that leaves an operator, of inline runs that follow."""
    seen: list[Chunk] = []
    send = Channel[Chunk].send

    def watched(channel: Channel[Chunk], chunk: Chunk) -> None:
        if chunk.metrics:
            seen.append(unpack(pack(chunk)))  # as it was then
        send(channel, chunk)

    monkeypatch.setattr(Channel, "send", watched)
    return seen


@pytest.mark.usefixtures("shared_codec")
def test_rows_hold_no_pixels_of_the_source(tmp_path: Path, chunks: list[Chunk]) -> None:
    """The film is larger than the frames that stages sample."""
    draw_film(tmp_path / "source" / "film.mp4", seed=61, shots=(48,), size_px=(640, 360))
    curate_here(tmp_path / "source", tmp_path / "out", plain_spec())
    frames = [samples for one in chunks for samples in frames_in(one)]
    assert {samples.values[0].shape[1:3] for samples in frames} == {(240, 426)}
    assert all(one.whole is None for one in chunks)
    assert all(one.files == {} for one in chunks)


def frames_in(chunk: Chunk) -> list[ClipSamples]:
    """What travels of the pictures of clips."""
    reads = [read for read in chunk.samples if isinstance(read, Frames)]
    return [samples for read in reads for samples in chunk.samples[read] if samples is not None]


@pytest.mark.usefixtures("shared_codec")
def test_frames_over_the_budget_travel_in_several_rows(
    tmp_path: Path, film: Path, chunks: list[Chunk], monkeypatch: pytest.MonkeyPatch
) -> None:
    one_clip_bytes = 4 * 90 * 160 * 3
    monkeypatch.setattr("clipmill.engine.scan.chunker.FRAME_BUDGET_BYTES", one_clip_bytes)
    curate_here(film, tmp_path / "out", plain_spec(embedding={"target_fps": 4.0}))
    scanned = [one for one in chunks if "encode" not in {lap.operator for lap in one.metrics}]
    assert len(scanned) == 7
    assert [len(one.clips) for one in scanned] == [1] * 7
    assert max(len(pack(one)) for one in chunks) < 2 * one_clip_bytes


@pytest.mark.usefixtures("shared_codec")
def test_rows_in_several_chunks_publish_the_same(
    tmp_path: Path, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"
    curate_here(film, output, plain_spec())
    at_once = published_files(output)
    shutil.rmtree(output)
    monkeypatch.setattr("clipmill.engine.scan.chunker.FRAME_BUDGET_BYTES", 2 * 90 * 160 * 3)
    curate_here(film, output, plain_spec())
    assert published_files(output) == at_once


def test_codecs_in_the_worker_itself_make_the_same(
    tmp_path: Path, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"
    with one_codec_process():
        curate_here(film, output, plain_spec())
    files = published_files(output)  # a manifest holds the spec
    in_a_process = {name: data for name, data in files.items() if not name.endswith("manifest.json")}
    shutil.rmtree(output)
    monkeypatch.setattr("clipmill.sandbox.process.subprocess.Popen", None)  # starting one fails
    curate_here(film, output, plain_spec(limits={"isolation": "none"}))
    assert published_files(output).items() >= in_a_process.items()


@pytest.mark.usefixtures("shared_codec")
def test_row_over_the_limit_is_refused(tmp_path: Path, film: Path, chunks: list[Chunk]) -> None:
    curate_here(film, tmp_path / "out", plain_spec())
    large = replace(chunks[0], thumbnails=(np.zeros(MAX_ROW_BYTES, np.uint8),))
    with pytest.raises(
        ValueError, match=rf"a row of .*harbour\.mp4 has \d+ bytes, more than {MAX_ROW_BYTES}"
    ):
        pack(large)


@pytest.mark.usefixtures("shared_codec")
def test_order_of_the_work_does_not_show(
    collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"
    curate_here(collection, output)
    forwards = published_files(output)
    shutil.rmtree(output)

    def backwards(uri: str) -> Sequence[Work]:
        return get_work(uri)[::-1]

    monkeypatch.setattr(run, "get_work", backwards)
    curate_here(collection, output)
    assert published_files(output) == forwards


@pytest.mark.usefixtures("shared_codec")
def test_names_of_the_files_do_not_show_in_ids_cuts_and_clips(collection: Path, tmp_path: Path) -> None:
    curate_here(collection, tmp_path / "out")
    (tmp_path / "renamed").mkdir()
    for index, path in enumerate(sorted(collection.rglob("*.m*"), reverse=True)):
        shutil.copy2(path, tmp_path / "renamed" / f"{index}{path.suffix}")
    curate_here(tmp_path / "renamed", tmp_path / "out_renamed")
    keys = ("clip_id", "start_frame", "end_frame", "clip_digest", "motion_global_mean", "sharpness")
    found, renamed = (
        {tuple(row[key] for key in keys) for row in rows(tmp_path / name, "clips")}
        for name in ("out", "out_renamed")
    )
    assert found == renamed
