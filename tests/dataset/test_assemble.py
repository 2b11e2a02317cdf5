"""From hand-made state to tables: statuses, reasons, copies, order."""

import json
import random
import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from clipmill import identity
from clipmill.dataset.assemble import Tables
from clipmill.dataset.schemas import TABLES, table_schemas
from clipmill.specs import CurateSpec
from clipmill.state.schema import VERIFY_STATE, verify_digest
from clipmill.state.store import ResultStore
from clipmill.storage import parquet
from tests.support.state_rows import Project, Row, semantic
from tests.support.whole_tables import assemble

pytestmark = pytest.mark.integration


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def statuses(table: pa.Table, key: str = "uri") -> dict[str, str]:
    return {str(row[key]).rsplit("/", 1)[-1]: row["status"] for row in table.to_pylist()}


def only(table: pa.Table, **values: object) -> dict[str, object]:
    (row,) = [row for row in table.to_pylist() if all(row[key] == value for key, value in values.items())]
    return row


def test_a_video_that_went_through_everything_is_curated(project: Project) -> None:
    ids = project.curate("a.mp4")
    tables = assemble(project.collect())
    assert statuses(tables.videos) == {"a.mp4": "curated"}
    assert tables.clips["clip_id"].to_pylist() == ids
    assert tables.clips["status"].to_pylist() == ["kept", "kept"]
    assert {name: table.schema for name, table in tables.by_name().items()} == table_schemas(project.plan)
    assert tuple(tables.by_name()) == TABLES


def test_a_clip_row_joins_split_file_and_scores(project: Project) -> None:
    (clip,) = project.curate("a.mp4", [(50, 150)])
    row = only(assemble(project.collect()).clips, clip_id=clip)
    assert (row["start_s"], row["end_s"], row["start_pts"], row["time_base"]) == (2.0, 6.0, 50, "1/25")
    assert row["clip_uri"] == f"clips/{clip}.mp4"
    assert (row["width"], row["motion_global_mean"], row["sharpness"]) == (640, 0.1, 5.0)
    assert (row["embedding_algorithm"], row["errors"]) == ("perceptual", "{}")
    assert row["encode_digest"] == project.plan.digests()["encode"]


def test_a_source_that_no_run_looked_into_is_pending(project: Project) -> None:
    project.find("a.mp4")
    assert statuses(assemble(project.collect()).videos) == {"a.mp4": "pending"}


def test_a_video_without_a_split_is_pending(project: Project) -> None:
    project.inspect("a.mp4")
    row = only(assemble(project.collect()).videos)
    assert (row["status"], row["duration_s"], row["message"]) == ("pending", 10.0, "waits for a later run")


@pytest.mark.parametrize("stage", ["motion", "quality", "encode", "embedding", "preview"])
def test_a_video_with_a_clip_that_lacks_a_row_is_pending(project: Project, stage: str) -> None:
    project.curate("a.mp4", but=stage)
    tables = assemble(project.collect())
    row = only(tables.videos)
    assert (row["status"], row["message"]) == ("pending", f"2 of 2 clips wait for {stage}")
    assert len(tables.clips) == 0


def test_a_filtered_clip_needs_only_its_scores_and_preview(project: Project) -> None:
    (clip,) = project.split(project.inspect("a.mp4"), [(0, 250)])
    project.spec = CurateSpec.model_validate({"motion_filter": {}})
    project.put("motion", id=clip, motion_global_mean=0.0, motion_per_patch_min_256=0.5)
    project.put("quality", id=clip)
    assert only(assemble(project.collect()).videos)["status"] == "pending"
    project.put_windows("preview", clip)
    tables = assemble(project.collect())
    row = only(tables.clips)
    assert (row["status"], row["reason"], row["clip_uri"]) == ("filtered", "low_motion", None)
    rejection = only(tables.rejections)
    assert (rejection["stage"], rejection["reason"]) == ("motion_filter", "low_motion")
    assert rejection["message"] == "motion_global_mean 0 is below 0.00098"


