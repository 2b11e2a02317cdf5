"""A stage of a script on Ray: it runs there, and where it ends its process it stops the run."""

import json
import re
from pathlib import Path

import pytest

from tests.support.runs.curation import ROOT, rows, run_python
from tests.support.stages.broken_stages import ERRORS, draw_good_and_bad


@pytest.mark.timeout(300)
def test_a_stage_of_a_script_runs_on_ray_and_stops_the_run_where_it_ends_its_process(tmp_path: Path) -> None:
    films = draw_good_and_bad(tmp_path / "source")
    script = str(ROOT / "tests" / "support" / "stages" / "broken_stages.py")
    run_python(script, str(films), str(tmp_path), "well", "exits")
    said = json.loads((tmp_path / ERRORS).read_text())
    assert said["well"] == ""
    assert {row["own_score"] for row in rows(tmp_path / "well", "clips")} == {0.5}
    named = re.fullmatch(
        r"a worker of (.+) died again and again at (.+?): .*", said["exits"].partition(": ")[2]
    )
    assert named is not None, said["exits"]
    assert named[1].startswith("fixed_stride, ")
    assert "own" in named[1].split(", ")
    assert str(films) in named[2]
