"""A run publishes what it published at bf3cd47.

These properties of bf3cd47 have tests of their own, which are to stay green:

- the bytes are equal inline and on Ray:
  ``tests.end_to_end.on_ray.test_streaming.test_cores_do_not_show_in_what_is_published``
- codec children can be killed:
  ``tests.sandbox.test_process.test_hang_is_killed_in_time``,
  ``tests.sandbox.test_process.test_hang_that_holds_the_interpreter_is_killed``,
  ``tests.sandbox.test_pool.test_a_kill_ends_the_call_that_runs``
- temporary names are hidden:
  ``tests.state.test_store.test_a_temporary_file_of_a_killed_writer_is_not_read``,
  ``tests.end_to_end.test_killed.test_nothing_half_written_has_a_final_name``,
  ``tests.storage.test_store.test_leftovers_of_the_dead_go_and_a_write_under_way_stays``
- a retry writes no second part of the state:
  ``tests.state.test_store.test_a_retry_that_computes_the_same_writes_no_second_part``
- the split of a video comes after its clips:
  ``tests.engine.scan.test_video_chunker.test_clips_come_before_the_end_and_the_split_comes_last``
"""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.golden.digests import differences, digests_of, values_of
from tests.golden.films import SHARED_VIDEOS, make_sources
from tests.golden.record import film_digests, read_golden
from tests.golden.runs import curate_golden
from tests.golden.specs import RUNS, GoldenRun

pytestmark = pytest.mark.usefixtures("shared_codec")

GOLDEN = read_golden()
DEFAULT = RUNS[0]

Curated = Callable[[GoldenRun], tuple[Path, Path]]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of films by name."""
    return make_sources(tmp_path_factory.mktemp("golden") / "films")


@pytest.fixture(scope="module")
def curated(sources: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Curated:
    """Carries out a run once: output and source of the run."""
    folder = tmp_path_factory.mktemp("curated")

    @cache
    def carry_out(number: int) -> tuple[Path, Path]:
        run, output = RUNS[number], folder / str(number)
        curate_golden(run, sources[run.source], output)
        return output, sources[run.source]

    return lambda run: carry_out(RUNS.index(run))


@pytest.fixture(scope="module")
def parts(curated: Curated) -> dict[str, list[Path]]:
    """Stage -> parts of the state that the default run left, without the notes of publishing."""
    output, _ = curated(DEFAULT)
    folders = sorted((output / "state").iterdir())
    return {one.name: sorted(one.rglob("*.parquet")) for one in folders if one.name != "complete"}


def skip_without_films(source: str) -> None:
    if source == "shared" and not SHARED_VIDEOS.is_dir():
        pytest.skip("no folder ../shared/videos beside the checkout")


@pytest.mark.parametrize("source", sorted(GOLDEN.films))
def test_films_are_those_of_the_golden_runs(sources: dict[str, Path], source: str) -> None:
    skip_without_films(source)
    assert film_digests(sources)[source] == GOLDEN.films[source]


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_run_publishes_what_it_did(curated: Curated, run: GoldenRun) -> None:
    skip_without_films(run.source)
    values = values_of(*curated(run))
    num_rows = {
        part: len(next(iter(columns.values()), ())) for part, columns in values.items() if part != "files"
    }
    changed = differences(GOLDEN.comparable(run.name), digests_of(values), num_rows)
    assert not changed, "\n".join(changed)


def test_every_golden_run_is_tried() -> None:
    assert GOLDEN.runs.keys() == {run.name for run in RUNS}


def test_parts_of_the_state_are_named_by_their_content(parts: dict[str, list[Path]]) -> None:
    for part in (part for found in parts.values() for part in found):
        content = part.stem.rsplit("-", 1)[1]
        assert hashlib.sha256(part.read_bytes()).hexdigest().startswith(content), part
        assert len(content) == 16


def test_the_split_is_written_after_the_rows_of_its_clips(parts: dict[str, list[Path]]) -> None:
    written = {
        stage: max(part.stat().st_mtime_ns for part in found) for stage, found in parts.items() if found
    }
    assert max(written, key=lambda stage: (written[stage], stage == "content")) == "content"


def test_nothing_temporary_is_left(curated: Curated) -> None:
    output, _ = curated(DEFAULT)
    assert [path for path in output.rglob(".*") if path.is_file()] == []
