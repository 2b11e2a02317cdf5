"""What is written: tables, documented exports, the manifest; and that nothing changes when nothing is new."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipmill import identity
from clipmill.dataset.collect import Collection
from clipmill.dataset.exports.embeddings import (
    embedders,
    embeddings_folder,
    export_clips,
    export_embeddings,
)
from clipmill.dataset.exports.video_json import chunked
from clipmill.dataset.publish import Guard
from clipmill.dataset.schemas import TABLES
from clipmill.dataset.snapshots.record import current_snapshot
from clipmill.errors import ConservationError, Fenced, StaleDuplicates, WriteConflict
from clipmill.planning.from_spec import plan_of_spec
from clipmill.specs import CurateSpec
from tests.support.state_rows import Project
from tests.support.whole_tables import assemble

pytestmark = pytest.mark.integration


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path, CurateSpec.model_validate({"motion_filter": {}}))
    low, high = project.split(project.inspect("sub/a.mp4"), [(0, 100), (100, 250)])
    project.finish(low, motion=0.0)
    project.finish(high)
    project.inspect("broken.mp4", reason="unreadable", message="broken.mp4: truncated")
    return project


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
    clips = export_clips(project.output, project.plan, project.sources)
    return export_embeddings(project.output, node, clips)


def test_the_documented_tree(project: Project) -> None:
    project.publish()
    low, high = clip_ids(project)
    snapshot = current_snapshot(project.output)
    assert sorted(tree(project)) == sorted(
        [
            *(f"tables/{name}.parquet" for name in TABLES),
            *(part.path for parts in snapshot.tables.values() for part in parts),
            f"snapshots/{snapshot.snapshot_id}/manifest.json",
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
    project.publish("r1")
    before = tree(project)
    project.publish("r2")
    after = tree(project)
    assert set(after) - set(before) == {"runs/r2.json"}
    assert {name: after[name] for name in before} == before


def test_the_manifest_names_tables_and_how_all_was_made(project: Project) -> None:
    funnel = project.publish()
    manifest = read_json(project, "manifest.json")
    snapshot_id = manifest["snapshot_id"]
    for name in TABLES:
        data = (Path(project.output) / "tables" / f"{name}.parquet").read_bytes()
        digest, num_rows = identity.bytes_digest(data), pq.read_metadata(pa.BufferReader(data)).num_rows
        path = f"snapshots/{snapshot_id}/{name}/part-00000-{digest[:8]}.parquet"
        assert manifest["tables"][name] == {
            "rows": num_rows,
            "parts": [{"path": path, "sha256": digest, "rows": num_rows}],
        }
        assert (Path(project.output) / path).read_bytes() == data
    assert manifest["complete"] is True
    assert str(project.folder / "out") not in (Path(project.output) / "manifest.json").read_text()
    assert manifest["stage_digests"] == project.plan.digests()
    assert manifest["stages"]["motion_filter"]["parameters"]["global_mean_threshold"] == 0.00098
    assert manifest["funnel"]["kept"]["items"] == funnel.kept.items == 1
    assert manifest["versions"]["pyarrow"] == pa.__version__


def test_a_window_that_is_tried_again_makes_the_snapshot_incomplete(project: Project) -> None:
    low, high = project.curate("again.mp4", but="preview")
    project.put_windows("preview", high, preview_uri="previews/a.webp")
    failed = {"outcome": "retryable", "reason": "store_error", "message": "503"}
    project.put_windows("preview", low, **failed)
    assert project.publish().failed_clips == {}
    assert read_json(project, "manifest.json")["complete"] is False


def test_times_and_hosts_are_in_the_run_only(project: Project) -> None:
    project.publish()
    assert read_json(project, "runs/r1.json")["finished_at"] == "2026-01-01T00:01:01Z"
    others = [path for path in Path(project.output).rglob("*.json") if path.parent.name != "runs"]
    assert not [path for path in others if "2026-01" in path.read_text()]


def test_the_json_of_a_clip_has_the_documented_keys(project: Project) -> None:
    project.publish()
    _, high = clip_ids(project)
    content = read_json(project, f"metas/v0/{high}.json")
    assert content == {
        "span_uuid": high,
        "source_video": f"{project.folder}/films/sub/a.mp4",
        "duration_span": [4.0, 10.0],
        "width_source": 640,
        "height_source": 360,
        "framerate_source": 25.0,
        "clip_location": f"clips/{high}.mp4",
        "width": 640,
        "height": 360,
        "framerate": 25.0,
        "num_frames": 100,
        "video_codec": "h264",
        "num_bytes": 5000,
        "audio_status": "none",
        "motion_score": {"global_mean": 0.1, "per_patch_min_256": 0.1},
        "windows": [{"start_frame": 0, "end_frame": 149}],
        "valid": True,
    }


def test_a_filtered_clip_is_not_valid_and_has_no_file(project: Project) -> None:
    project.publish()
    low, _ = clip_ids(project)
    content = read_json(project, f"metas/v0/{low}.json")
    assert (content["valid"], content["clip_location"]) == (False, None)
    assert "num_bytes" not in content


def test_the_json_of_a_video_and_its_chunk(project: Project) -> None:
    project.publish()
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
        "all_windows": {high: {}}, "all_windows_enhanced_caption": {high: {}},
    }  # fmt: skip


def test_a_chunk_ends_with_the_clip_that_reaches_its_budget() -> None:
    clips = [{"clip_id": str(i), "start_s": 0.0, "end_s": 3.9} for i in range(5)]  # 3 whole seconds each
    assert [len(chunk) for chunk in chunked(clips, budget_s=6)] == [2, 2, 1]


def test_kept_clips_are_the_kept_set(project: Project) -> None:
    project.publish()
    (kept,) = json.loads((Path(project.output) / "kept_clips.json").read_text())
    _, high = clip_ids(project)
    assert (kept["clip_id"], kept["start_s"]) == (high, 4.0)


def test_dry_run_writes_video_json_but_no_clip_json(project: Project) -> None:
    project.spec = CurateSpec.model_validate({"motion_filter": {}, "write": {"dry_run": True}})
    project.publish()
    assert not [name for name in tree(project) if name.startswith("metas/")]
    assert "processed_videos/sub/a.mp4.json" in tree(project)


def test_json_can_be_turned_off_and_is_not_left_from_earlier(project: Project) -> None:
    project.publish()
    before = {name for name in tree(project) if name.endswith(".json")}
    project.publish("r2", writes_json=False)
    exports = {name for name in before if name.startswith(("metas/", "processed_", "kept_clips"))}
    assert {name.partition("/")[0] for name in exports} == {
        "metas", "processed_videos", "processed_clip_chunks", "kept_clips.json",
    }  # fmt: skip
    assert {name for name in tree(project) if name.endswith(".json")} == before - exports | {"runs/r2.json"}


def test_exports_of_a_video_that_is_gone_go_and_its_clip_files_stay(project: Project) -> None:
    project.publish()
    low, _ = clip_ids(project)
    clip = Path(project.output) / "clips" / f"{low}.mp4"
    clip.parent.mkdir()
    clip.write_bytes(b"x")
    del project.sources[0]
    project.publish("r2")
    assert not [name for name in tree(project) if name.startswith(("metas/", "processed_"))]
    assert clip.exists()


def test_a_name_too_long_for_another_suffix_is_shortened(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.curate("é" * 125 + ".mp4")
    project.publish()
    (name,) = [name for name in tree(project) if name.startswith("processed_videos/")]
    assert len(Path(name).name.encode()) <= 255


def test_nothing_is_written_when_the_numbers_do_not_add_up(project: Project) -> None:
    project.sources.append(project.sources[0])
    with pytest.raises(ConservationError):
        project.publish()
    assert tree(project) == {}


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
    table = pq.read_table(export_clips(project.output, project.plan, project.sources).uri)
    assert table["sharpness"].to_pylist() == [5.0, 5.0]


def test_a_fenced_run_writes_nothing(project: Project) -> None:
    project.publish()
    before = tree(project)
    project.finish(*project.split(project.inspect("sub/b.mp4"), [(0, 100)]))

    def fenced() -> None:
        raise Fenced(project.output, "r2", "run r3 has taken it")

    with pytest.raises(Fenced):
        project.publish("r2", guard=Guard(writes=fenced))
    assert tree(project) == before


def test_a_run_that_is_fenced_while_it_publishes_leaves_the_manifest(project: Project) -> None:
    project.publish()
    manifest = (Path(project.output) / "manifest.json").read_bytes()
    project.finish(*project.split(project.inspect("sub/b.mp4"), [(0, 100)]))
    answers = iter([False, True])

    def fenced_later() -> None:
        if next(answers):
            raise Fenced(project.output, "r2", "run r3 has taken it")

    with pytest.raises(Fenced):
        project.publish("r2", guard=Guard(writes=fenced_later))
    assert (Path(project.output) / "manifest.json").read_bytes() == manifest


def test_a_manifest_that_another_run_replaced_meanwhile_stays(project: Project) -> None:
    project.publish()
    project.finish(*project.split(project.inspect("sub/b.mp4"), [(0, 100)]))

    def replaced(*_: object) -> None:
        (Path(project.output) / "manifest.json").write_text("theirs")

    with pytest.raises(WriteConflict, match="another writer was first"):
        project.publish("r2", guard=Guard(clips=replaced))
    assert (Path(project.output) / "manifest.json").read_text() == "theirs"


def test_clips_that_the_guard_refuses_are_not_published(project: Project) -> None:
    def refuse(collection: Collection, kept: pa.Array) -> None:
        raise StaleDuplicates(f"{len(kept)} of {len(collection.clips.ids)} clips")

    with pytest.raises(StaleDuplicates, match="1 of 2 clips"):
        project.publish(guard=Guard(clips=refuse))
    assert not (Path(project.output) / "manifest.json").exists()
