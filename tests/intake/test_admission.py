"""From what is known to what is to do: the work of a run, from hand-made state."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from clipmill.engine.work import Work
from clipmill.intake import known_clips, range_rows
from clipmill.intake.admission import admit, first_work, missing_work, within_budget
from clipmill.intake.manifests import get_work, put_sources
from clipmill.intake.shards import not_inspected
from clipmill.records import Inspection
from clipmill.specs import CurateSpec
from tests.support.state_rows import Project

FINAL = {"outcome": "final", "reason": "decoder_crashed", "message": "signal 11"}
RETRYABLE = {"outcome": "retryable", "reason": "store_error", "message": "503"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def work(project: Project) -> list[Work]:
    return list(missing_work(project.sources, project.plan, project.output))


def names(found: list[Work]) -> list[str]:
    return [Path(one.source.uri).name for one in found]


def test_a_video_that_went_through_everything_is_no_work(project: Project) -> None:
    project.curate("a.mp4")
    assert work(project) == []


def test_a_video_without_a_split_is_split(project: Project) -> None:
    project.inspect("a.mp4")
    (item,) = work(project)
    assert (item.video_id, item.clips, item.lacks) == ("id-a.mp4", None, {})


def test_a_source_that_no_run_looked_into_or_that_is_no_video_is_no_work(project: Project) -> None:
    project.find("a.mp4")
    project.inspect("b.mp4", reason="not_a_video", message="text")
    assert work(project) == []


@pytest.mark.parametrize("stage", ["motion", "quality", "encode", "embedding", "preview"])
def test_clips_lack_the_one_stage_without_rows(project: Project, stage: str) -> None:
    first, second = project.curate("a.mp4", but=stage)
    (item,) = work(project)
    assert item.clips is not None
    assert [clip.clip_id for clip in item.clips] == [first, second]
    assert item.lacks == dict.fromkeys((first, second), frozenset({stage}))


def test_only_clips_that_lack_something_are_work(project: Project) -> None:
    first, second = project.split(project.inspect("a.mp4"), [(0, 100), (100, 250)])
    project.finish(first)
    project.finish(second, but="quality")
    (item,) = work(project)
    assert item.clips == (project.spans[second],)


def test_a_clip_that_failed_for_now_is_work_and_one_that_failed_for_good_is_none(project: Project) -> None:
    first, second = project.split(project.inspect("a.mp4"), [(0, 100), (100, 250)])
    for clip, failure in ((first, FINAL), (second, RETRYABLE)):
        project.finish(clip, but="quality")
        project.put("quality", id=clip, **failure)
    (item,) = work(project)
    assert item.lacks == {second: frozenset({"quality"})}


@pytest.mark.parametrize(("failure", "expected"), [(FINAL, []), (RETRYABLE, ["a.mp4"])], ids=["final", "now"])
def test_a_video_that_failed_for_now_is_split_again(
    project: Project, failure: dict[str, str], expected: list[str]
) -> None:
    project.put(project.plan.extractor.key, id=project.inspect("a.mp4"), **failure)
    assert names(work(project)) == expected


def test_of_copies_the_smallest_uri_stands_for_all(project: Project) -> None:
    for name in ("b.mp4", "a.mp4", "c.mp4"):
        project.inspect(name, video_id="other" if name == "c.mp4" else "same")
    assert names(work(project)) == ["a.mp4", "c.mp4"]


def test_a_raised_threshold_is_no_work_and_a_lowered_one_is_what_clips_never_had(project: Project) -> None:
    project.spec = CurateSpec.model_validate({"quality": {"sharpness": {"min": 6}}})
    (clip,) = project.split(project.inspect("a.mp4"), [(0, 250)])
    project.put("motion", id=clip, motion_global_mean=0.1)
    project.put("quality", id=clip, sharpness=5.0)
    project.put_windows("preview", clip)
    assert work(project) == []
    project.spec = CurateSpec.model_validate({"quality": {"sharpness": {"min": 7}}})
    assert work(project) == []
    project.spec = CurateSpec.model_validate({"quality": {"sharpness": {"min": 4}}})
    (item,) = work(project)
    assert item.lacks == {clip: frozenset({"encode", "embedding"})}


def test_an_option_for_films_with_sound_is_work_for_these_only(project: Project) -> None:
    project.curate("mute.mp4", traits="")
    spoken = project.curate("spoken.mp4", traits="clock sound")
    project.spec = CurateSpec.model_validate({"transcode": {"strip_audio": True}})
    assert [item.lacks for item in work(project)] == [dict.fromkeys(spoken, frozenset({"encode"}))]
    for clip in spoken:
        project.put("encode", id=clip, effects="strip_audio=true", clip_uri="a.mp4")
    assert work(project) == []
    assert {row["clip_uri"] for row in project.collect().clips.rows["encode"].to_pylist()} > {"a.mp4"}
    project.spec = CurateSpec()
    assert work(project) == []


@pytest.mark.parametrize(
    ("facts", "is_plain"),
    [
        ({}, True),
        ({"is_partial": True}, False),
        ({"repaired_times": "2 frames"}, False),
        ({"oddities": "x"}, False),
    ],
    ids=["ordinary", "damaged", "repaired", "odd"],
)
def test_work_says_whether_spans_can_be_decoded_on_their_own(
    project: Project, facts: dict[str, object], is_plain: bool
) -> None:
    for clip in project.split(project.inspect("a.mp4"), [(0, 250)], **facts):
        project.finish(clip, but="quality")
    (item,) = work(project)
    assert item.is_plain == is_plain


def test_a_budget_keeps_the_first_items_and_at_least_one(project: Project) -> None:
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        project.inspect(name)
    items = work(project)
    one = 640 * 360 / 1e6 * 10
    assert list(within_budget(items, None)) == items
    assert names(list(within_budget(items, 2.5 * one))) == ["a.mp4", "b.mp4"]
    assert names(list(within_budget(items, 0.1))) == ["a.mp4"]


def test_a_run_without_state_does_everything_of_readable_sources(project: Project) -> None:
    project.inspect("a.mp4")
    (item,) = work(project)
    readable = Inspection(item.source, "v", item.facts)
    broken = replace(readable, video_id=None, facts=None)
    assert first_work([readable, broken], project.plan) == [Work(item.source, "v", item.facts)]


def test_a_complete_video_is_noted_and_not_looked_at_again(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.curate("a.mp4")
    assert work(project) == []
    monkeypatch.setattr(known_clips.KnownClips, "load", lambda *_: pytest.fail("a noted video was looked at"))
    assert work(project) == []
    monkeypatch.undo()
    project.inspect("b.mp4")
    assert names(work(project)) == ["b.mp4"]


def test_a_cleared_failure_of_a_complete_video_is_work(project: Project) -> None:
    first, second = project.split(project.inspect("a.mp4"), [(0, 100), (100, 250)])
    project.finish(first)
    project.finish(second, but="quality")
    project.put("quality", id=second, **FINAL)
    assert work(project) == work(project) == []
    project.put("quality", id=second, outcome="cleared")
    (item,) = work(project)
    assert item.lacks == {second: frozenset({"quality"})}


def test_rows_that_a_user_deleted_are_made_again(project: Project) -> None:
    clips = project.curate("a.mp4")
    assert work(project) == work(project) == []
    shutil.rmtree(Path(project.output) / "state" / "encode")
    (item,) = work(project)
    assert item.lacks == dict.fromkeys(clips, frozenset({"encode"}))


@pytest.mark.parametrize("stage", ["quality", "preview", "content", "inspect"])
def test_rows_of_a_damaged_part_are_made_again(
    project: Project, stage: str, caplog: pytest.LogCaptureFixture
) -> None:
    project.curate("a.mp4")
    project.curate("b.mp4")
    assert work(project) == []
    part = sorted((Path(project.output) / "state" / stage).rglob("*.parquet"))[0]
    part.write_bytes(part.read_bytes()[:-9])
    if stage == "inspect":
        (again,) = not_inspected(project.sources, project.plan, project.output)
        assert again in project.sources
    else:
        assert len(work(project)) == len(work(project)) == 1
    assert str(part) in caplog.text


def test_damage_inside_a_part_is_noticed_when_its_rows_are_read(project: Project) -> None:
    project.curate("a.mp4")
    assert work(project) == []
    part = next((Path(project.output) / "state" / "quality").rglob("*.parquet"))
    data = bytearray(part.read_bytes())
    data[4:200] = bytes(196)
    part.write_bytes(bytes(data))
    assert work(project) == []
    project.inspect("b.mp4")
    assert names(work(project)) == ["a.mp4", "b.mp4"]


def test_admission_looks_at_ranges_of_videos(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(5):
        project.curate(f"{index}.mp4", but="quality" if index % 2 else "")
    whole = work(project)
    monkeypatch.setattr(known_clips, "CLIPS_AT_ONCE", 20)
    monkeypatch.setattr(range_rows, "ROWS_AT_ONCE", 1)  # a range has rows in many batches
    monkeypatch.setattr(range_rows, "SPLITS_AT_ONCE", 1)
    assert work(project) == whole
    assert names(whole) == ["1.mp4", "3.mp4"]


@pytest.mark.parametrize("num_groups", [1, 2, 10])
def test_manifests_of_work_hold_every_item_in_order(project: Project, num_groups: int) -> None:
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        project.inspect(name)
    listing = put_sources(project.output, project.sources)
    uris = admit(listing, project.plan, output=project.output, num_groups=num_groups)
    assert len(uris) == min(num_groups, 3)
    assert [item for uri in uris for item in get_work(uri)] == work(project)


def test_clips_that_did_not_pass_a_barrier_lack_nothing_behind_it(project: Project) -> None:
    light = {"use": "tests.support.stages.light_stage:LightFilter", "after": "dedup"}
    project.spec = CurateSpec.model_validate({"stages": [light]})
    first, second = project.curate("a.mp4")
    found = list(missing_work(project.sources, project.plan, project.output, passed=frozenset({second})))
    assert [item.lacks for item in found] == [{second: frozenset({"light"})}]
    assert work(project)[0].lacks == dict.fromkeys((first, second), frozenset({"light"}))
