"""Answers in few bits, and again in all of them where that could move a cut."""

import numpy as np
import pytest

from clipmill.models.shots.open import MARGIN, MixedPrecisionShotNetwork

THRESHOLD = 0.4


class Fixed:
    """Says the same of every frame of a window: the number of its first pixel, moved, in percent."""

    batch_windows = 3

    def __init__(self, moved: float = 0.0) -> None:
        self.moved = moved
        self.asked = 0

    def predict(self, windows: np.ndarray) -> np.ndarray:
        self.asked += len(windows)
        return np.repeat(windows[:, :1, 0, 0, 0] / 100 + self.moved, 100, axis=1).astype(np.float32)


def windows(*percent: int) -> np.ndarray:
    return np.stack([np.full((100, 27, 48, 3), one, np.uint8) for one in percent])


def test_only_windows_near_the_threshold_are_looked_at_again() -> None:
    quick, exact = Fixed(0.01), Fixed()
    network = MixedPrecisionShotNetwork(quick, lambda: exact, threshold=THRESHOLD)
    assert network.predict(windows(10, 39, 90))[:, 50] == pytest.approx([0.11, 0.39, 0.91])
    assert (quick.asked, exact.asked) == (3, 1)


def test_what_is_context_only_is_not_looked_at_again() -> None:
    class Edges(Fixed):
        def predict(self, windows: np.ndarray) -> np.ndarray:
            answers = super().predict(windows)
            answers[:, :25], answers[:, 75:] = THRESHOLD, THRESHOLD
            return answers

    exact = Fixed()
    MixedPrecisionShotNetwork(Edges(), lambda: exact, threshold=THRESHOLD).predict(windows(10))
    assert exact.asked == 0


def test_the_exact_network_is_opened_once_and_only_when_it_is_needed() -> None:
    opened = list[Fixed]()

    def open_exact() -> Fixed:
        opened.append(Fixed())
        return opened[-1]

    network = MixedPrecisionShotNetwork(Fixed(), open_exact, threshold=THRESHOLD)
    network.predict(windows(10))
    assert not opened
    for _ in range(2):
        network.predict(windows(round(100 * (THRESHOLD + MARGIN / 2))))
    assert len(opened) == 1


def test_batches_are_those_of_the_quick_network() -> None:
    assert MixedPrecisionShotNetwork(Fixed(), Fixed, threshold=THRESHOLD).batch_windows == 3
