"""Clips have the same bytes whatever a process's memory held before: one process cuts many videos."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.films.small_films import draw_film
from tests.support.runs.clip_bytes import ENCODERS
from tests.support.runs.curation import ROOT

pytestmark = pytest.mark.integration


SIZE_PX = (336, 190)  # 21 macroblocks a row: no multiple of what vector code takes at once
FILLS = ("0", "1", "254")
"""glibc fills memory by these when it is asked for or given back; 0 leaves it as it is."""


@pytest.fixture(scope="module")
def by_fill(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What ``clip_bytes`` prints of one film in a process of each fill: digests by encoder."""
    film = draw_film(tmp_path_factory.mktemp("film") / "film.mp4", seed=5, size_px=SIZE_PX)
    return {fill: digests(film, fill) for fill in FILLS}


def digests(film: Path, fill: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "tests.support.runs.clip_bytes", str(film)],
        env={**os.environ, "MALLOC_PERTURB_": fill, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize("number", range(len(ENCODERS)), ids=ENCODERS)
def test_memory_does_not_show_in_a_clip(by_fill: dict[str, str], number: int) -> None:
    assert len({said.splitlines()[number] for said in by_fill.values()}) == 1
