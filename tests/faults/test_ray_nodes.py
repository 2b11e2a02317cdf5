"""Ray as several nodes of this machine: one is killed, or the driver is, or its autoscaler starts one."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.runs.curation import ROOT, environment

pytestmark = pytest.mark.timeout(600)


def done(*arguments: str) -> dict[str, object]:
    env = environment()
    env["PYTHONPATH"] = f"{env['PYTHONPATH']}:{ROOT}"
    ended = subprocess.run(
        [sys.executable, "-m", "tests.support.runs.ray_nodes", *arguments],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    [found] = [line for line in ended.stdout.splitlines() if line.startswith("{")]  # beside lines of Ray's
    return json.loads(found)


@pytest.fixture
def source(tmp_path: Path, collection: Path) -> Path:
    shutil.copytree(collection, tmp_path / "source")
    return tmp_path / "source"


def test_a_run_that_loses_a_node_publishes_what_an_undisturbed_one_does(source: Path, tmp_path: Path) -> None:
    found = done("lose", str(source), str(tmp_path))
    assert found == {"was_lost": True, "num_alive": 2, "is_equal": True}


def test_a_driver_that_was_killed_is_started_again_on_the_same_nodes(source: Path, tmp_path: Path) -> None:
    found = done("restart", str(source), str(tmp_path))
    assert found == {"codes": [-9, 0], "is_equal": True}


def test_nodes_with_gpus_come_when_a_stage_asks_for_them_and_go_again(source: Path, tmp_path: Path) -> None:
    found = done("grow", str(source), str(tmp_path))
    assert found == {"before": 0, "left": 0, "is_equal": True}
