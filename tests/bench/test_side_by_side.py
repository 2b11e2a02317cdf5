"""Results of NeMo Curator and clipmill on one film, read from their outputs."""

import json
from pathlib import Path

from bench.nemo_curator.side_by_side import read_result, report


def write_output(folder: Path, *, spans: list[tuple[float, float]], **more: object) -> Path:
    (folder / "metas" / "v0").mkdir(parents=True)
    (folder / "clips").mkdir()
    for number, span in enumerate(spans):
        record = {
            "duration_span": span, "num_frames": 300, "num_bytes": 1234 + number,
            "motion_score": {"global_mean": 0.5, "per_patch_min_256": 0.25}, **more,
        }  # fmt: skip
        (folder / "metas" / "v0" / f"{9 - number}.json").write_text(json.dumps(record))
        (folder / "clips" / f"{number}.mp4").write_bytes(b"clip")
    return folder


def test_clips_files_and_keys_stand_beside_each_other(tmp_path: Path) -> None:
    theirs = write_output(tmp_path / "theirs", spans=[(0, 10), (10, 20)])
    ours = write_output(tmp_path / "ours", spans=[(0, 10.03), (10, 20)], reason="")
    (ours / "report.html").write_text("report")
    lines = report(read_result(theirs), read_result(ours)).splitlines()
    assert "| 0.00 to 10.00 / 0.00 to 10.03 | 300 | 300 | 1,234 | 1,234 | 0.500000 | 0.500000 |" in lines[2]
    assert lines[3].startswith("| 10.00 to 20.00 | 300 | 300 | 1,235 |")
    assert {"| `clips` | 2 | 2 |", "| `metas/v0` | 2 | 2 |", "| `report.html` | 0 | 1 |"} <= set(lines)
    assert "| here only | `reason` |" in lines
