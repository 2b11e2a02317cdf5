"""WebDataset exports of a snapshot made by hand: samples, order, resumption, growth, refusals, stores."""

import io
import json
import os
import random
import shutil
import signal
import tarfile
import time
from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipmill.cli.exits import DONE, MISUSE
from clipmill.cli.main import main
from clipmill.dataset.exports.clip_json import as_json
from clipmill.errors import OutputError, SourceError
from clipmill.export.run import run_export
from clipmill.export.spec import ExportSpec, export_spec
from clipmill.storage import store
from tests.support.films.numbered_films import draw
from tests.support.published import Row, clip_row, publish_by_hand, window_row, write_clip_files
from tests.support.stand_ins.object_store import s3_server

PERCEPTUAL = {
    "embedding": {
        "class": "clipmill.stages.video.embedding.perceptual:PerceptualEmbeddingStage", "parameters": {}
    }
}  # fmt: skip


def rows(num_clips: int, *, first: int = 0) -> list[Row]:
    """Clips of films of four clips each; one in three is rather large."""
    return [
        clip_row(index, video=index // 4, num_bytes=900 if index % 3 else 9000)
        for index in range(first, first + num_clips)
    ]


def publish(output: Path, clips: list[Row], name: str = "one") -> None:
    """Clips with two windows, every fifth without a caption, every seventh without an embedding."""
    windows = [
        window_row(clip, start, start + 24, None if index % 5 == 0 else f"film {index}, from {start}")
        for index, clip in enumerate(clips)
        for start in (24, 0)
    ]
    publish_by_hand(str(output), clips, PERCEPTUAL, name=name, windows=windows)
    ids = [str(clip["clip_id"]) for index, clip in enumerate(clips) if index % 7]
    vectors = pa.array(
        np.arange(4 * len(ids), dtype=np.float32).reshape(-1, 4).tolist(), pa.list_(pa.float32(), 4)
    )
    (output / "perceptual_embd_parquet").mkdir(exist_ok=True)
    pq.write_table(
        pa.table({"id": ids, "embedding": vectors}), output / "perceptual_embd_parquet" / "part-0.parquet"
    )
    write_clip_files(output, clips)


@pytest.fixture
def curated(tmp_path: Path) -> Path:
    output = tmp_path / "curated"
    publish(output, rows(60))
    return output


def read(dest: Path, suffix: str = ".tar") -> dict[str, dict[str, bytes]]:
    """Key -> members of every sample, in the order of the shards; asserts that members are adjacent."""
    found: dict[str, dict[str, bytes]] = {}
    for path in sorted(dest.rglob(f"*{suffix}")):
        last = ""
        with tarfile.open(path) as tar:
            for info in tar:
                key, _, kind = info.name.partition(".")
                assert key == last or key not in found
                assert (info.mtime, info.uid, info.uname, info.mode) == (0, 0, "", 0o644)
                file = tar.extractfile(info)
                assert file is not None
                found.setdefault(key, {})[kind] = file.read()
                last = key
    return found


def tree(folder: Path) -> Mapping[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def spec(**fields: object) -> ExportSpec:
    return export_spec({"max_shard_bytes": 1 << 17, **fields})


def test_a_sample_is_a_clip_with_all_that_belongs_to_it(curated: Path, tmp_path: Path) -> None:
    run_export(str(curated), str(tmp_path / "x"), spec(unit="clip"))
    clips = {str(clip["clip_id"]): clip for clip in rows(60)}
    samples = read(tmp_path / "x")
    assert set(samples) == set(clips)
    for index, (key, clip) in enumerate(clips.items()):
        members = samples[key]
        meta = json.loads(members["json"])
        assert members["mp4"] == (curated / str(clip["clip_uri"])).read_bytes()
        assert meta["clip"]["sharpness"] == clip["sharpness"]
        assert [window["start_frame"] for window in meta["windows"]] == [0, 24]
        assert ("txt" in members) == (index % 5 != 0)
        assert members.get("txt", b"").decode() in ("", f"film {index}, from 0")
        assert ("perceptual.npy" in members) == (index % 7 != 0)
    vector = np.load(io.BytesIO(samples[str(rows(2)[1]["clip_id"])]["perceptual.npy"]))
    assert vector.dtype == np.float32
    np.testing.assert_array_equal(vector, [0, 1, 2, 3])


def test_a_clip_with_several_windows_is_several_samples(curated: Path, tmp_path: Path) -> None:
    plan, _ = run_export(str(curated), str(tmp_path / "x"), spec(require=["caption", "embedding"]))
    samples = [json.loads(members["json"]) for members in read(tmp_path / "x").values()]
    left = [index for index in range(60) if index % 5 and index % 7]
    assert len(samples) == 2 * len(left)
    frames = Counter((one["sample"]["start_frame"], one["sample"]["end_frame"]) for one in samples)
    assert frames == {(0, 24): len(left), (24, 48): len(left)}
    assert all(one["caption"].endswith(f"from {one['sample']['start_frame']}") for one in samples)
    # 9 clips have no embedding; 12 no caption, of which 2 have no embedding either: windows are counted.
    assert plan.generations[0].skipped == {"no_embedding": 9, "no_caption": 20}


def test_values_of_any_kind_come_along_and_no_vector_is_one_that_lacks(tmp_path: Path) -> None:
    """A stage of one's own, or a file about the sources, may write dates, lengths, bytes and decimals."""
    values = {
        "source.made": date(2026, 1, 2), "at": datetime(2026, 1, 2, 3), "long": timedelta(seconds=3),
        "mark": b"\x00\xff", "cost": Decimal("1.25"), "lists": [{"day": date(2026, 1, 2)}],
        "bad": float("nan"),
    }  # fmt: skip
    clip, output = {**clip_row(0, video=0), **values}, tmp_path / "out"
    publish_by_hand(str(output), [clip], PERCEPTUAL)
    write_clip_files(output, [clip])
    (output / "perceptual_embd_parquet").mkdir()
    vectors = pa.table({"id": ["another"], "embedding": pa.array([[1.0]], pa.list_(pa.float32(), 1))})
    pq.write_table(vectors, output / "perceptual_embd_parquet" / "part-0.parquet")
    run_export(str(output), str(tmp_path / "x"), spec())
    (sample,) = read(tmp_path / "x").values()
    shown = json.loads(sample["json"])["clip"]
    assert {name: shown[name] for name in values} == {
        "source.made": "2026-01-02", "at": "2026-01-02T03:00:00", "long": 3.0, "mark": "AP8=", "cost": 1.25,
        "lists": [{"day": "2026-01-02"}], "bad": None,
    }  # fmt: skip
    assert json.loads(as_json(values["lists"])) == [{"day": "2026-01-02"}]
    with pytest.raises(SourceError, match=r"no_embedding 1"):
        run_export(str(output), str(tmp_path / "y"), spec(require=["embedding"]))


def test_a_shard_without_a_vector_has_the_columns_of_the_others(tmp_path: Path) -> None:
    publish(tmp_path / "curated", rows(8))
    run_export(str(tmp_path / "curated"), str(tmp_path / "x"), spec(format="hf", max_shard_samples=1))
    first, *others = [pq.read_schema(path) for path in (tmp_path / "x/data").iterdir()]
    assert first.field("embedding_perceptual").type == pa.list_(pa.float32(), 4)
    assert all(one.equals(first, check_metadata=True) for one in others)


def test_files_of_other_stages_come_along(tmp_path: Path) -> None:
    output, clips = tmp_path / "curated", rows(3)
    windows = [
        {**window_row(clip, 0, 48, "x"), "preview_uri": f"previews/{clip['clip_id']}.webp"} for clip in clips
    ]
    publish_by_hand(str(output), clips, {}, windows=windows)
    write_clip_files(output, clips)
    (output / "previews").mkdir()
    for clip in clips:
        (output / "previews" / f"{clip['clip_id']}.webp").write_bytes(str(clip["clip_id"]).encode())
    run_export(str(output), str(tmp_path / "x"), spec(artifacts=["preview_uri"]))
    found = read(tmp_path / "x")
    assert {key: one["preview.webp"].decode() for key, one in found.items()} == {key: key for key in found}


def test_what_a_user_knows_of_the_sources_comes_along(curated: Path, tmp_path: Path) -> None:
    table = tmp_path / "films.csv"
    lines = [f"/films/{film}.mp4,cc-by-{film % 2},Film {film}" for film in range(14)]
    table.write_text("\n".join(["uri,licence,title", *lines]))
    wanted = spec(unit="clip", metadata=str(table), caption="source.title", require=["caption"])
    plan, _ = run_export(str(curated), str(tmp_path / "x"), wanted)
    found = [(json.loads(one["json"]), one["txt"].decode()) for one in read(tmp_path / "x").values()]
    assert plan.generations[0].skipped == {"no_caption": 4}
    for meta, text in found:
        film = int(meta["clip"]["video_id"].removeprefix("video-"))
        assert (meta["clip"]["source.licence"], text) == (f"cc-by-{film % 2}", f"Film {film}")


def test_neighbours_come_from_different_films_and_a_seed_changes_the_order_only(
    curated: Path, tmp_path: Path
) -> None:
    orders: list[list[str]] = []
    for seed in (0, 1):
        run_export(str(curated), str(tmp_path / f"x{seed}"), spec(seed=seed, unit="clip"))
        orders.append(list(read(tmp_path / f"x{seed}")))
    film_of = {clip["clip_id"]: clip["video_id"] for clip in rows(60)}
    films = [film_of[key] for key in orders[0]]
    assert sum(one == other for one, other in pairwise(films)) <= 6
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])


