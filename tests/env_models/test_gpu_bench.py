"""The measurement for a machine with a GPU: every part runs here on a CPU with tiny sizes."""

import json
from pathlib import Path

import pytest

from bench import gpu
from tests.support.films.small_films import draw_film


def test_every_part_runs_or_says_why_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = draw_film(tmp_path / "harbour.mp4", seed=1)
    assert gpu.main(["--tiny", "--video", str(film)]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    notes = {row["part"]: row["note"] for row in report["rows"]}
    assert len(notes) == 8
    nvdec = notes.pop("decode, NVDEC")
    assert nvdec.startswith("not run: ") or nvdec == ""
    assert set(notes.values()) == {""}
    assert all(row["rate"] > 0 for row in report["rows"] if not row["note"])
