"""A shot network that computes in few bits, and once more in all of them where that could move a cut."""

from collections.abc import Callable
from functools import cached_property

import numpy as np

from clipmill.models.shots.base import ShotNetwork
from clipmill.shots.windows import CONTEXT, STRIDE

MARGIN = 0.03
"""Twice as far as bfloat16 moved any probability near the threshold, with the released weights."""


class MixedPrecisionShotNetwork:
    """Answers of ``quick``, but of ``exact`` for windows that say of a frame nearly ``threshold``.

    ``exact`` is opened when it is first needed, which many videos never do.
    """

    def __init__(self, quick: ShotNetwork, exact: Callable[[], ShotNetwork], *, threshold: float) -> None:
        self._quick = quick
        self._open_exact = exact
        self._threshold = threshold

    @property
    def batch_windows(self) -> int:
        """As ``quick`` likes it."""
        return self._quick.batch_windows

    @cached_property
    def _exact(self) -> ShotNetwork:
        return self._open_exact()

    def predict(self, windows: np.ndarray) -> np.ndarray:
        """See ``clipmill.models.shots.base.ShotNetwork``."""
        answers = self._quick.predict(windows)
        believed = answers[:, CONTEXT : CONTEXT + STRIDE]
        near = np.flatnonzero((np.abs(believed - self._threshold) < MARGIN).any(axis=1))
        if len(near):
            answers[near] = self._exact.predict(windows[near])
        return answers
