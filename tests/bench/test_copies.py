"""The measure by which finding copies is judged."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from bench.copied_files import CHANGES as COPIED_FILES
from bench.copied_files import Found
from bench.copies import (
    Compared,
    different_shots,
    main,
    precision,
    recall,
    similarities,
    with_sketch,
    without_sketch,
)
from bench.copy_changes import CHANGES, STACKED, Shot, Timing, sampled
from tests.support.films.sketches import pictures

NUMBERED = Shot("film 0.0 s", np.arange(100, dtype=np.uint8).repeat(12).reshape(100, 2, 2, 3), fps=25)
FOUND = Compared(
    names=("one", "other", "third"),
    originals=np.eye(3, dtype=np.float32),
    copies={"trim": np.array([[1, 0, 0], [0, 0.6, 0.8], [0, 0, 1]], np.float32)},
)


@pytest.mark.parametrize(
    ("timing", "shown"),
    [
        (Timing(), [0, 12, 25, 37, 50, 62, 75, 87]),
        (Timing(start=0.2), [20, 32, 45, 57, 70, 82, 95]),
        (Timing(end=0.8), [0, 12, 25, 37, 50, 62, 75]),
        (Timing(speed=2), [0, 25, 50, 75]),
        (Timing(grid=0.5), [6, 18, 31, 43, 56, 68, 81, 93]),
        (Timing(rate_fps=1), [0, 0, 25, 25, 50, 50, 75, 75]),
    ],
    ids=["whole", "first trimmed", "last trimmed", "faster", "grid", "rate"],
)
def test_a_copy_shows_the_frames_of_its_times(timing: Timing, shown: list[int]) -> None:
    assert sampled(NUMBERED, timing)[:, 0, 0, 0].tolist() == shown


def test_recall_counts_copies_that_reach_the_threshold() -> None:
    assert recall(FOUND, "trim", min_similarity=0.7) == pytest.approx(2 / 3)
    assert recall(FOUND, "trim", min_similarity=0.6) == 1


def test_precision_counts_originals_that_are_taken_for_another() -> None:
    assert precision(FOUND, "trim", min_similarity=0.7) == pytest.approx(2 / 3)
    assert precision(FOUND, "trim", min_similarity=0.9) == 1


def test_the_most_similar_different_shots_are_named() -> None:
    near = replace(FOUND, originals=np.array([[1, 0, 0.6], [0, 1, 0.8], [0.6, 0.8, 1]]))
    values, names = different_shots(near)
    assert values.max() == pytest.approx(0.8)
    assert names == ("other", "third")


@pytest.mark.parametrize("name", [*CHANGES, *STACKED])
def test_every_change_gives_a_clip(name: str) -> None:
    rng = np.random.default_rng(1)
    shot = Shot("film 0.0 s", rng.integers(0, 256, (50, 90, 160, 3)).astype(np.uint8), fps=25)
    changed = (CHANGES | STACKED)[name](shot, rng)
    assert changed.dtype == np.uint8
    assert changed.ndim == 4
    assert len(changed) >= 2
    assert not np.array_equal(changed, sampled(shot))


def test_copies_are_compared_as_deduplication_does() -> None:
    clip, later = pictures(0), pictures(0, from_step=4, num_steps=8)
    one, other = (np.repeat(fine[..., None], 3, axis=-1).astype(np.uint8) for fine in (clip, later))
    apart = similarities([without_sketch(one)], [without_sketch(other)])
    assert apart[0, 0] < 0.78 < similarities([with_sketch(one)], [with_sketch(other)])[0, 0]


def test_nothing_to_measure_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--videos", str(tmp_path)]) == 1
    assert "no video" in capsys.readouterr().err


def test_files_are_found_by_their_group_and_joined_falsely_across_shots() -> None:
    group = {("one", ""): "a", ("one", "logo"): "a", ("two", ""): "b", ("two", "logo"): "c"}
    found = Found(group, stays={}, cpu_s=1.0)
    assert [found.is_found(name, "logo") for name in ("one", "two")] == [True, False]
    assert found.false_joins == 0
    assert replace(found, group={**group, ("two", "logo"): "a"}).false_joins == 1


def test_changed_files_show_what_their_change_says(tmp_path: Path) -> None:
    film = NUMBERED.frames.repeat(16, axis=1).repeat(16, axis=2)
    shown = {}
    for name in ("first 15 % trimmed", "half the frame rate", "5 % faster", "letterboxed by 12 %"):
        COPIED_FILES[name].write(tmp_path / "copy.mp4", film, Fraction(25))
        with av.open(tmp_path / "copy.mp4") as container:
            stream = container.streams.video[0]
            shown[name] = (sum(1 for _ in container.decode(stream)), stream.average_rate, stream.height)
    assert shown == {
        "first 15 % trimmed": (85, 25, 32),
        "half the frame rate": (50, Fraction(25, 2), 32),
        "5 % faster": (100, Fraction(105, 4), 32),
        "letterboxed by 12 %": (100, 25, 40),
    }
