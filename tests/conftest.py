import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.films.small_films import draw_collection, draw_film
from tests.support.machine import HAS_NVIDIA_DRIVER
from tests.support.runs.dedup_runs import write_copies
from tests.support.runs.one_codec import one_codec_process

# Ray and Flyte read these where a test starts them, whoever called pytest.
os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# Idle workers beyond the cores are kept for the next actors; else Ray ends some and starts others instead.
os.environ.setdefault("RAY_num_workers_soft_limit", "16")


TESTS = Path(__file__).parent
TIERS = ("unit", "integration", "end_to_end")
WHOLE_RUNS = {"end_to_end", "faults", "flyte", "golden"}
"""Folders whose tests carry out whole runs."""
ON_RAY = "on_ray"
"""Folders whose tests start Ray, which takes the cores of a small machine for itself."""
REGISTERED = "flyte"
"""The folder of one registration: each process that runs some of its tests would make its own."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--random-edits N``: how many films ``tests/media/sound`` joins and damages by chance."""
    parser.addoption("--random-edits", default="6", help="films that are edited by chance")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test gets a tier; tests marked ``gpu`` run where there is one; long files come first."""
    items.sort(key=lambda item: _rank(item.path))
    for item in items:
        if not any(item.get_closest_marker(tier) for tier in TIERS):
            item.add_marker(_tier(item.path))
        if item.get_closest_marker("gpu") and not HAS_NVIDIA_DRIVER:
            item.add_marker(pytest.mark.skip(reason="needs a GPU; this machine has no NVIDIA driver"))


@cache
def _rank(path: Path) -> int:
    """Processes that share the tests end at about one time where the long files are done first."""
    folders = path.relative_to(TESTS).parts
    return 0 if ON_RAY in folders else 1 if REGISTERED in folders else 2 if WHOLE_RUNS & set(folders) else 3


def pytest_runtest_setup() -> None:
    """Takes real-time priority back from the process: SVT-AV1 gives it to whatever encodes as root.

    Two such processes on two cores leave nothing for the codec processes that they wait for.
    """
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """``pytest -n 2``: each file in one process, so that its fixtures are made once."""
    from tests.support.by_file import ByFile

    return ByFile(config, log, together=(ON_RAY, REGISTERED))


@cache
def _tier(path: Path) -> str:
    """A file without a mark of its own: by its folder."""
    return "end_to_end" if WHOLE_RUNS & set(path.relative_to(TESTS).parts) else "unit"


@pytest.fixture(scope="session", autouse=True)
def no_wait_for_the_disk() -> Iterator[None]:
    """Files of tests need not outlive a machine that fails; runs sync some forty of them each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _file: None)
        yield


@pytest.fixture(scope="session")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of films, copies and broken files; not to be written to."""
    folder = tmp_path_factory.mktemp("collection")
    draw_collection(folder)
    return folder


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One film of two clips; not to be written to."""
    return draw_film(tmp_path_factory.mktemp("film") / "harbour.mp4", seed=1)


@pytest.fixture
def shared_codec() -> Iterator[None]:
    """``one_codec_process`` for one test."""
    with one_codec_process():
        yield


@pytest.fixture(scope="module")
def module_codec() -> Iterator[None]:
    """``one_codec_process`` for the tests of a file."""
    with one_codec_process():
        yield


@pytest.fixture
def embeddings(tmp_path: Path) -> Path:
    """A folder with three nearly equal embeddings for each of twelve films, in two files."""
    folder = tmp_path / "embeddings"
    write_copies(folder)
    return folder


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Where a run writes; not there yet."""
    return tmp_path / "output"