def test_tightening_a_threshold_touches_tables_only(project: Project) -> None:
    (clip,) = project.curate("a.mp4", [(0, 250)])
    assert only(assemble(project.collect()).clips)["status"] == "kept"
    project.spec = CurateSpec.model_validate({"quality": {"sharpness": {"min": 6}}})
    tables = assemble(project.collect())
    row = only(tables.clips, clip_id=clip)
    assert (row["status"], row["reason"], row["sharpness"]) == ("filtered", "low_quality", 5.0)
    assert (row["clip_uri"], row["embedding_algorithm"]) == (None, None)
    assert only(tables.rejections)["message"] == "sharpness 5 is below 6"


@pytest.mark.parametrize(
    ("stage", "reason"), [("encode", "encode_failed"), ("embedding", "embedding_failed")]
)
def test_a_failed_clip_is_filtered_by_name(project: Project, stage: str, reason: str) -> None:
    (clip,) = project.split(project.inspect("a.mp4"), [(0, 250)])
    project.put("motion", id=clip)
    project.put("quality", id=clip)
    project.put(stage, id=clip, outcome="final", reason=reason, message="a.mp4: broken")
    project.put_windows("preview", clip)
    if stage == "embedding":
        project.put("encode", id=clip)
    tables = assemble(project.collect())
    row = only(tables.clips)
    assert (row["status"], row["reason"]) == ("filtered", reason)
    assert json.loads(str(row["errors"])) == {stage: "a.mp4: broken"}
    assert only(tables.rejections)["message"] == "a.mp4: broken"


def test_a_rejected_file_is_a_row_with_reason_and_message(project: Project) -> None:
    project.inspect("a.txt.mp4", reason="not_a_video", message="a.txt.mp4: no container")
    failure = {"outcome": "final", "reason": "unreadable", "message": "b.mp4: cut off"}
    project.split(project.inspect("b.mp4"), [], **failure)
    tables = assemble(project.collect())
    assert statuses(tables.videos) == {"a.txt.mp4": "rejected", "b.mp4": "rejected"}
    assert [(row["stage"], row["reason"], row["message"]) for row in tables.rejections.to_pylist()] == [
        ("inspect", "not_a_video", "a.txt.mp4: no container"),
        ("content", "unreadable", "b.mp4: cut off"),
    ]


def test_a_preview_that_failed_is_an_error_and_the_clip_stays(project: Project) -> None:
    (clip,) = project.split(project.inspect("a.mp4"), [(0, 250)])
    project.put_windows("preview", clip, outcome="final", reason="preview_failed", message="no webp")
    for stage in ("motion", "quality", "encode", "embedding"):
        project.put(stage, id=clip)
    row = only(assemble(project.collect()).clips)
    assert (row["status"], json.loads(str(row["errors"]))) == ("kept", {"preview_0_249": "no webp"})


def test_a_score_that_failed_for_now_is_an_error_and_the_clip_stays(project: Project) -> None:
    (clip,) = project.curate("a.mp4", [(0, 250)], but="quality")
    failure = {"outcome": "retryable", "reason": "stage_error", "message": "no memory"}
    project.put("quality", id=clip, **failure)
    tables = assemble(project.collect())
    row = only(tables.clips)
    assert statuses(tables.videos) == {"a.mp4": "curated"}
    assert (row["status"], row["sharpness"]) == ("kept", None)
    assert json.loads(str(row["errors"])) == {"quality": "no memory"}


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        ({"outcome": "retryable", "reason": "store_error"}, "failed"),
        ({"outcome": "retryable", "reason": "decoder_timeout"}, "failed"),
        ({"outcome": "final", "reason": "store_error"}, "failed"),
        ({"outcome": "final", "reason": "no_frames"}, "rejected"),
    ],
    ids=["passing", "over a limit", "passing, tried often", "of the bytes"],
)
def test_only_a_failure_of_the_bytes_rejects_a_video(
    project: Project, failure: dict[str, object], status: str
) -> None:
    project.split(project.inspect("a.mp4"), [], message="a.mp4: it failed", **failure)
    tables = assemble(project.collect())
    row = only(tables.videos)
    assert (row["status"], row["reason"], row["message"]) == (status, failure["reason"], "a.mp4: it failed")
    assert len(tables.rejections) == (status == "rejected")


