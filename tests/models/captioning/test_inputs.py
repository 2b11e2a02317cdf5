"""Frames as the numbers that vision language models read, against slow formulas."""

import numpy as np
import pytest

from clipmill.models.captioning.inputs.smolvlm import in_words
from clipmill.models.preprocessing.patches import video_patches
from clipmill.models.preprocessing.pixels import Preprocessing

MEAN, STD = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
PREPROCESSING = Preprocessing((1, 1), mean=MEAN, std=STD)


def frames(num: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (num, height, width, 3), dtype=np.uint8)


def slow_patches(video: np.ndarray, *, patch: int, merge: int) -> np.ndarray:
    """Token by token, patch by patch, number by number."""
    _, height, width, _ = video.shape
    token = patch * merge
    rows = []
    for layer in range(len(video) // 2):
        for top in range(0, height, token):
            for left in range(0, width, token):
                for y in range(top, top + token, patch):
                    for x in range(left, left + token, patch):
                        rows.append(
                            [
                                (video[2 * layer + t, y + dy, x + dx, c] / 255 - MEAN[c]) / STD[c]
                                for c in range(3)
                                for t in range(2)
                                for dy in range(patch)
                                for dx in range(patch)
                            ]
                        )
    return np.array(rows)


def test_patches_lie_in_the_order_of_their_tokens() -> None:
    video = frames(4, 16, 24)
    patches, grid = video_patches(video, PREPROCESSING, patch_px=4, merge=2, temporal=2)
    assert grid == (2, 4, 6)
    assert patches.dtype == np.float32
    np.testing.assert_allclose(patches, slow_patches(video, patch=4, merge=2), atol=1e-6)


def test_an_odd_last_frame_is_its_own_pair() -> None:
    video = frames(3, 8, 8)
    odd, grid = video_patches(video, PREPROCESSING, patch_px=4, merge=2, temporal=2)
    even, _ = video_patches(video[[0, 1, 2, 2]], PREPROCESSING, patch_px=4, merge=2, temporal=2)
    assert grid == (2, 2, 2)
    assert (odd == even).all()


def test_frames_of_broken_tokens_are_refused() -> None:
    with pytest.raises(ValueError, match="12x8 are no whole tokens of 8 px"):
        video_patches(frames(2, 12, 8), PREPROCESSING, patch_px=4, merge=2, temporal=2)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (4, "four"), (12, "twelve"), (20, "twenty"), (64, "sixty-four"), (100, "one hundred"),
        (105, "one hundred and five"), (768, "seven hundred and sixty-eight"),
    ],
)  # fmt: skip
def test_numbers_in_words(number: int, words: str) -> None:
    assert in_words(number) == words
