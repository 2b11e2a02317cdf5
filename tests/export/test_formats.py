"""Every format from one real run, read as its trainer reads it; samples that are cut are decoded."""

import io
import json
import os
import shlex
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
import webdataset
from av.container import InputContainer

import clipmill
from clipmill.errors import SourceError
from clipmill.export.run import run_export
from clipmill.export.spec import export_spec
from clipmill.limits import LimitsSpec
from clipmill.sandbox.pool import kept_processes
from tests.support.films.small_films import draw_film
from tests.support.runs.curation import curate_here, plain_spec, rows

pytestmark = pytest.mark.integration

Shape = tuple[int, int, int, float]


@pytest.fixture(scope="module")
def curated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A film of 156 frames at 24 a second, cut every second; its codec process is kept for all tests."""
    folder = tmp_path_factory.mktemp("formats")
    draw_film(folder / "films" / "1.mp4", seed=1)
    with kept_processes(memory_limit_bytes=LimitsSpec().max_child_bytes):
        curate_here(folder / "films", folder / "curated", plain_spec())
        yield folder / "curated"


def export(curated: Path, dest: Path, **fields: object) -> list[str]:
    return list(run_export(str(curated), str(dest), export_spec({"workers": 1, **fields}))[1])


def shape_of(file: object) -> Shape:
    """Width, height, decoded frames and rate of a video."""
    with av.open(file) as container:
        assert isinstance(container, InputContainer)
        stream = container.streams.video[0]
        frames = sum(1 for _ in container.decode(stream))
        return stream.width, stream.height, frames, float(stream.average_rate or 0)


def samples(dest: Path) -> list[dict[str, object]]:
    tars = sorted(str(path) for path in dest.rglob("*.tar"))
    return list(webdataset.WebDataset(tars, shardshuffle=False).decode())


def test_webdataset_reads_each_sample_once(curated: Path, tmp_path: Path) -> None:
    export(curated, tmp_path / "x", min_shards=3)
    found = samples(tmp_path / "x")
    kept = {row["clip_id"]: row for row in rows(curated, "clips") if row["status"] == "kept"}
    assert sorted(str(one["__key__"]) for one in found) == sorted(map(str, kept))
    for one in found:
        assert isinstance(one["perceptual.npy"], np.ndarray)
        assert one["mp4"] == (curated / str(kept[one["__key__"]]["clip_uri"])).read_bytes()
        assert one["json"]["clip"]["num_frames"] == kept[one["__key__"]]["num_frames"]


@pytest.mark.parametrize(
    ("fields", "shape"),
    [
        ({"frames": "8n+1", "fps": 12.0, "size": "96x64", "fit": "pad"}, (96, 64, 9, 12.0)),
        ({"frames": "17", "at": "middle", "size": "64x64"}, (64, 64, 17, 24.0)),
        ({"frames": "9", "at": "chunks", "multiple": 32}, (160, 64, 9, 24.0)),
        ({"frames": "5", "size": "320x180", "upscale": True}, (320, 180, 5, 24.0)),
    ],
)
def test_a_sample_is_cut_exactly(
    fields: dict[str, object], shape: Shape, curated: Path, tmp_path: Path
) -> None:
    export(curated, tmp_path / "x", materialize=True, **fields)
    found = samples(tmp_path / "x")
    assert {shape_of(io.BytesIO(bytes(one["mp4"]))) for one in found} == {shape}  # pyright: ignore[reportArgumentType] bytes
    per_clip = Counter(str(one["__key__"]).partition("_")[0] for one in found)
    assert max(per_clip.values()) == (2 if fields.get("at") == "chunks" else 1)


def test_a_cut_shows_the_frames_that_it_names(curated: Path, tmp_path: Path) -> None:
    export(curated, tmp_path / "x", materialize=True, frames="5", at="middle")
    for one in samples(tmp_path / "x")[:3]:
        meta = one["json"]
        with av.open(str(curated / meta["clip"]["clip_uri"])) as clip, av.open(io.BytesIO(one["mp4"])) as cut:
            whole = [frame.to_ndarray(format="gray") for frame in clip.decode(video=0)]
            shown = [frame.to_ndarray(format="gray") for frame in cut.decode(video=0)]
        first, last = meta["sample"]["start_frame"], meta["sample"]["end_frame"]
        assert last - first == len(shown) == 5
        for picture, other in zip(shown, whole[first:last], strict=True):
            assert np.abs(picture.astype(int) - other).mean() < 4
    export(curated, tmp_path / "y", materialize=True, frames="5", at="middle")
    tars = [folder / "train/all/000000.tar" for folder in (tmp_path / "x", tmp_path / "y")]
    assert tars[0].read_bytes() == tars[1].read_bytes()


def test_ltx_reads_paths_beside_its_list(curated: Path, tmp_path: Path) -> None:
    lines = export(curated, tmp_path / "x", format="ltx", caption="video_codec")
    file = tmp_path / "x" / "train" / "dataset.jsonl"
    entries = [json.loads(line) for line in file.read_text().splitlines()]
    assert {entry["caption"] for entry in entries} == {"h264"}
    assert all((file.parent / entry["video"]).is_file() for entry in entries)
    assert '--resolution-buckets "160x64x17;160x64x9"' in lines[0]


def test_musubi_has_a_list_for_each_rate(curated: Path, tmp_path: Path) -> None:
    dest = tmp_path / 'a "name"'
    (line,) = export(curated, dest, format="musubi", caption="video_codec")
    assert shlex.split(line) == ["--dataset_config", f"{dest}/train/dataset.toml"]
    config = tomllib.loads((dest / "train" / "dataset.toml").read_text())
    (dataset,) = config["datasets"]
    assert (dataset["source_fps"], dataset["frame_extraction"], dataset["max_frames"]) == (24.0, "full", 13)
    entries = [json.loads(line) for line in Path(dataset["video_jsonl_file"]).read_text().splitlines()]
    assert all(os.path.isabs(one["video_path"]) and os.path.isfile(one["video_path"]) for one in entries)
    assert config["general"]["resolution"] == [160, 80]


def test_diffusion_pipe_counts_what_is_shorter_than_every_bucket(curated: Path, tmp_path: Path) -> None:
    spec = export_spec({"format": "diffusion-pipe", "frames": "13,17", "fps": 24, "caption": "video_codec"})
    plan, _ = run_export(str(curated), str(tmp_path / "x"), spec)
    config = tomllib.loads((tmp_path / "x" / "train" / "dataset.toml").read_text())
    assert config["frame_buckets"] == [1, 17]
    other = {"format": "diffusion-pipe", "caption": "video_codec", "frames": "9", "fps": 12.0}
    lines = export(curated, tmp_path / "y", **other)
    assert tomllib.loads(lines[0]) == {"dataset": f"{tmp_path}/y/train/dataset.toml"}
    assert config["skip_empty_caption"] is False
    assert plan.generations[0].skipped == {"too_few_frames": 1}
    videos = sorted(Path(config["directory"][0]["path"]).glob("*.mp4"))
    assert len(videos) == sum(shard.num_samples for shard in plan.shards)
    assert all(video.with_suffix(".txt").read_text() == "h264" for video in videos)


def test_cosmos_has_a_text_for_each_video(curated: Path, tmp_path: Path) -> None:
    """Its reader draws 93 frames of each, and a shorter video ends the training."""
    with pytest.raises(SourceError, match="too_few_frames"):
        export(curated, tmp_path / "x", format="cosmos", caption="video_codec")
    export(curated, tmp_path / "x", format="cosmos", caption="video_codec", frames="9")
    root = tmp_path / "x" / "train"
    names = [{path.stem for path in (root / folder).iterdir()} for folder in ("videos", "metas")]
    assert names[0] == names[1] != set()


@pytest.mark.parametrize("videos", ["bytes", "uri"])
def test_hugging_face_parquet_has_its_features_and_a_card(videos: str, curated: Path, tmp_path: Path) -> None:
    export(curated, tmp_path / "x", format="hf", videos=videos)
    (file,) = (tmp_path / "x" / "data").glob("train-*.parquet")
    table = pq.read_table(file)
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert set(features) == set(table.column_names)
    row = table.to_pylist()[0]
    if videos == "bytes":
        assert features["video"] == {"_type": "Video"}
        assert shape_of(io.BytesIO(row["video"]["bytes"]))[2] == row["num_frames"]
    else:
        assert Path(row["video"]).is_file()
    card = (tmp_path / "x" / "README.md").read_text()
    assert 'path: "data/train-*"' in card
    assert "| not stated | 7 |" in card


def test_python_iterates_over_kept_clips_with_their_windows(curated: Path) -> None:
    found = clipmill.dataset(str(curated))  # pyright: ignore[reportCallIssue] a module, too
    clips = list(found)
    assert len(clips) == len(found) == 7
    assert found.table("windows").num_rows == sum(len(clip.windows) for clip in clips) == 7
    assert all(window["clip_id"] == clip.clip_id for clip in clips for window in clip.windows)
    assert all(Path(clip.path).is_file() and clip.row["width"] == 160 for clip in clips)
