"""The rows of earlier runs, by video and stage."""

from pathlib import Path

import pytest

from clipmill.engine.known_rows import known_of
from clipmill.intake.admission import missing_work
from clipmill.state.store import ResultStore
from tests.support.state_rows import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_each_video_gets_the_rows_of_its_clips(project: Project) -> None:
    for name in ("a.mp4", "b.mp4"):
        project.curate(name, but="quality")
    items = list(missing_work(project.sources, project.plan, project.output))
    known = known_of(ResultStore(project.output), project.plan, items)
    assert list(known) == [item.video_id for item in items]
    for item in items:
        assert set(known[item.video_id]) == {"motion", "encode", "embedding", "preview"}
        ids = [clip.clip_id for clip in item.clips or ()]
        assert known[item.video_id]["motion"]["id"].to_pylist() == sorted(ids)


def test_rows_that_are_tried_again_are_left_out(project: Project) -> None:
    (clip,) = project.split(project.inspect("a.mp4"), [(0, 100)])
    project.put("motion", id=clip, motion_global_mean=0.1)
    project.put("quality", id=clip, outcome="retryable", reason="store_error")
    items = list(missing_work(project.sources, project.plan, project.output))
    assert set(known_of(ResultStore(project.output), project.plan, items)["id-a.mp4"]) == {"motion"}


def test_a_video_without_a_split_has_none(project: Project) -> None:
    project.inspect("a.mp4")
    items = list(missing_work(project.sources, project.plan, project.output))
    assert known_of(ResultStore(project.output), project.plan, items) == {}
