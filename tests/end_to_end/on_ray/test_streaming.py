"""Streaming is real: operators that work at once, on one core and on two, with one result."""

import json
import re
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from clipmill.cli.exits import STOPPED
from tests.support.films.small_films import draw_film
from tests.support.runs.curation import ROOT, Row, fates, laps, published_files, rows

pytestmark = pytest.mark.timeout(600)

NUM_CPUS = ("1", "2")
Plans = dict[str, Any]
HANG_S = 400.0


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, collection: Path) -> Path:
    """The collection and a film that kills its decoder."""
    folder = tmp_path_factory.mktemp("streaming") / "source"
    shutil.copytree(collection, folder)
    draw_film(folder / "SCAN_CRASH.mp4", seed=60, shots=(30,))
    return folder


@pytest.fixture(scope="module")
def plans(source: Path, ray_address: str) -> Plans:
    """Ray's plans; what was curated inline, on one core and on two lies beside the source."""
    arguments = ["tests/support/runs/ray_runs.py", str(source), str(source.parent), ray_address]
    subprocess.run([sys.executable, *arguments], cwd=ROOT, timeout=HANG_S, check=True)
    return json.loads((source.parent / "found.json").read_bytes())


@pytest.mark.parametrize(("plan", "kind"), [("logical", "MapBatches"), ("physical", "ActorPoolMapOperator")])
def test_ray_runs_at_least_three_operators(plans: Plans, plan: str, kind: str) -> None:
    assert plans[plan].count(kind) >= 3


@pytest.mark.usefixtures("plans")
@pytest.mark.parametrize("num_cpus", NUM_CPUS)
def test_cores_do_not_show_in_what_is_published(source: Path, num_cpus: str) -> None:
    inline_files, ray_files = (published_files(source.parent / name) for name in ("inline", num_cpus))
    assert ray_files.keys() == inline_files.keys()
    assert ray_files == inline_files


@pytest.mark.usefixtures("plans")
@pytest.mark.parametrize("num_cpus", NUM_CPUS)
def test_crashing_decoder_costs_its_video_on_ray_too(source: Path, num_cpus: str) -> None:
    found = fates(source.parent / num_cpus, source)
    assert found["SCAN_CRASH.mp4"] == "decoder_crashed"
    assert [name for name, fate in found.items() if fate == "curated"] == [
        "harbour.mp4", "market.mp4", "reposts/worn.mp4"
    ]  # fmt: skip


def test_custom_stage_drops_clips_in_a_worker_of_ray(plans: Plans) -> None:
    assert plans["customs"] == ["cut", "custom"]


def test_a_stage_of_a_script_runs_on_ray_and_stops_the_run_where_it_ends_its_process(
    source: Path, plans: Plans
) -> None:
    said = plans["broken"]
    assert said["well"] == ""
    assert {row["own_score"] for row in rows(source.parent / "well", "clips")} == {0.5}
    named = re.fullmatch(
        r"a worker of (.+) died again and again at (.+?): .*", said["exits"].partition(": ")[2]
    )
    assert named is not None, said["exits"]
    assert named[1].startswith("fixed_stride, ")
    assert "own" in named[1].split(", ")
    assert str(source.parent / "good_and_bad") in named[2]


def test_ctrl_c_publishes_what_is_done_on_ray_too(plans: Plans) -> None:
    found = plans["interrupted"]
    assert found["code"] == STOPPED
    assert found["pending"] > 0
    assert found["next"].endswith("this one stopped: Ctrl-C")


def overlap(one: Row, other: Row) -> bool:
    starts, ends = ([float(str(lap[name])) for lap in (one, other)] for name in ("started_s", "ended_s"))
    return max(starts) < min(ends)


@pytest.mark.usefixtures("plans")
def test_two_videos_are_in_different_stages_at_once(source: Path) -> None:
    done = laps(source.parent / "2")
    assert any(
        one["operator"] != other["operator"] and one["video_id"] != other["video_id"] and overlap(one, other)
        for one, other in product(done, done)
    )