def test_a_source_that_could_not_be_inspected_for_now_has_failed(project: Project) -> None:
    project.inspect("a.mp4", reason="store_error", message="a.mp4: 503")
    assert statuses(assemble(project.collect()).videos) == {"a.mp4": "failed"}


def test_a_clip_whose_encoder_failed_for_now_has_failed(project: Project) -> None:
    first, _ = project.curate("a.mp4", but="encode")
    failure = {"outcome": "retryable", "reason": "store_error", "message": "a.mp4: 503"}
    for clip in project.spans:
        project.put("encode", id=clip, **(failure if clip == first else {"clip_uri": f"clips/{clip}.mp4"}))
    tables = assemble(project.collect())
    row = only(tables.clips, clip_id=first)
    assert statuses(tables.clips, "clip_id") == dict(zip(project.spans, ["failed", "kept"], strict=True))
    assert (row["reason"], json.loads(str(row["errors"]))) == ("encode_failed", {"encode": "a.mp4: 503"})
    assert len(tables.rejections) == 0


def test_a_renamed_copy_is_a_duplicate_of_the_smallest_uri(project: Project) -> None:
    project.inspect("b.mp4", video_id="same")
    project.curate("c.mp4")
    for clip in project.split(project.inspect("a.mp4", video_id="same"), [(0, 250)]):
        project.finish(clip)
    tables = assemble(project.collect())
    assert statuses(tables.videos) == {"a.mp4": "curated", "b.mp4": "duplicate", "c.mp4": "curated"}
    copy = only(tables.duplicates)
    assert (copy["scope"], copy["method"]) == ("video", "exact")
    assert [str(copy[key]).rsplit("/", 1)[-1] for key in ("clip_id", "duplicate_of")] == ["b.mp4", "a.mp4"]


def test_a_remuxed_copy_is_a_duplicate_even_where_it_was_cut_already(project: Project) -> None:
    project.curate("b.mkv", content_digest="cd1:x")
    kept = project.curate("a.mp4", content_digest="cd1:x")
    tables = assemble(project.collect())
    assert statuses(tables.videos) == {"a.mp4": "curated", "b.mkv": "duplicate"}
    assert tables.clips["clip_id"].to_pylist() == kept


@pytest.mark.parametrize(
    ("header", "split"),
    [({"rotation_deg": 90}, {}), ({"sar": "4/3"}, {}), ({}, {"duration_s": 20.0, "frames": 500})],
    ids=["sideways", "of another aspect", "slowed"],
)
def test_a_copy_that_is_shown_otherwise_is_no_duplicate(project: Project, header: Row, split: Row) -> None:
    project.curate("a.mp4", content_digest="cd1:x")
    project.split(project.inspect("b.mp4", **header), [(0, 100)], content_digest="cd1:x", **split)
    assert statuses(assemble(project.collect()).videos) == {"a.mp4": "curated", "b.mp4": "pending"}


def test_a_dub_is_no_duplicate(project: Project) -> None:
    project.curate("a.mp4", content_digest="cd1:x", audio_digest="en")
    project.curate("b.mp4", content_digest="cd1:x", audio_digest="fr")
    assert set(statuses(assemble(project.collect()).videos).values()) == {"curated"}


