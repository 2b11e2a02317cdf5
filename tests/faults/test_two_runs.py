"""Two runs at once on one output: one of them ends by name, and the snapshot is the other's, whole."""

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pytest

from clipmill.cli.exits import STOPPED
from tests.support.faults.fault import EVERY, Fault
from tests.support.faults.published import differences
from tests.support.faults.runs import Ended, Started
from tests.support.faults.scene import Scene, films_with_copy, undisturbed

PUBLISH, WRITE = "clipmill.curation.run:publish_snapshot", "clipmill.storage.local:replace"
EXPORT = "/processed_videos/"
HOURS_LATER = Fault("clipmill.runs.lease_file:now", "later", last=EVERY, value=3 * 3600)
"""The clock of a run that comes when the lease of a stopped one is long over."""
POINTS: Mapping[str, int] = {
    "clipmill.intake.inspection:inspect_manifest": 1,
    "clipmill.storage.store:put_file": 3,
    "clipmill.engine.state_writer:StateWriter.add": 3,
    "clipmill.curation.run:find_duplicates": 1,
    "clipmill.dedup_job.steps:hand_over_duplicates": 1,
    PUBLISH: 1,
}
"""Where the first run waits while the second one runs, with the number of its calls: ten moments."""
OTHER = {"dedup": {"eps": 0.3}, "quality": None, "preview": None}
"""What the second run is asked for where it is asked for something else."""


def both_runs(
    scene: Scene, other: Scene, point: str, call: int, engine: Literal["inline", "ray"] = "inline"
) -> tuple[Ended, Ended]:
    """Runs the first scene up to a point, the other one to its end, and the first one on to its own."""
    reached, go = scene.folder / "reached", scene.folder / "go"
    waits = Fault(point, "meet", first=call, path=str(go), other=str(reached))
    first = Started(scene.request(engine=engine), [waits], scene.folder)
    first.wait_until(reached.exists)
    second = Started(other.request(), [], scene.folder).end()
    go.touch()
    return first.end().check(), second


def check_both(tmp_path: Path, point: str, call: int, *, spec: dict[str, object], engine: str) -> None:
    scene = Scene(tmp_path, films_with_copy())
    other = Scene(tmp_path, films_with_copy(), spec)
    first, second = both_runs(scene, other, point, call, "ray" if engine == "ray" else "inline")
    assert first.has_end, first.log
    assert second.has_end, second.log
    assert 0 in (first.status, second.status)
    found = scene.published()
    wrong = [differences(found, undisturbed(one.films, one.spec)) for one in (scene, other)]
    assert [] in wrong, "\n".join(min(wrong, key=len))
    scene.check_rerun(scene.films)


@pytest.mark.parametrize(
    ("point", "call", "spec"),
    [
        pytest.param(
            point,
            call,
            spec,
            marks=[pytest.mark.sample] if point == PUBLISH and spec else [],
            id=f"{point.split(':')[1]}-{call}-{'other' if spec else 'same'}",
        )
        for point, most in POINTS.items()
        for call in range(1, most + 1)
        for spec in ({}, OTHER)
    ],
)
def test_two_runs_at_once(tmp_path: Path, point: str, call: int, spec: dict[str, object]) -> None:
    check_both(tmp_path, point, call, spec=spec, engine="inline")


@pytest.mark.parametrize(
    ("point", "match"),
    [("clipmill.engine.state_writer:StateWriter.add", ""), (PUBLISH, ""), (WRITE, EXPORT)],
    ids=["while it streams", "before it publishes", "while it publishes"],
)
def test_run_that_was_stopped_beyond_its_lease_publishes_nothing(
    tmp_path: Path, point: str, match: str
) -> None:
    scene = Scene(tmp_path, films_with_copy())
    other = Scene(tmp_path, films_with_copy(), OTHER)
    first = Started(scene.request(), [Fault(point, "stop", match=match)], scene.folder)
    first.wait_until(first.is_stopped)
    try:
        assert other.run(HOURS_LATER).status == 0
        published = (Path(scene.output) / "manifest.json").read_bytes()
        first.signal(signal.SIGCONT)
        ended = first.end()
    finally:
        first.kill_all()
    assert (ended.status, ended.kind) == (STOPPED, "Fenced")
    assert (Path(scene.output) / "manifest.json").read_bytes() == published
    assert differences(other.published(), undisturbed(other.films, other.spec)) == []
    scene.check_rerun(scene.films)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("spec", [{}, OTHER], ids=["same spec", "other spec"])
def test_two_runs_at_once_on_ray(tmp_path: Path, spec: dict[str, object]) -> None:
    check_both(tmp_path, PUBLISH, 1, spec=spec, engine="ray")
