from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from clipmill.scores.quality import FRAME_MEASURES, QualityScores, clip_quality, frame_measures
from clipmill.stages.video.filtering.quality_filter import QUALITY_SCORES
from tests.support.films.score_frames import panned, textured, thumbnail

LUMA = textured(360, 640).clip(16, 235).astype(np.uint8)
COLOURS = np.stack([textured(360, 640, seed=seed).clip(0, 255) for seed in (1, 2, 3)], axis=-1).astype(
    np.uint8
)


def grey(luma: np.ndarray) -> np.ndarray:
    return np.repeat(luma[..., None], 3, axis=2)


def moving_thumbnails(num_frames: int) -> np.ndarray:
    wide = textured(400, 700)
    frames = [panned(wide, x=i, y=i, height=360, width=640) for i in range(num_frames)]
    return np.stack([thumbnail(grey(frame)) for frame in frames])


MOVING = moving_thumbnails(20)


def scores(*lumas: np.ndarray, thumbnails: np.ndarray = MOVING) -> QualityScores:
    """Scores of a clip with these sampled frames."""
    measures = np.stack([frame_measures(luma, thumbnail(grey(luma))) for luma in lumas])
    return clip_quality(measures, thumbnails, np.arange(len(thumbnails) + 1) / 25)


def measure(name: str, luma: np.ndarray, rgb: np.ndarray | None = None) -> float:
    measures = frame_measures(luma, thumbnail(grey(luma) if rgb is None else rgb))
    return float(measures[FRAME_MEASURES.index(name)])


def as_jpeg(luma: np.ndarray, *, quality: int) -> np.ndarray:
    file = BytesIO()
    Image.fromarray(luma).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def test_a_blurred_picture_is_less_sharp() -> None:
    sharpness = [measure("sharpness", ndimage.gaussian_filter(LUMA, sigma)) for sigma in (0, 1, 2, 4)]
    assert sharpness == sorted(sharpness, reverse=True)
    assert sharpness[0] > sharpness[-1] + 0.5


def test_a_flat_picture_has_no_sharpness() -> None:
    assert measure("sharpness", np.full((90, 160), 77, np.uint8)) == 0


def test_exposure_is_the_mean_luma() -> None:
    assert measure("exposure", np.full((90, 160), 51, np.uint8)) == pytest.approx(0.2)


def test_a_grey_picture_has_no_colour_and_a_colourful_one_has_more_than_its_faded_copy() -> None:
    faded = (COLOURS.astype(float) * 0.3 + COLOURS.mean(axis=2, keepdims=True) * 0.7).astype(np.uint8)
    assert measure("colourfulness", LUMA) == 0
    assert measure("colourfulness", LUMA, COLOURS) > 2 * measure("colourfulness", LUMA, faded) > 0


def test_colourfulness_is_the_published_formula() -> None:
    halves = np.zeros((27, 48, 3), np.uint8)
    halves[:, :24] = 200, 100, 0
    halves[:, 24:] = 0, 100, 200
    # rg = +-100 with mean 0, yb = +150 and -150 with mean 0: sqrt(100^2 + 150^2)
    assert frame_measures(LUMA, halves)[2] == pytest.approx(np.hypot(100, 150), abs=1e-3)


def test_jpeg_blocks_raise_blockiness() -> None:
    blockiness = [measure("blockiness", as_jpeg(LUMA, quality=quality)) for quality in (95, 30, 5)]
    assert measure("blockiness", LUMA) == pytest.approx(1, abs=0.1)
    assert blockiness == sorted(blockiness)
    assert blockiness[-1] > 1.5


def test_black_ratio_is_the_share_of_black_samples() -> None:
    black = np.full_like(LUMA, 16)
    assert scores(black, LUMA, LUMA, LUMA).black_ratio == 0.25


