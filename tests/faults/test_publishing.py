"""A run that is killed between any two writes of publishing.

Readers of the manifest find a whole snapshot, and the next run ends as if none had been killed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.faults.fault import Fault
from tests.support.faults.published import differences
from tests.support.faults.scene import Scene, copy_of, drawn, films_with_copy, undisturbed

PUBLISH = "clipmill.curation.run:publish_snapshot"
WRITE, DELETE = "clipmill.storage.local:whole_file", "clipmill.storage.store:delete"
NUM_CALLS = {WRITE: 21, DELETE: 7}
"""The writes and deletions of publishing in this scene."""
SAMPLE = {(WRITE, 3)}
BEGIN = Fault(PUBLISH, "note")
CALLS = [(point, call) for point, most in NUM_CALLS.items() for call in range(1, most + 1)]
PARAMETERS = [
    pytest.param(
        point, call, marks=[pytest.mark.sample] if (point, call) in SAMPLE else [], id=f"{point[9:]}-{call}"
    )
    for point, call in CALLS
]


@dataclass
class Killed:
    """What a reader finds wrong after a run was killed at a write, and what the next run leaves wrong."""

    by_reader: str
    by_next_run: str


@dataclass
class Publishing:
    """A run whose work is done, and which publishes: a film came, a copy went."""

    scene: Scene
    ready: Path
    num_calls: dict[str, int] = field(default_factory=dict)
    killed: dict[tuple[str, int], Killed] = field(default_factory=dict)

    def after_kill(self, point: str, call: int) -> Killed:
        """Kills at a write, once for all tests."""
        if (point, call) not in self.killed:
            copy_of(self.ready, Path(self.scene.output))
            assert self.scene.run(BEGIN, Fault(point, "kill", first=call, since=PUBLISH)).was_killed
            self.killed[point, call] = Killed(problem(self._read), problem(self._rerun))
        return self.killed[point, call]

    def _read(self) -> None:
        found = self.scene.published(copies_may_lag=True)
        both = [undisturbed(films, self.scene.spec) for films in (films_with_copy(), self.scene.films)]
        wrong = [[line for line in differences(found, one) if "exports" not in line] for one in both]
        assert [] in wrong, "\n".join(min(wrong, key=len))

    def _rerun(self) -> None:
        self.scene.check_rerun(self.scene.films)


def problem(check: Callable[[], None]) -> str:
    """What a check found, in words; empty where all is well."""
    try:
        check()
    except (AssertionError, OSError, ValueError) as error:
        return str(error) or repr(error)
    return ""


@pytest.fixture(scope="module")
def publishing(tmp_path_factory: pytest.TempPathFactory) -> Publishing:
    folder = tmp_path_factory.mktemp("publishing")
    scene = Scene(folder, films_with_copy())
    scene.rerun()
    (Path(scene.source) / "worn.mp4").unlink()
    scene.films = scene.films.but("worn.mp4", None).but("c.mp4", drawn(3))
    scene.films.lay(scene.source)
    assert scene.run(Fault(PUBLISH, "kill")).was_killed
    publishing = Publishing(scene, copy_of(Path(scene.output), folder / "ready"))
    ended = scene.run(BEGIN, *(Fault(point, "note", since=PUBLISH) for point in NUM_CALLS))
    publishing.num_calls = dict(zip(NUM_CALLS, ended.faults.calls()[1:], strict=True))
    return publishing


@pytest.mark.sample
def test_every_write_is_a_parameter(publishing: Publishing) -> None:
    assert publishing.num_calls == NUM_CALLS


@pytest.mark.parametrize(("point", "call"), PARAMETERS)
def test_reader_finds_a_whole_snapshot(publishing: Publishing, point: str, call: int) -> None:
    assert publishing.after_kill(point, call).by_reader == ""


@pytest.mark.parametrize(("point", "call"), PARAMETERS)
def test_next_run_publishes_as_if_none_had_been_killed(publishing: Publishing, point: str, call: int) -> None:
    assert publishing.after_kill(point, call).by_next_run == ""
