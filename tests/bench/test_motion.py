"""The comparison with the reference's motion score runs, on one film."""

from pathlib import Path

import numpy as np
import pytest

from bench import motion
from bench.motion import Agreement

pytestmark = pytest.mark.integration


def test_a_film_of_each_style_and_encoder_is_a_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(motion, "SIZE_PX", (96, 54))
    monkeypatch.setattr(motion, "STYLES", {"animated": motion.STYLES["animated"]})
    assert motion.main(["--shots", "1"]) == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    assert [row.split(" | ")[0] for row in rows] == [f"| animated, {name}" for name in motion.ENCODINGS]


def test_a_folder_without_vectors_is_nothing_to_measure(tmp_path: Path) -> None:
    assert motion.main(["--videos", str(tmp_path)]) == 1


def test_the_ratio_leaves_out_what_stands_still_and_the_verdict_does_not() -> None:
    scores = Agreement(
        "film", ours=np.array([0.0, 0.002, 0.004, 0.02]), theirs=np.array([0, 0.0005, 0.004, 0.01])
    )
    assert scores.row() == ["film", "4", "1.00", "2.00 (1.50 to 3.00)", "0.75"]
