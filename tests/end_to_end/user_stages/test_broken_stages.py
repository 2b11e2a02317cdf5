"""A stage that fails on everything stops the run early, with its name, and what is done is kept."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.support.films.small_films import draw_film
from tests.support.runs.curation import ROOT, laps, rows, run_python
from tests.support.stages.broken_stages import ERRORS, GOOD, Dies, Fails, curate

BROKEN = "RunStopped: stage own is broken: 20 items in a row failed; the last: stage own: ArithmeticError: "


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film that the stage can do and one of thirty clips that it cannot do."""
    folder = tmp_path_factory.mktemp("films") / "source"
    draw_film(folder / GOOD, seed=1, shots=(30,))
    draw_film(folder / "bad.mp4", seed=2, shots=(180,))
    return folder


@pytest.mark.usefixtures("shared_codec")
@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (Fails(), f"{BROKEN}no such number\nTraceback"),
        (Dies(), "RunStopped: model own is gone: it was killed"),
    ],
    ids=["fails", "dies"],
)
def test_a_broken_stage_stops_the_run_and_what_is_done_is_kept(
    films: Path, tmp_path: Path, stage: Fails, message: str
) -> None:
    output = tmp_path / "out"
    assert curate(str(films), str(output), "inline", stage).startswith(message)
    assert json.loads((output / "manifest.json").read_text())["complete"] is False
    assert curate(str(films), str(output), "inline", type(stage)(is_well=True)) == ""
    assert {Path(str(row["source_uri"])).name for row in rows(output, "clips")} == {GOOD, "bad.mp4"}
    assert {row["own_score"] for row in rows(output, "clips")} == {0.5}
    assert set(Counter(lap["video_id"] for lap in laps(output) if lap["operator"] == "scan").values()) == {1}


@pytest.mark.timeout(300)
def test_a_stage_of_a_script_runs_on_ray_and_breaks_there_as_it_does_here(
    films: Path, tmp_path: Path
) -> None:
    script = str(ROOT / "tests" / "support" / "stages" / "broken_stages.py")
    run_python(script, str(films), str(tmp_path), "well", "fails", "exits")
    said = json.loads((tmp_path / ERRORS).read_text())
    assert said["well"] == ""
    assert {row["own_score"] for row in rows(tmp_path / "well", "clips")} == {0.5}
    assert said["fails"].startswith(f"{BROKEN}no such number\nTraceback")
    named = re.fullmatch(
        r"a worker of (.+) died again and again at (.+?): .*", said["exits"].partition(": ")[2]
    )
    assert named is not None, said["exits"]
    assert named[1].startswith("fixed_stride, ")
    assert "own" in named[1].split(", ")
    assert Path(named[2]).parent == films
