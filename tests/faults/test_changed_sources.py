"""Sources that change while a run reads them.

No clip shows another film's pictures, and the next run is right.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from clipmill.storage import store
from tests.support.faults.changes import CHANGED, change, films_after, films_before
from tests.support.faults.fault import Action
from tests.support.faults.scene import TWO_PASSES, Scene, undisturbed
from tests.support.stand_ins.object_store import s3_server

BUCKET = "films"
READ = "clipmill.media.io.source:CountingReader._fetch"


@dataclass(frozen=True)
class Moment:
    """A call of a point, counted only within another function where one is named."""

    point: str
    call: int = 1
    within: str = ""


MOMENTS = {
    "before it is inspected": Moment("clipmill.intake.inspection:inspect_manifest"),
    "while it is inspected": Moment(READ, 2, "clipmill.media.io.probe:inspect_source"),
    "before it is scanned": Moment("clipmill.curation.run:run_phase"),
    "while it is scanned": Moment(READ, 3, "clipmill.media.scan.scan:scan"),
    "before it is cut": Moment("clipmill.media.cut.cut:cut_clips"),
    "while it is cut": Moment(READ, 5, "clipmill.media.cut.cut:cut_clips"),
}
LOCALLY: tuple[Action, ...] = ("swap", "overwrite", "truncate", "grow", "remove")
IN_A_STORE: tuple[Action, ...] = ("swap", "truncate", "grow", "remove")
SAMPLE = {("before it is cut", "swap")}
COME_BACK: tuple[Action, ...] = ("swap", "remove")
LATER_MOMENTS = {name: moment for name, moment in MOMENTS.items() if "inspected" not in name}


def check_change(scene: Scene, action: Action, moment: Moment) -> None:
    fault = change(action, scene.source, point=moment.point, call=moment.call, within=moment.within)
    assert scene.run(fault).has_end
    scene.check_truth(films_before(), films_after(action))
    neighbours = {name: clip for name, clip in scene.published().clips().items() if clip[0] != CHANGED}
    expected = undisturbed(films_before(), scene.spec).clips()
    assert neighbours == {name: clip for name, clip in expected.items() if clip[0] != CHANGED}
    scene.check_rerun(films_after(action))


@pytest.mark.parametrize(
    ("moment", "action"),
    [
        pytest.param(
            moment,
            action,
            marks=[pytest.mark.sample] if (name, action) in SAMPLE else [],
            id=f"{name}-{action}",
        )
        for name, moment in MOMENTS.items()
        for action in LOCALLY
    ],
)
def test_local_file_changes(tmp_path: Path, action: Action, moment: Moment) -> None:
    check_change(Scene(tmp_path, films_before(), TWO_PASSES), action, moment)


def check_return(scene: Scene, action: Action, moment: Moment) -> None:
    """The film is the old one again before the next run, which cannot tell by its version that it was not."""
    path = f"{scene.source}/{CHANGED}"
    kept = scene.folder / "kept"
    if store.is_local(path):
        kept.hardlink_to(path)
    fault = change(action, scene.source, point=moment.point, call=moment.call, within=moment.within)
    assert scene.run(fault).has_end
    scene.check_truth(films_before(), films_after(action))
    if store.is_local(path):
        kept.replace(path)
    else:
        store.put_file(path, str(films_before().paths[CHANGED]))
    scene.check_rerun(films_before())


@pytest.mark.parametrize("action", COME_BACK)
@pytest.mark.parametrize("moment", LATER_MOMENTS.values(), ids=LATER_MOMENTS)
def test_local_file_is_another_one_for_a_while(tmp_path: Path, action: Action, moment: Moment) -> None:
    check_return(Scene(tmp_path, films_before(), TWO_PASSES), action, moment)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server(BUCKET) as url:
        yield url


@pytest.mark.parametrize("action", IN_A_STORE)
@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
@pytest.mark.usefixtures("server")
def test_object_changes(tmp_path: Path, action: Action, moment: Moment) -> None:
    source = f"s3://{BUCKET}/{uuid.uuid4().hex}/source"
    check_change(Scene(tmp_path, films_before(), TWO_PASSES, source=source), action, moment)


@pytest.mark.parametrize("action", COME_BACK)
@pytest.mark.parametrize("moment", LATER_MOMENTS.values(), ids=LATER_MOMENTS)
@pytest.mark.usefixtures("server")
def test_object_is_another_one_for_a_while(tmp_path: Path, action: Action, moment: Moment) -> None:
    source = f"s3://{BUCKET}/{uuid.uuid4().hex}/source"
    check_return(Scene(tmp_path, films_before(), TWO_PASSES, source=source), action, moment)
