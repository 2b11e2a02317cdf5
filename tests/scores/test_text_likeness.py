"""Text drawn over pictures, and pictures without any."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from clipmill.scores.quality import FRAME_MEASURES, clip_quality, frame_measures
from clipmill.scores.text_likeness import COLUMNS, NUM_CELLS, ROWS, _boxes, text_cells, text_likeness
from tests.support.films.score_frames import panned, textured

LINE = "What are you doing here, my friend?"
DROPS = 0.012  # what docs/models.md suggests as a maximum
WIDE = textured(400, 800)


def view(index: int, *, height: int = 360, width: int = 640) -> np.ndarray:
    """A camera that pans over a textured world."""
    return panned(WIDE, x=12.0 * index, y=2.0 * index, height=height, width=width)


def with_text(luma: np.ndarray, *, text: str = LINE, share: float = 0.06, y: float = 0.86) -> np.ndarray:
    picture = Image.fromarray(luma)
    height, width = luma.shape
    ImageDraw.Draw(picture).text(
        (width / 2, height * y), text, fill=235, font=ImageFont.load_default(size=height * share),
        anchor="mm", stroke_width=max(1, height // 250), stroke_fill=16,
    )  # fmt: skip
    return np.asarray(picture)


def likeness(frames: list[np.ndarray]) -> float | None:
    return text_likeness(np.stack([text_cells(frame) for frame in frames]))


def test_a_pan_over_texture_is_no_text() -> None:
    assert likeness([view(index) for index in range(6)]) < DROPS


@pytest.mark.parametrize("height", [180, 360, 720, 1080])
def test_subtitles_are_found_at_any_size(height: int) -> None:
    size = (height * 16 // 9, height)
    frames = [
        with_text(np.asarray(Image.fromarray(view(index)).resize(size, Image.Resampling.BICUBIC)))
        for index in range(4)
    ]
    assert likeness(frames) > DROPS


def test_the_cells_say_where() -> None:
    rows = text_cells(with_text(view(0), y=0.1)).reshape(ROWS, COLUMNS).sum(axis=1)
    assert rows.argmax() == 0
    assert not rows[3:].any()


def test_text_counts_by_its_area() -> None:
    one = [with_text(view(index)) for index in range(4)]
    two = [with_text(frame, y=0.7) for frame in one]
    assert likeness(two) == pytest.approx(2 * likeness(one), rel=0.25)


def test_text_counts_by_its_time() -> None:
    views = [view(index) for index in range(9)]
    always, half = map(with_text, views), [*map(with_text, views[:5]), *views[5:]]
    assert likeness(half) == pytest.approx(likeness(list(always)) / 2, rel=0.15)


def test_what_does_not_stay_does_not_count() -> None:
    moving = [with_text(view(index), y=0.15 + 0.18 * index) for index in range(4)]
    assert likeness(moving) < DROPS


@pytest.mark.parametrize(
    "luma",
    [
        np.full((360, 640), 90, np.uint8),
        np.kron(np.indices((12, 16)).sum(axis=0) % 2, np.ones((30, 40))).astype(np.uint8) * 200,
        np.random.default_rng(0).integers(0, 256, (360, 640), dtype=np.uint8),
        np.tile(np.repeat([0, 255], 4).astype(np.uint8), (360, 80)),
    ],
    ids=["flat", "checkerboard", "noise", "stripes"],
)
def test_patterns_are_no_text(luma: np.ndarray) -> None:
    assert likeness([luma] * 3) < DROPS


@pytest.mark.parametrize("shape", [(1, 1), (9, 640), (360, 8)])
def test_a_tiny_picture_has_none(shape: tuple[int, int]) -> None:
    assert text_cells(np.zeros(shape, np.uint8)).shape == (NUM_CELLS,)


def test_no_sample_is_no_score_and_one_is_enough() -> None:
    assert text_likeness(np.zeros((0, NUM_CELLS))) is None
    assert likeness([with_text(view(0))]) > DROPS


def test_a_clips_quality_names_it() -> None:
    thumbnails = np.zeros((4, 27, 48, 3), np.uint8)
    frames = [with_text(view(index)) for index in range(4)]
    measures = np.stack([frame_measures(frame, thumbnails[0]) for frame in frames])
    assert measures.shape == (4, len(FRAME_MEASURES))
    assert clip_quality(measures, thumbnails, np.arange(5) / 25).text_likeness == likeness(frames)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.5, 0.6, 0.9, 1.0])
def test_the_boxes_of_parts_are_those_of_scipy(share: float) -> None:
    draw = np.random.default_rng(7)
    for shape in draw.integers(1, 40, (50, 2)):
        lines = draw.random(shape) < share
        assert sorted(map(str, _boxes(lines))) == sorted(
            map(str, ndimage.find_objects(ndimage.label(lines)[0]))
        )