def test_a_dark_picture_is_not_black() -> None:
    assert scores((LUMA // 4 + 8).astype(np.uint8)).black_ratio == 0


@pytest.mark.parametrize(
    ("rows", "columns", "ratio"),
    [
        ((0, 360), (0, 640), 0.0),
        ((45, 315), (0, 640), 0.25),
        ((0, 360), (80, 560), 0.25),
        ((36, 342), (64, 608), 0.2775),
    ],
    ids=["none", "letterbox", "pillarbox", "both, uneven"],
)  # fmt: skip
def test_letterbox_ratio_is_the_exact_share_of_bars(
    rows: tuple[int, int], columns: tuple[int, int], ratio: float
) -> None:
    boxed = np.full_like(LUMA, 16)
    boxed[slice(*rows), slice(*columns)] = LUMA[slice(*rows), slice(*columns)].clip(40, 235)
    assert scores(boxed, boxed).letterbox_ratio == ratio


def test_a_bar_must_be_there_in_every_sample_that_is_not_black() -> None:
    boxed = LUMA.clip(40, 235)
    boxed[:45] = 16
    assert scores(boxed, np.zeros_like(LUMA), boxed).letterbox_ratio == 0.125
    assert scores(boxed, LUMA.clip(40, 235)).letterbox_ratio == 0


def test_frozen_ratio_is_the_share_of_stretches_in_which_nothing_moves() -> None:
    half_frozen = np.concatenate([np.repeat(MOVING[:1], 20, axis=0), MOVING[1:], MOVING[-1:]])
    assert scores(LUMA, LUMA, thumbnails=np.repeat(MOVING[:1], 20, axis=0)).frozen_ratio == 1
    assert scores(LUMA, LUMA, thumbnails=half_frozen).frozen_ratio == 0.5
    assert scores(LUMA, LUMA, thumbnails=MOVING).frozen_ratio == 0


def test_a_held_frame_is_frozen_for_as_long_as_it_is_shown() -> None:
    """Of ten seconds nine show one picture: the first, one in the middle, or the last."""
    measures = np.stack([frame_measures(LUMA, MOVING[0])] * 10)
    for held in (0, 9, 19):
        steps_s = np.where(np.arange(20) == held, 9.05, 0.05)
        times_s = np.concatenate([[0], np.cumsum(steps_s)])
        assert clip_quality(measures, MOVING, times_s).frozen_ratio in {0.8, 0.9}


@pytest.mark.parametrize(
    ("shown_s", "expected"), [([0.04], None), ([5], 1.0), ([5, 5], 0.888889), ([1.0] * 10, 0.0)],
    ids=["a single frame", "a slide", "two slides", "a slow film"],
)  # fmt: skip
def test_slides_are_frozen_but_for_where_they_change(shown_s: list[float], expected: float | None) -> None:
    measures = np.stack([frame_measures(LUMA, MOVING[0])] * 10)
    times_s = np.concatenate([[0], np.cumsum(shown_s)])
    assert clip_quality(measures, MOVING[: len(shown_s)], times_s).frozen_ratio == expected


def test_repeated_frames_of_a_moving_film_are_not_frozen() -> None:
    assert scores(LUMA, LUMA, thumbnails=MOVING.repeat(3, axis=0)).frozen_ratio == 0


def test_coding_noise_does_not_hide_a_freeze() -> None:
    noise = np.random.default_rng(0).integers(0, 3, MOVING.shape).astype(np.uint8)
    assert scores(LUMA, thumbnails=MOVING[:1].clip(0, 250) + noise).frozen_ratio == 1


def test_what_cannot_be_measured_has_no_score() -> None:
    empty = clip_quality(np.zeros((0, len(FRAME_MEASURES)), np.float32), MOVING[:1], np.array([0, 0.04]))
    assert all(getattr(empty, name) is None for name in QUALITY_SCORES)


def test_scores_are_rounded_to_six_digits() -> None:
    found = scores(LUMA, as_jpeg(LUMA, quality=50))
    values = [getattr(found, name) for name in QUALITY_SCORES]
    assert values == [round(value, 6) for value in values]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 2), (3, 9), (17, 8)])
def test_tiny_pictures_are_measured(height: int, width: int) -> None:
    assert np.isfinite(frame_measures(np.full((height, width), 90, np.uint8), MOVING[0])).all()
