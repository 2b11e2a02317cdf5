"""Source and output on a server that speaks the S3 protocol."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipmill.dataset.schemas import VIDEOS, clips_schema
from clipmill.pipeline import Pipeline
from clipmill.planning.from_spec import plan_of_spec
from clipmill.stages.video.clipping.clip_extraction_stages import ClipTranscodingStage
from clipmill.stages.video.io.video_reader import VideoReader
from clipmill.storage import parquet, store
from clipmill.tasks.video import RemotePath, VideoTask
from tests.support.films.small_films import draw_film
from tests.support.runs.curation import curate_here, plain_spec, small_spec
from tests.support.runs.one_codec import new_codec_processes
from tests.support.stand_ins.object_store import s3_server

BUCKET = "films"
SOURCE, OUTPUT = f"s3://{BUCKET}/source", f"s3://{BUCKET}/out"
CLIPS = clips_schema(plan_of_spec(small_spec(), source=SOURCE, output=OUTPUT))


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    """The server, its address in the environment, and a codec process that knows it."""
    with s3_server(BUCKET), new_codec_processes():
        yield


@pytest.fixture(scope="module")
def curated(server: None, film: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The output of a run over two films and a letter."""
    short = draw_film(tmp_path_factory.mktemp("s3") / "b c.mp4", seed=50, shots=(24,))
    store.put_file(f"{SOURCE}/below/b c.mp4", str(short))
    store.put_file(f"{SOURCE}/harbour.mp4", str(film))
    store.put_bytes(f"{SOURCE}/letter.mp4", b"The film will follow by post.")
    curate_here(SOURCE, OUTPUT)
    return OUTPUT


def listing(uri: str) -> dict[str, str]:
    """Name -> version of every object but the lease, which each run takes."""
    names = {entry.uri.removeprefix(f"{uri}/"): entry.version for entry in store.find(uri)}
    return {name: version for name, version in names.items() if name != "lease.json"}


def test_videos_are_read_from_the_store(curated: str) -> None:
    videos = parquet.read(f"{curated}/tables/videos.parquet", schema=VIDEOS).to_pylist()
    assert [(row["uri"], row["reason"] or row["status"]) for row in videos] == [
        (f"{SOURCE}/below/b c.mp4", "too_short"),
        (f"{SOURCE}/harbour.mp4", "curated"),
        (f"{SOURCE}/letter.mp4", "not_a_video"),
    ]


def test_clip_files_are_where_the_table_says(curated: str) -> None:
    clips = parquet.read(f"{curated}/tables/clips.parquet", schema=CLIPS).to_pylist()
    sizes = [len(store.read_bytes(f"{OUTPUT}/{row['clip_uri']}")) for row in clips]
    assert sizes == [row["num_bytes"] for row in clips]
    assert all(str(row["clip_uri"]).startswith("clips/") for row in clips)


def test_documented_tree_is_in_the_store(curated: str) -> None:
    folders = {name.split("/")[0] for name in listing(curated)}
    assert folders >= {
        "clips", "metas", "previews", "processed_videos", "processed_clip_chunks", "perceptual_embd_parquet",
        "tables", "manifest.json", "report.html", "kept_clips.json", "runs",
    }  # fmt: skip


def test_second_run_changes_no_object_but_its_record(curated: str) -> None:
    before = listing(curated)
    curate_here(SOURCE, curated)
    after = listing(curated)
    assert {name: after[name] for name in before} == before
    assert [name.split("/")[0] for name in after.keys() - before.keys()] == ["runs"]


def test_local_output_has_the_same_clips(curated: str, tmp_path: Path) -> None:
    curate_here(SOURCE, tmp_path / "out", small_spec(preview=None))
    clips = {path.name: path.read_bytes() for path in (tmp_path / "out" / "clips").iterdir()}
    assert clips == {name: store.read_bytes(f"{curated}/clips/{name}") for name in clips}
    assert len(clips) == 2


def test_local_source_and_remote_output_go_together(film: Path) -> None:
    output = f"s3://{BUCKET}/from_disk"
    curate_here(film, output, plain_spec(embedding=None, dedup=None))
    manifest = json.loads(store.read_bytes(f"{output}/manifest.json"))
    assert manifest["funnel"]["kept"]["items"] == 7


@pytest.mark.usefixtures("curated")
def test_custom_stage_sees_the_bytes_of_a_remote_source(film: Path) -> None:
    class Observer:
        name = "observer"
        seen: tuple[object, object] = (None, None)

        def process(self, task: VideoTask) -> VideoTask:
            self.seen = (task.data.input_video, task.data.source_bytes)
            return task

    observer = Observer()
    uri = f"{SOURCE}/harbour.mp4"
    Pipeline("s3", stages=[VideoReader(input_video_path=uri), observer, ClipTranscodingStage()]).run()
    assert observer.seen == (RemotePath(uri), film.read_bytes())
