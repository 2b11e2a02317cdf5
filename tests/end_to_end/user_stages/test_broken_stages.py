"""A stage that fails on everything stops the run early, with its name, and what is done is kept."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.support.runs.curation import laps, rows
from tests.support.stages.broken_stages import BAD, GOOD, Dies, Fails, curate, draw_good_and_bad

BROKEN = "RunStopped: stage own is broken: 20 items in a row failed; the last: stage own: ArithmeticError: "


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film that the stage can do and one of thirty clips that it cannot do."""
    return draw_good_and_bad(tmp_path_factory.mktemp("films") / "source")


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
    assert {Path(str(row["source_uri"])).name for row in rows(output, "clips")} == {GOOD, BAD}
    assert {row["own_score"] for row in rows(output, "clips")} == {0.5}
    assert set(Counter(lap["video_id"] for lap in laps(output) if lap["operator"] == "scan").values()) == {1}