def test_shards_are_equal_and_named_in_an_index(curated: Path, tmp_path: Path) -> None:
    plan, reading = run_export(str(curated), str(tmp_path / "x"), spec(unit="clip", min_shards=3))
    folder = tmp_path / "x" / "train" / "all"
    tars = sorted(path.name for path in folder.glob("*.tar"))
    assert len(tars) >= 3
    assert all((folder / name).stat().st_size <= 1 << 17 for name in tars)
    index = json.loads((folder / "index.json").read_text())
    assert index["__kind__"] == "wids-shard-index-v1"
    assert [one["url"] for one in index["shardlist"]] == tars
    assert [one["nsamples"] for one in index["shardlist"]] == [one.num_samples for one in plan.shards]
    assert [one["filesize"] for one in index["shardlist"]] == [
        (folder / name).stat().st_size for name in tars
    ]
    assert f"{{000000..{len(tars) - 1:06d}}}.tar" in reading[0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # fork, with threads that do nothing
def test_a_killed_export_ends_as_one_that_was_never_killed(curated: Path, tmp_path: Path) -> None:
    wanted, chance = spec(workers=2), random.Random(4)
    start_s = time.monotonic()
    run_export(str(curated), str(tmp_path / "whole"), wanted)
    whole_s, whole = time.monotonic() - start_s, tree(tmp_path / "whole")
    dest = tmp_path / "killed"
    num_killed = num_whole = 0
    while num_killed < 20 or not num_whole:
        child = os.fork()
        if not child:
            run_export(str(curated), str(dest), wanted)
            os._exit(0)
        time.sleep(chance.uniform(0.0, 0.8 * whole_s))
        os.kill(child, signal.SIGKILL)
        is_killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
        num_killed += is_killed
        if not is_killed or num_killed == 20:  # what the kills left is gone on with, and all begins anew
            run_export(str(curated), str(dest), wanted)
            assert {name: data for name, data in tree(dest).items() if "/." not in f"/{name}"} == whole
            shutil.rmtree(dest)
            num_whole += 1


def test_a_newer_snapshot_adds_shards_and_leaves_the_others(curated: Path, tmp_path: Path) -> None:
    dest, wanted = tmp_path / "x", spec(unit="clip")
    run_export(str(curated), str(dest), wanted)
    before = {name: data for name, data in tree(dest).items() if name.endswith(".tar")}
    publish(curated, rows(70)[2:], name="two")
    with pytest.raises(OutputError, match="--append"):
        run_export(str(curated), str(dest), wanted)
    plan, _ = run_export(str(curated), str(dest), wanted, append=True)
    after = tree(dest)
    assert {name: after[name] for name in before} == before
    assert set(read(dest)) == {clip["clip_id"] for clip in rows(70)}
    assert plan.generations[1].num_gone == 2
    index = json.loads(after["train/all/index.json"])
    assert len(index["shardlist"]) == len(before) + len(plan.generations[1].shards)
    assert tree(dest) == after
    old = spec(unit="clip", snapshot="one")
    run_export(str(curated), str(tmp_path / "old"), old)
    assert set(read(tmp_path / "old")) == {clip["clip_id"] for clip in rows(60)}


def test_an_export_follows_the_split_of_its_output(tmp_path: Path) -> None:
    """What went to train before the split may be to measure by now; a later split adds clips only."""
    output, clips = tmp_path / "curated", rows(40)
    tables = {"duplicates": [], "videos": [{"uri": "/films/0.mp4", "video_id": "video-0"}]}
    publish_by_hand(str(output), clips[:32], {}, **tables)
    write_clip_files(output, clips)
    run_export(str(output), str(tmp_path / "early"), spec())
    ratios = ["--ratios", "train=0.5,val=0.5"]
    assert main(["split", str(output), *ratios]) == DONE
    with pytest.raises(OutputError, match=r"exported before .* was split, all of it to train"):
        run_export(str(output), str(tmp_path / "early"), spec(), append=True)
    run_export(str(output), str(tmp_path / "x"), spec())
    plan, _ = run_export(str(output), str(tmp_path / "x"), spec())
    assert {shard.part for shard in plan.shards} == {"train", "val"}
    publish_by_hand(str(output), clips, {}, name="two", **tables)
    plan, _ = run_export(str(output), str(tmp_path / "x"), spec(), append=True)
    assert (plan.generations[1].shards, plan.generations[1].skipped) == ((), {"no_part": 8})
    assert main(["split", str(output), *ratios]) == DONE
    with pytest.raises(OutputError, match="which was split again since then: add its new samples"):
        run_export(str(output), str(tmp_path / "x"), spec())
    plan, _ = run_export(str(output), str(tmp_path / "x"), spec(), append=True)
    assert sum(shard.num_samples for shard in plan.shards) == 40


def test_a_destination_with_other_content_is_refused(curated: Path, tmp_path: Path) -> None:
    run_export(str(curated), str(tmp_path / "x"), spec())
    with pytest.raises(OutputError, match="other options"):
        run_export(str(curated), str(tmp_path / "x"), spec(seed=3))
    with pytest.raises(OutputError, match="empty folder"):
        run_export(str(curated), str(curated), spec())


def test_a_lost_clip_is_named_with_the_remedy(curated: Path, tmp_path: Path) -> None:
    clip = rows(60)[7]
    (curated / str(clip["clip_uri"])).unlink()
    with pytest.raises(SourceError, match=r"clipmill verify .* --repair"):
        run_export(str(curated), str(tmp_path / "x"), spec())
    write_clip_files(curated, [clip])
    run_export(str(curated), str(tmp_path / "x"), spec())
    run_export(str(curated), str(tmp_path / "y"), spec())
    assert tree(tmp_path / "x") == tree(tmp_path / "y")


def test_the_order_holds_over_many_parts(
    curated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts of the spool are small here, as if there were millions of rows."""
    run_export(str(curated), str(tmp_path / "x"), spec())
    monkeypatch.setattr("clipmill.export.spool.ROWS_AT_ONCE", 8)
    run_export(str(curated), str(tmp_path / "y"), spec())
    assert tree(tmp_path / "x") == tree(tmp_path / "y")


def test_cosmos_buckets_are_three_trees(tmp_path: Path) -> None:
    clips = [clip_row(index, video=index, num_frames=24 * (4 + index)) for index in range(4)]
    output, texts = tmp_path / "curated", tmp_path / "t5"
    publish_by_hand(str(output), clips, {}, windows=[window_row(clip, 0, 24, "x") for clip in clips])
    write_clip_files(output, clips)
    texts.mkdir()
    for clip in clips[:3]:
        (texts / f"{clip['clip_id']}.pickle").write_bytes(b"t5")
    plan, _ = run_export(str(output), str(tmp_path / "x"), spec(buckets="cosmos", text_embeddings=str(texts)))
    bucket = tmp_path / "x/train/resolution_720/aspect_ratio_16_9/duration_5_10"
    names = [set(read(bucket / tree / "part_000000")) for tree in ("video", "metas", "t5_xxl")]
    assert names == [{clip["clip_id"] for clip in clips[1:3]}] * 3
    assert plan.generations[0].skipped == {"no_bucket": 1, "no_text_embedding": 1}


def test_the_command_plans_first_and_says_what_it_leaves_out(
    curated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["export", str(curated), str(tmp_path / "x"), "--require", "caption,audio", "--unit", "clip"]
    assert main([*arguments, "--dry-run"]) == DONE
    said = capsys.readouterr().out
    assert not (tmp_path / "x").exists()
    assert "left out: 30 no_audio: has no sound" in said
    assert "left out: 6 no_caption: has no text" in said
    assert main(arguments) == DONE
    assert "left out: 30 no_audio" in capsys.readouterr().out
    assert len(read(tmp_path / "x")) == 24


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--snapshot", "../x"], "has no snapshot"),
        (["--caption", "capton"], "no table has a column capton"),
        (["--format", "webdatset"], "format"),
        (["--embeddings", "siglip"], "it has perceptual"),
        (["--frames", "97"], "all were left out (too_few_frames"),
        (["--artifacts", "preview_uri"], "no table has a column preview_uri of files"),
        (["--caption", "has_audio"], "column has_audio holds bool, which is no text"),
        (["--size", "9000x64"], "up to 8192"),
        (["--buckets", "cosmos", "--text-embeddings", "nowhere"], "holds no text embeddings"),
        (["--append"], "the destination is empty"),
    ],
)
def test_what_cannot_be_exported_is_one_line(
    options: list[str], said: str, curated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dest = "" if options == ["--append"] else str(tmp_path / "x")
    assert main(["export", str(curated), dest, *options]) == MISUSE
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.integration
def test_stores_give_the_same_bytes(curated: Path, tmp_path: Path) -> None:
    with s3_server("bucket"):
        for path in curated.rglob("*"):
            if path.is_file():
                store.put_file(f"s3://bucket/curated/{path.relative_to(curated)}", str(path))
        run_export("s3://bucket/curated", str(tmp_path / "from"), spec())
        run_export(str(curated), "s3://bucket/to", spec())
        uploaded = {
            entry.uri.removeprefix("s3://bucket/to/"): store.read_bytes(entry.uri)
            for entry in store.find("s3://bucket/to")
        }
    run_export(str(curated), str(tmp_path / "x"), spec())
    local = tree(tmp_path / "x")
    assert tree(tmp_path / "from") == local
    assert {name: data for name, data in local.items() if not name.startswith("_")} == {
        name: data for name, data in uploaded.items() if not name.startswith("_")
    }


def test_the_block_of_the_page_reads_an_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = rows(4)
    publish(tmp_path / "curated", clips)
    for clip in clips:
        draw(tmp_path / "curated" / str(clip["clip_uri"]), 20)
    run_export(str(tmp_path / "curated"), str(tmp_path / "shards"), ExportSpec(unit="clip"))
    page = (Path(__file__).parents[2] / "docs/export.md").read_text()
    block = page.partition("```python\n")[2].partition("```")[0]
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "docs/export.md", "exec"), {})
    said = capsys.readouterr().out.splitlines()
    assert sorted(said) == sorted(f"{clip['clip_id']} (16, 72, 128, 3)" for clip in clips)
