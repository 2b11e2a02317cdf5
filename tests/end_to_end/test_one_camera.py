"""Clips of one video that look alike: only what is shown again goes."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from footage.encode import H264, Encoding, write_film
from tests.support.films.small_films import FPS
from tests.support.runs.curation import curate_here, rows, small_spec

SLIDE_FRAMES = 4 * FPS
STRIDE = {"clip_len_s": 4.0, "clip_stride_s": 4.0}
SPEC = small_spec(
    split={"algorithm": "fixed_stride", "fixed_stride": STRIDE}, motion=None, preview=None, quality=None
)
WORSE = Encoding("h264", H264.encoder, {**H264.options, "crf": "32"})


def slide(number: int) -> np.ndarray:
    """A heading and lines of words, in black bars; between slides only the words differ."""
    picture = np.full((148, 264, 3), 250, dtype=np.uint8)
    picture[14:24, 80:180] = 10
    rng = np.random.default_rng(number)
    for top in range(50, 140, 20):
        for left in range(24, 220, 12):
            picture[top : top + 4, left : left + int(rng.integers(0, 12))] = 30
    return np.pad(picture, ((16, 16), (28, 28), (0, 0)))


def slides(*numbers: int) -> Iterator[np.ndarray]:
    for number in numbers:
        yield from [slide(number)] * SLIDE_FRAMES


@pytest.mark.integration
def test_other_words_on_a_slide_are_another_clip_and_a_copy_of_the_film_is_not(
    tmp_path: Path, shared_codec: None
) -> None:
    films = tmp_path / "films"
    films.mkdir()
    for name, encoding in (("a", H264), ("b", WORSE)):
        pictures = slides(1, 2, 3, 1)
        write_film(films / f"{name}.mp4", pictures, time_base=Fraction(1, FPS), encoding=encoding)
    curate_here(films, tmp_path / "out", SPEC)
    clips = {row["clip_id"]: row for row in rows(tmp_path / "out", "clips")}
    kept = sorted(row["start_s"] for row in clips.values() if row["status"] == "kept")
    assert len(clips) == 8
    assert len(kept) == 3
    for row in rows(tmp_path / "out", "duplicates"):
        gone, stays = clips[row["clip_id"]], clips[row["duplicate_of"]]
        shown = [round(float(str(each["start_s"]))) // 4 % 3 for each in (gone, stays)]
        assert shown[0] == shown[1]
