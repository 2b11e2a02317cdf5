"""The measure by which cut detection is judged."""

import json
from pathlib import Path

import numpy as np
import pytest

from bench.cuts import Labels, Tally, labelled_films, main, read_labels, tally, verified
from clipmill.records import FrameSpan
from clipmill.shots.changes import compare, looks_of
from clipmill.shots.content import find_cuts
from clipmill.shots.hard import cut_probabilities
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage

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


class Says:
    """A network that gives every frame one probability."""

    batch_windows = 1

    def __init__(self, probability: float) -> None:
        self.probability, self.num_asked = probability, 0

    def predict(self, windows: np.ndarray) -> np.ndarray:
        self.num_asked += len(windows)
        return np.full(windows.shape[:2], self.probability, np.float32)


def film_of(share: float) -> np.ndarray:
    """A picture whose cells change at frame 60 by a share of their difference to another, with some noise."""
    rng = np.random.default_rng(4)
    one, other = rng.integers(0, 255, (2, 9, 16, 3)).repeat(3, axis=1).repeat(3, axis=2)
    later = one + share * (other - one)
    film = np.stack([one if frame < 60 else later for frame in range(120)]) + rng.normal(
        0, 6, (120, 27, 48, 3)
    )
    return np.clip(film, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("bounds", "alone", "by_answer"),
    [
        ((0.05, 0.5), (), {0.0: (), 0.3: (), 0.5: (60,)}),
        ((0.5, 0.95), (60,), {0.0: (), 0.01: (60,), 0.9: (60,)}),
        ((0.97, 1.1), (60,), {0.0: (60,)}),
    ],
    ids=["doubtful", "probable", "sure"],
)
def test_the_network_decides_about_cuts_in_doubt(
    bounds: tuple[float, float], alone: tuple[int, ...], by_answer: dict[float, tuple[int, ...]]
) -> None:
    times_s = np.arange(120) / 25
    films = (film_of(share) for share in np.geomspace(0.02, 1, 80))
    film = next(
        film
        for film in films
        if bounds[0] < cut_probabilities(compare(looks_of(film, times_s)))[60] <= bounds[1]
    )
    assert find_cuts(film, ContentClipExtractionStage().detector_options(), times_s).hard == alone
    for answer, expected in by_answer.items():
        network = Says(answer)
        assert verified(network, film, times_s).hard == expected
        assert network.num_asked == (0 if bounds[0] > 0.95 else 1)
