"""Small rows between operators, and one result whatever the order, the names and the processes."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
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
from tests.support.runs.curation import curate_here, plain_spec, published_files, rows
from tests.support.runs.one_codec import one_codec_process


@pytest.fixture
def chunks(monkeypatch: pytest.MonkeyPatch) -> list[Chunk]:
    """Every chunk that leaves an operator, of inline runs that follow."""
    seen: list[Chunk] = []
    send = Channel[Chunk].send

    def watched(channel: Channel[Chunk], chunk: Chunk) -> None:
        if chunk.metrics:
            (copy,) = unpack(pack(chunk))  # as it is now
            assert isinstance(copy, Chunk)
            seen.append(copy)
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
    assert max(pack(one).nbytes for one in chunks) < 2 * one_clip_bytes


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
