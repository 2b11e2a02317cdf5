"""Two runs on one output: one works, the other ends at once; a run that stood still publishes nothing."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipmill.runs.lease_file import read_lease
from clipmill.specs import CurateSpec
from tests.support.films.small_films import draw_film
from tests.support.runs.curation import curate_here, plain_spec, published_files, rows, stamps
from tests.support.runs.stepped_runs import STOPPED_TERM_S, RunProcess

pytestmark = pytest.mark.timeout(300)

ROUNDS = int(os.environ.get("CLIPMILL_TWO_RUNS_ROUNDS", "3"))
SPECS = [plain_spec(), plain_spec(embedding=None, dedup=None)]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two_runs")
    draw_film(folder / "one.mp4", seed=3, shots=(40,))
    return folder


@pytest.fixture(scope="module")
def process() -> Iterator[RunProcess]:
    """Not for tests that end it."""
    started = RunProcess()
    yield started
    started.close()


def test_of_two_runs_at_once_one_works_and_the_other_ends_in_one_line(
    source: Path, tmp_path: Path, process: RunProcess
) -> None:
    other = RunProcess()
    for number in range(ROUNDS):
        output = tmp_path / f"out{number}"
        order = [process, other] if number % 2 else [other, process]
        for one, spec in zip(order, SPECS, strict=True):
            one.start(source, output, spec)
        ended = [one.ended() for one in order]
        assert sorted(code for code, _ in ended) == [0, 4], ended
        check_message(next(said for code, said in ended if code == 4), output)
        check_snapshot(output, SPECS[[code for code, _ in ended].index(0)])
    other.close()


def check_message(said: str, output: Path) -> None:
    record = read_lease(str(output))
    assert record is not None
    assert "\n" not in said
    for part in (record.run_id, record.host, record.started, f"clipmill unlock {output}"):
        assert part in said


def check_snapshot(output: Path, spec: CurateSpec) -> None:
    """It is that of the spec of the run that worked, with its deduplication."""
    has_dedup = spec.dedup is not None
    assert (output / "dedup").exists() == has_dedup
    assert {"embedding_algorithm" in row for row in rows(output, "clips")} == {has_dedup}
    assert json.loads((output / "manifest.json").read_text())["funnel"]["found"]["items"] == 1


@pytest.mark.parametrize("moment", ["state/encode/", "work/dedup/"], ids=["streaming", "comparing clips"])
def test_a_run_that_stood_still_past_its_lease_publishes_nothing(
    source: Path, tmp_path: Path, process: RunProcess, moment: str
) -> None:
    output = tmp_path / "out"
    process.start(source, output, SPECS[0], stop_at=moment)
    process.wait_until_stopped()
    time.sleep(2 * STOPPED_TERM_S)
    curate_here(source, output, SPECS[1])
    newer = read_lease(str(output))
    assert newer is not None
    before, files = stamps(output), published_files(output)
    process.resume()
    code, said = process.ended()
    assert code == 4
    assert f"run {newer.run_id} on {newer.host} has taken it" in said
    assert "publishes nothing" in said
    after = stamps(output)
    assert {name: after[name] for name in before} == before
    assert published_files(output) == files
    assert read_lease(str(output)) == newer


def test_sigterm_ends_a_run_as_ctrl_c_does(source: Path, tmp_path: Path) -> None:
    output, scratch = tmp_path / "out", tmp_path / "scratch"
    scratch.mkdir()
    process = RunProcess(TMPDIR=str(scratch))
    process.start(source, output, SPECS[0], stop_at="/clips/")
    process.wait_until_stopped()
    assert list(scratch.glob("clipmill-scratch-*"))
    assert "KeyboardInterrupt" in process.terminate()
    assert not list(scratch.glob("clipmill-scratch-*"))
    record = read_lease(str(output))
    assert record is not None
    assert record.is_released
    assert not (output / "work" / record.run_id).exists()


def test_a_run_that_was_killed_is_followed_at_once(source: Path, tmp_path: Path) -> None:
    output, process = tmp_path / "out", RunProcess()
    process.start(source, output, SPECS[0], stop_at="/state/encode/")
    process.wait_until_stopped()
    process.close()
    curate_here(source, output, SPECS[0])
    record = read_lease(str(output))
    assert record is not None
    assert (record.epoch, record.is_released) == (2, True)
