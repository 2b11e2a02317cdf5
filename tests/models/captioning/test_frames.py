"""How many frames show a window, which, and how large."""

import numpy as np
import pytest

from clipmill.models.captioning.frames import (
    BUDGETS,
    fitted_size,
    frames_shown,
    num_frames_shown,
    prepared,
    resized,
    window_frames,
)
from clipmill.records import FrameSpan
from clipmill.stages.video.caption.caption_preparation import CaptionPreparationStage


def numbered(num: int, height: int = 2, width: int = 2) -> np.ndarray:
    """Frames of which each is filled with its number."""
    return np.broadcast_to(
        np.arange(num, dtype=np.uint8)[:, None, None, None], (num, height, width, 3)
    ).copy()


@pytest.mark.parametrize(
    ("num_frames", "source_fps", "sampling_fps", "expected"),
    [
        (256, 30, 2, 18), (300, 30, 2, 20), (256, 24, 2, 22), (90, 30, 2, 6), (4, 30, 2, 4), (10, 30, 2, 4),
        (5, 1, 60, 4), (3000, 30, 30, 768), (256, 30, 30, 256), (301, 30, 30, 300), (256, 30, 0.1, 4),
    ],
)  # fmt: skip
def test_a_window_shows_as_many_frames_as_documented(
    num_frames: int, source_fps: float, sampling_fps: float, expected: int
) -> None:
    window = FrameSpan(0, num_frames)
    assert num_frames_shown(window, source_fps=source_fps, sampling_fps=sampling_fps) == expected


@pytest.mark.parametrize(
    ("window", "num_frames", "expected"),
    [
        (FrameSpan(0, 100), 10, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (FrameSpan(0, 100), 4, [0, 3, 6, 9]),
        (FrameSpan(50, 100), 4, [5, 6, 8, 9]),
        (FrameSpan(10, 30), 4, [1, 1, 2, 2]),
        (FrameSpan(12, 18), 4, [1, 1, 1, 1]),
        (FrameSpan(97, 99), 2, [9, 9]),
    ],
    ids=["all", "every third", "second window", "some twice", "between two samples", "after the last"],
)
def test_frames_are_spread_over_the_window(window: FrameSpan, num_frames: int, expected: list[int]) -> None:
    shown = frames_shown(numbered(10), np.arange(0, 100, 10), window, num_frames=num_frames)
    assert shown[:, 0, 0, 0].tolist() == expected


def test_a_window_without_samples_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing"):
        frames_shown(numbered(0), np.arange(0), FrameSpan(0, 10), num_frames=4)


@pytest.mark.parametrize(
    ("variant", "size", "num_frames", "expected"),
    [
        ("qwen", (336, 597), 20, (336, 588)),
        ("qwen", (720, 1280), 20, (560, 1008)),
        ("qwen", (720, 1280), 768, (224, 420)),
        ("qwen", (90, 160), 20, (252, 448)),
        ("qwen", (10, 400), 4, (56, 2016)),
        ("qwen3", (336, 597), 20, (320, 608)),
        ("qwen3", (1080, 1920), 20, (640, 1152)),
    ],
)
def test_frames_fit_the_budget_of_their_model(
    variant: str, size: tuple[int, int], num_frames: int, expected: tuple[int, int]
) -> None:
    assert fitted_size(*size, num_frames=num_frames, budget=BUDGETS[variant]) == expected


def test_frames_are_brought_within_the_budget_of_the_variant() -> None:
    frames = np.zeros((4, 90, 160, 3), np.uint8)
    assert prepared(frames, CaptionPreparationStage().options).shape == (4, 252, 448, 3)


@pytest.mark.parametrize(
    "spec",
    [
        CaptionPreparationStage(model_does_preprocess=True),
        CaptionPreparationStage(model_variant="smolvlm2"),
    ],
    ids=["the model does it", "no budget"],
)
def test_frames_are_handed_on_as_they_are(spec: CaptionPreparationStage) -> None:
    frames = np.zeros((4, 90, 160, 3), np.uint8)
    assert prepared(frames, spec.options) is frames


def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(90, 160, (2, 50, 60, 3), dtype=np.uint8)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_numbers_of_the_resize_change_at_most_a_level_or_two(dtype: str) -> None:
    exact = resized(noise(), (42, 56), dtype="float32").astype(int)
    assert np.abs(resized(noise(), (42, 56), dtype=dtype).astype(int) - exact).max() <= 1
    assert np.abs(resized(noise(), (42, 56), dtype="uint8").astype(int) - exact).max() <= 2


def test_a_frame_of_one_colour_keeps_it_in_every_type() -> None:
    frames = np.full((1, 30, 30, 3), 201, np.uint8)
    for dtype in ("uint8", "float32", "float16", "bfloat16"):
        assert (resized(frames, (28, 28), dtype=dtype) == 201).all()


def test_the_rate_shown_is_that_of_the_frames_that_are_shown() -> None:
    spec = CaptionPreparationStage(model_does_preprocess=True)
    frames, fps = window_frames(
        numbered(20), np.arange(0, 300, 15), FrameSpan(0, 256), source_fps=30, options=spec.options
    )
    assert len(frames) == 18
    assert fps == pytest.approx(18 / (256 / 30))
