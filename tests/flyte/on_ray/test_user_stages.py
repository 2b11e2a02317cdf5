"""Stages of a user's own by ``pyflyte run`` here; in a registered task: test_pods."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.runs.curation import PYFLYTE, ROOT, environment, published_files
from tests.support.stages.users_package import (
    PACKAGE,
    Workplace,
    workplace,
)

pytestmark = pytest.mark.timeout(400)

DARK = {"use": f"{PACKAGE}.dark:DarkFilter", "threshold": 0.2}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    return workplace(tmp_path / "place", monkeypatch)


def test_a_spec_in_yaml_runs_through_the_local_workflow(place: Workplace) -> None:
    """The published files are those of a run without Flyte, also of a stage behind deduplication."""
    place.run(DARK, {**DARK, "key": "late", "threshold": 0, "after": "dedup"})
    inline = published_files(place.output)
    place.output.rename(place.folder / "inline")
    done = subprocess.run(
        [sys.executable, "-c", PYFLYTE, "run", "workflows/curate.py", "curate", "--source", str(place.source),
         "--output", str(place.output), "--spec", str(place.folder / "spec.yaml"), "--engine", "map"],
        cwd=ROOT,
        env=environment(HOME=str(place.folder), PYTHONPATH=f"{place.package.parent}:{ROOT}"),
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = published_files(place.output)
    assert found.keys() == inline.keys()
    assert [name for name in inline if found[name] != inline[name]] == []