def test_files_told_apart_by_their_whole_content_are_no_duplicates(project: Project) -> None:
    for name in ("a.mp4", "b.mp4"):
        project.inspect(name, video_id="same")
    rows = [
        {"id": source.source_version, "outcome": "result", "video_id": "same", "file_digest": source.uri}
        for source in project.sources
    ]
    store = ResultStore(project.output)
    store.append_records("verify", verify_digest(), rows, schema=VERIFY_STATE, run_id="0")
    assert set(statuses(assemble(project.collect()).videos).values()) == {"pending"}


def test_semantic_duplicates_leave_the_kept_set_and_name_what_they_repeat(project: Project) -> None:
    first, second = project.curate("a.mp4")
    tables = assemble(project.collect(), duplicates=semantic((second, first)))
    row = only(tables.clips, clip_id=second)
    assert (row["status"], row["duplicate_of"], row["similarity"]) == ("duplicate", first, 0.99)
    assert row["duplicate_group"] == "g"
    assert row["clip_uri"] is not None
    assert len(tables.duplicates) == 1


def test_a_duplicate_of_what_is_not_kept_stays(project: Project) -> None:
    first, second = project.curate("a.mp4")
    tables = assemble(project.collect(), duplicates=semantic((second, "gone"), ("other", first)))
    assert tables.clips["status"].to_pylist() == ["kept", "kept"]
    assert len(tables.duplicates) == 0


def test_windows_follow_the_documentation(project: Project) -> None:
    (clip,) = project.curate("a.mp4", [(0, 600)], frames=600)
    table = assemble(project.collect()).windows
    rows = table.to_pylist()
    assert [(row["start_frame"], row["end_frame"]) for row in rows] == [(0, 256), (256, 600)]
    assert rows[0]["preview_uri"] == f"previews/{clip}/0_99.webp"
    assert rows[1]["start_s"] == pytest.approx(256 / 25)
    assert rows[0]["window_id"] == identity.window_id(clip, 0, 256)


def test_the_windows_table_has_no_column_of_captions_while_they_are_off(project: Project) -> None:
    project.curate("a.mp4")
    columns = assemble(project.collect()).windows.column_names
    assert not {"caption", "status", "enhanced_caption", "enhanced_status"} & set(columns)


def test_windows_of_a_filtered_clip_are_skipped_by_captions(project: Project) -> None:
    captions = {"captions": {}, "quality": {"sharpness": {"min": 6}}}
    project.spec = CurateSpec.model_validate(captions)
    project.curate("a.mp4", [(0, 250)])
    (row,) = assemble(project.collect()).windows.to_pylist()
    assert (row["caption"], row["status"]) == (None, "skipped")


def test_shots_are_listed_for_curated_videos(project: Project) -> None:
    project.curate("a.mp4")
    row = only(assemble(project.collect()).shots)
    assert (row["video_id"], row["shot_index"], row["end_frame"]) == ("id-a.mp4", 0, 250)


def test_a_stage_that_is_off_is_not_waited_for(project: Project) -> None:
    off = dict.fromkeys(("motion", "motion_filter", "quality", "embedding", "preview", "dedup"))
    project.spec = CurateSpec.model_validate({**off, "write": {"upload_clips": False}})
    project.split(project.inspect("a.mp4"), [(0, 250)])
    row = only(assemble(project.collect()).clips)
    assert row["status"] == "kept"
    assert not {"clip_uri", "sharpness", "motion_global_mean", "embedding_algorithm"} & set(row)


def encoded(tables: Tables) -> dict[str, bytes]:
    return {name: parquet.encode(table) for name, table in tables.by_name().items()}


def test_any_order_of_work_gives_the_same_bytes(tmp_path: Path) -> None:
    results: list[dict[str, bytes]] = []
    names = ["a.mp4", "b.mp4", "c.mp4", "d.mp4"]
    for seed in range(3):
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        project = Project(tmp_path / "run")
        random.Random(seed).shuffle(names)
        for name in names:
            project.curate(name)
        project.inspect("z.mp4", reason="unreadable", message="z")
        results.append(encoded(assemble(project.collect())))
    assert results[0] == results[1] == results[2]
