"""The measure by which cut detection is judged."""

import json
from pathlib import Path

import pytest

from bench.cuts import Labels, Tally, labelled_films, main, read_labels, tally
from clipmill.records import FrameSpan

LABELS = Labels(hard=(10, 50, 53), unjudged=(FrameSpan(80, 90),))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([10, 50, 53], Tally(3, 0, 0)),
        ([12, 48], Tally(2, 0, 1)),
        ([13], Tally(0, 1, 3)),
        ([9, 11], Tally(1, 1, 2)),
        ([51, 52], Tally(2, 0, 1)),
        ([85], Tally(0, 0, 3)),
        ([], Tally(0, 0, 3)),
    ],
    ids=["all", "two frames off", "three frames off", "named twice", "nearest first", "unjudged", "none"],
)  # fmt: skip
def test_tally(found: list[int], expected: Tally) -> None:
    assert tally(found, LABELS) == expected


def test_f1_is_one_where_nothing_was_to_be_found() -> None:
    assert Tally(0, 0, 0).f1 == 1.0


def test_f1_weighs_false_and_missed_alike() -> None:
    assert Tally(8, 2, 2).f1 == pytest.approx(0.8)


def write_labels(folder: Path, labels: object) -> Path:
    path = folder / "film.json"
    path.write_text(json.dumps(labels), encoding="utf-8")
    return path


def test_ranges_of_label_files_include_their_last_frame(tmp_path: Path) -> None:
    labels = read_labels(write_labels(tmp_path, {"cuts": [], "gradual": [{"start": 20, "end": 29}]}))
    assert labels.gradual == (FrameSpan(20, 30),)
    assert labels.unjudged == (FrameSpan(16, 34),)


def test_wrong_label_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"film\.json is no label file"):
        read_labels(write_labels(tmp_path, {"shots": []}))


def test_labels_without_videos_are_an_error(tmp_path: Path) -> None:
    write_labels(tmp_path, {"cuts": []})
    with pytest.raises(ValueError, match="no video"):
        list(labelled_films(tmp_path, tmp_path))


def test_nothing_to_measure_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--videos", str(tmp_path)]) == 1
    assert "no video" in capsys.readouterr().err
