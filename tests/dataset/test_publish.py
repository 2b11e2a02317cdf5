"""What is written: tables, documented exports, the manifest; and that nothing changes when nothing is new."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipmill import identity
from clipmill.dataset import publish as publishing
from clipmill.dataset.assemble import assemble
from clipmill.dataset.exports.embeddings import (
    embedders,
    embeddings_folder,
    export_clips_for_ranking,
    export_embeddings,
)
from clipmill.dataset.exports.video_json import chunked
from clipmill.dataset.funnel import Funnel
from clipmill.dataset.publish import Guard, publish
from clipmill.dataset.run_record import RunRecord
from clipmill.dataset.schemas import TABLES
from clipmill.errors import ConservationError, Fenced, StaleDuplicates, WriteConflict
from clipmill.planning.from_spec import plan_of_spec
from clipmill.specs import CurateSpec
from tests.support.state_rows import Project

pytestmark = pytest.mark.integration


def run(run_id: str = "r1") -> RunRecord:
    return RunRecord(
        run_id, started_at=f"2026-01-01T00:00:0{run_id[-1]}Z", finished_at="2026-01-01T00:01:00Z"
    )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path, CurateSpec.model_validate({"motion_filter": {}}))
    low, high = project.split(project.inspect("sub/a.mp4"), [(0, 100), (100, 250)])
    project.finish(low, motion=0.0)
    project.finish(high)
    project.inspect("broken.mp4", reason="unreadable", message="broken.mp4: truncated")
    return project


def publish_it(project: Project, run_id: str = "r1", **options: bool) -> Funnel:
    return publish(project.collect(), run=run(run_id), **options)[1]


def tree(project: Project) -> dict[str, tuple[int, int]]:
    root = Path(project.output)
    files = (path for path in root.rglob("*") if path.is_file() and "state" not in path.parts)
    return {str(path.relative_to(root)): (path.stat().st_mtime_ns, path.stat().st_ino) for path in files}


def read_json(project: Project, name: str) -> dict[str, object]:
    return json.loads((Path(project.output) / name).read_text())


def clip_ids(project: Project) -> list[str]:
    return assemble(project.collect()).clips["clip_id"].to_pylist()


def exported(project: Project) -> str:
    (node,) = embedders(project.plan)
    return export_embeddings(project.collect(), node)


def test_the_documented_tree(project: Project) -> None:
    publish_it(project)
    low, high = clip_ids(project)
    assert sorted(tree(project)) == sorted(
        [
            *(f"tables/{name}.parquet" for name in TABLES),
            f"metas/v0/{low}.json",
            f"metas/v0/{high}.json",
            "processed_videos/sub/a.mp4.json",
            "processed_clip_chunks/sub/a.mp4_0.json",
            "kept_clips.json",
            "manifest.json",
            "runs/r1.json",
        ]
    )


def test_a_second_run_changes_no_file_but_its_own(project: Project) -> None:
    publish_it(project, "r1")
    before = tree(project)
    publish_it(project, "r2")
    after = tree(project)
    assert set(after) - set(before) == {"runs/r2.json"}
    assert {name: after[name] for name in before} == before


def test_the_manifest_names_tables_sources_and_how_all_was_made(project: Project) -> None:
    funnel = publish_it(project)
    manifest = read_json(project, "manifest.json")
    for name in TABLES:
        data = (Path(project.output) / "tables" / f"{name}.parquet").read_bytes()
        entry = manifest["tables"][name]
        assert entry == {
            "path": f"tables/{name}.parquet",
            "sha256": identity.bytes_digest(data),
            "rows": pq.read_metadata(pa.BufferReader(data)).num_rows,
        }
    assert [source["status"] for source in manifest["sources"]] == ["rejected", "curated"]
    assert manifest["stage_digests"] == project.plan.digests()
    assert manifest["stages"]["motion_filter"]["parameters"]["global_mean_threshold"] == 0.00098
    assert manifest["funnel"]["kept"]["items"] == funnel.kept.items == 1
    assert manifest["versions"]["pyarrow"] == pa.__version__


def test_times_and_hosts_are_in_the_run_only(project: Project) -> None:
    publish_it(project)
    assert read_json(project, "runs/r1.json")["finished_at"] == "2026-01-01T00:01:00Z"
    others = [path for path in Path(project.output).rglob("*.json") if path.parent.name != "runs"]
    assert not [path for path in others if "2026-01" in path.read_text()]


def test_the_json_of_a_clip_has_the_documented_keys(project: Project) -> None:
    publish_it(project)
    _, high = clip_ids(project)
    content = read_json(project, f"metas/v0/{high}.json")
    assert content == {
        "span_uuid": high,
        "source_video": f"{project.folder}/films/sub/a.mp4",
        "duration_span": [4.0, 10.0],
        "width_source": 640,
        "height_source": 360,
        "framerate_source": 25.0,
        "clip_location": f"{project.output}/clips/{high}.mp4",
        "width": 640,
        "height": 360,
        "framerate": 25.0,
        "num_frames": 100,
        "video_codec": "h264",
        "num_bytes": 5000,
        "motion_score": {"global_mean": 0.1, "per_patch_min_256": 0.1},
        "windows": [{"start_frame": 0, "end_frame": 149}],
        "valid": True,
    }


def test_a_filtered_clip_is_not_valid_and_has_no_file(project: Project) -> None:
    publish_it(project)
    low, _ = clip_ids(project)
    content = read_json(project, f"metas/v0/{low}.json")
    assert (content["valid"], content["clip_location"]) == (False, None)
    assert "num_bytes" not in content


def test_the_json_of_a_video_and_its_chunk(project: Project) -> None:
    publish_it(project)
    low, high = clip_ids(project)
    assert read_json(project, "processed_videos/sub/a.mp4.json") == {
        "video": f"{project.folder}/films/sub/a.mp4", "height": 360, "width": 640, "framerate": 25.0,
        "num_frames": 250, "duration": 10.0, "video_codec": "h264", "pixel_format": "yuv420p",
        "audio_format": None, "num_total_clips": 2, "num_clip_chunks": 1,
    }  # fmt: skip
    assert read_json(project, "processed_clip_chunks/sub/a.mp4_0.json") == {
        "video": f"{project.folder}/films/sub/a.mp4", "clip_chunk_index": 0,
        "num_clips_filtered_by_motion": 1,
        "num_clips_filtered_by_aesthetic": 0, "num_clips_passed": 1, "num_clips_transcoded": 1,
        "num_clips_with_embeddings": 1, "num_clips_with_caption": 0, "num_clips_with_webp": 2,
        "total_clip_duration": 10.0, "max_clip_duration": 6.0, "clips": [high], "filtered_clips": [low],
        "all_windows": {}, "all_windows_enhanced_caption": {},
    }  # fmt: skip


def test_a_chunk_ends_with_the_clip_that_reaches_its_budget() -> None:
    clips = [{"clip_id": str(i), "start_s": 0.0, "end_s": 3.9} for i in range(5)]  # 3 whole seconds each
    assert [len(chunk) for chunk in chunked(clips, budget_s=6)] == [2, 2, 1]


def test_kept_clips_are_the_kept_set(project: Project) -> None:
    publish_it(project)
    (kept,) = json.loads((Path(project.output) / "kept_clips.json").read_text())
    _, high = clip_ids(project)
    assert (kept["clip_id"], kept["start_s"]) == (high, 4.0)


def test_dry_run_writes_video_json_but_no_clip_json(project: Project) -> None:
    project.spec = CurateSpec.model_validate({"motion_filter": {}, "write": {"dry_run": True}})
    publish_it(project)
    assert not [name for name in tree(project) if name.startswith("metas/")]
    assert "processed_videos/sub/a.mp4.json" in tree(project)


def test_clip_json_can_be_turned_off(project: Project) -> None:
    publish_it(project, writes_clip_json=False)
    assert not [name for name in tree(project) if name.startswith("metas/")]


def test_exports_of_a_video_that_is_gone_go_and_its_clip_files_stay(project: Project) -> None:
    publish_it(project)
    low, _ = clip_ids(project)
    clip = Path(project.output) / "clips" / f"{low}.mp4"
    clip.parent.mkdir()
    clip.write_bytes(b"x")
    del project.sources[0]
    publish_it(project, "r2")
    assert not [name for name in tree(project) if name.startswith(("metas/", "processed_"))]
    assert clip.exists()


def test_a_name_too_long_for_another_suffix_is_shortened(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.curate("é" * 125 + ".mp4")
    publish_it(project)
    (name,) = [name for name in tree(project) if name.startswith("processed_videos/")]
    assert len(Path(name).name.encode()) <= 255


def test_the_manifest_comes_last(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(publishing, "fill_folder", lambda *_, **__: die())
    with pytest.raises(KeyboardInterrupt):
        publish_it(project)
    assert "manifest.json" not in tree(project)


def test_nothing_is_written_when_the_numbers_do_not_add_up(project: Project) -> None:
    collection = project.collect()
    project.sources.append(project.sources[0])
    with pytest.raises(ConservationError):
        publish(project.collect(), run=run())
    assert tree(project) == {}
    assert len(collection.sources) == 2


def test_embeddings_are_those_of_clips_that_passed(project: Project) -> None:
    folder = exported(project)
    table = pq.read_table(f"{folder}/part-00000.parquet")
    _, high = clip_ids(project)
    assert folder == f"{project.output}/perceptual_embd_parquet"
    assert table.schema == pa.schema([("id", pa.string()), ("embedding", pa.list_(pa.float32(), 2))])
    assert table["id"].to_pylist() == [high]
    np.testing.assert_array_equal(table["embedding"].to_pylist(), [[1.0, 0.0]])


def test_embeddings_of_clips_that_no_longer_pass_go(project: Project) -> None:
    folder = exported(project)
    project.spec = CurateSpec.model_validate({"quality": {"sharpness": {"min": 100}}})
    assert exported(project) == folder
    (part,) = Path(folder).iterdir()
    assert len(pq.read_table(part)) == 0


@pytest.mark.parametrize(
    ("algorithm", "prefix"),
    [("cosmos-embed1-224p", "ce1"), ("internvideo2", "iv2"), ("perceptual", "perceptual")],
)
def test_documented_prefixes(algorithm: str, prefix: str) -> None:
    allowed = {} if algorithm == "perceptual" else {"allow_remote_code": [algorithm]}
    spec = CurateSpec.model_validate({"embedding": {"algorithm": algorithm, **allowed}})
    (node,) = embedders(plan_of_spec(spec, source="/videos", output="/out"))
    assert embeddings_folder(node, "/out") == f"/out/{prefix}_embd_parquet"


def test_clips_for_ranking_are_there_before_deduplication(project: Project) -> None:
    table = pq.read_table(export_clips_for_ranking(project.collect()))
    assert table["sharpness"].to_pylist() == [5.0, 5.0]


def test_clips_for_ranking_keep_their_name_until_they_change(project: Project) -> None:
    first = export_clips_for_ranking(project.collect())
    before = Path(first).stat()
    assert export_clips_for_ranking(project.collect()) == first
    assert Path(first).stat().st_mtime_ns == before.st_mtime_ns
    project.inspect("other.mp4", reason="unreadable", message="other.mp4: truncated")
    project.finish(*project.split(project.inspect("sub/b.mp4"), [(0, 100)]))
    assert export_clips_for_ranking(project.collect()) != first
    assert not Path(first).exists()


def test_a_fenced_run_writes_nothing(project: Project) -> None:
    publish_it(project)
    before = tree(project)
    project.finish(*project.split(project.inspect("sub/b.mp4"), [(0, 100)]))

    def fenced() -> None:
        raise Fenced(project.output, "r2", "run r3 has taken it")

    with pytest.raises(Fenced):
        publish(project.collect(), run=run("r2"), guard=Guard(writes=fenced))
    assert tree(project) == before


def test_a_run_that_is_fenced_while_it_publishes_leaves_the_manifest(project: Project) -> None:
    publish_it(project)
    manifest = (Path(project.output) / "manifest.json").read_bytes()
    project.finish(*project.split(project.inspect("sub/b.mp4"), [(0, 100)]))
    answers = iter([False, True])

    def fenced_later() -> None:
        if next(answers):
            raise Fenced(project.output, "r2", "run r3 has taken it")

    with pytest.raises(Fenced):
        publish(project.collect(), run=run("r2"), guard=Guard(writes=fenced_later))
    assert (Path(project.output) / "manifest.json").read_bytes() == manifest


def test_a_manifest_that_another_run_replaced_meanwhile_stays(project: Project) -> None:
    publish_it(project)
    project.finish(*project.split(project.inspect("sub/b.mp4"), [(0, 100)]))
    collection = project.collect()
    (Path(project.output) / "manifest.json").write_text("theirs")
    with pytest.raises(WriteConflict, match="another writer was first"):
        publish(collection, run=run("r2"))
    assert (Path(project.output) / "manifest.json").read_text() == "theirs"


def test_clips_that_the_guard_refuses_are_not_published(project: Project) -> None:
    def refuse(clips: pa.Table) -> None:
        raise StaleDuplicates(f"{len(clips)} clips")

    with pytest.raises(StaleDuplicates, match="2 clips"):
        publish(project.collect(), run=run(), guard=Guard(clips=refuse))
    assert not (Path(project.output) / "manifest.json").exists()
