"""Stages of a user's own on Ray: the same bytes, a share of a GPU, many of them, and one that is broken."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from clipmill.engine.graph import OperatorNode, build_operators
from clipmill.planning.from_spec import plan_of_spec
from tests.support.runs.curation import published_files
from tests.support.stages.users_package import LEVELS, PACKAGE, Ran, Workplace, counted, workplace

pytestmark = pytest.mark.timeout(400)

NUM = len(LEVELS)
STAGE = counted(num_gpus_per_worker=0.25)
EIGHT = [
    {
        "use": f"{PACKAGE}.{('dark:Dark', 'apart:Apart')[number % 2]}Filter",
        "key": f"dark_{number}",
        "threshold": 0,
    }
    for number in range(8)
]
"""Neighbours are of different environments, so that each has an operator of its own."""
ALONE = {"embedding": None, "dedup": None}
"""Without operators that no assertion looks at: each starts a process, which takes two seconds of a core."""


@dataclass(frozen=True)
class OnRay:
    """One stage, eight, one that fails on everything and the same mended; the first also inline."""

    folder: Path
    one: Ran
    eight: Ran
    broken: Ran
    mended: Ran


@pytest.fixture(scope="module")
def on_ray(ray_environment: Workplace, ray_address: str) -> OnRay:
    place = ray_environment

    def moved(name: str, ran: Ran) -> Ran:
        place.output.rename(place.folder / name)
        return ran

    moved("inline", place.run(STAGE))
    return OnRay(
        place.folder,
        one=moved("ray", place.run(STAGE, engine="ray")),
        eight=moved("eight", place.run(*EIGHT, engine="ray", **ALONE)),
        broken=place.run(STAGE, engine="ray", fails_above=0.0, **ALONE),
        mended=place.run(STAGE, engine="ray", **ALONE),
    )


def test_it_is_called_once_for_each_clip(on_ray: OnRay) -> None:
    assert len(on_ray.one.calls) == NUM


def test_it_publishes_the_same_bytes_as_inline(on_ray: OnRay) -> None:
    inline, ray = (published_files(on_ray.folder / name) for name in ("inline", "ray"))
    assert ray.keys() == inline.keys()
    assert [name for name in inline if ray[name] != inline[name]] == []


def test_eight_of_them_run_on_two_cores(on_ray: OnRay) -> None:
    found = {key: count for key, count in on_ray.eight.items.items() if key.startswith("dark")}
    assert found == {f"dark_{number}": NUM for number in range(8)}


def test_one_that_fails_on_everything_stops_the_run_with_its_traceback(on_ray: OnRay) -> None:
    assert on_ray.broken.stopped.startswith("stage dark is broken: ")
    assert "Traceback" in on_ray.broken.stopped
    assert "ValueError: this clip is too bright for me" in on_ray.broken.stopped


def test_what_others_did_before_it_broke_is_kept_on_ray(on_ray: OnRay) -> None:
    assert on_ray.mended.items == {"dark": NUM}


def operators(folder: Path, patch: pytest.MonkeyPatch, *, num_gpus: float) -> dict[str, OperatorNode]:
    place = workplace(folder, patch)
    spec = place.spec(counted(num_gpus_per_worker=0.25))
    plan = plan_of_spec(spec, source=str(place.source), output=str(place.output))
    return {node.name: node for node in build_operators(plan, num_cpus=2, num_gpus=num_gpus)}


@pytest.mark.parametrize(("num_gpus", "share"), [(1, 0.25), (0, 0.0)], ids=["with a GPU", "without"])
def test_it_gets_its_share_of_a_gpu_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_gpus: float, share: float
) -> None:
    assert operators(tmp_path, monkeypatch, num_gpus=num_gpus)["dark"].num_gpus == share
