"""Steps between frames: how large the one into each frame is, and how large steps near it usually are."""

from dataclasses import dataclass

import numpy as np

from clipmill.shots.changes import MAX_LAG, Changes
from clipmill.shots.detector_frames import reach_s

NEIGHBOURS = 6
"""Frame steps on each side that say how much change is usual here.

Those beyond ``reach_s`` do not count, but for the nearest ``FEWEST_NEIGHBOURS``.
"""

FEWEST_NEIGHBOURS = 2

NEIGHBOUR_WEIGHTS = (1 / (1 + 0.3 * np.arange(NEIGHBOURS))).astype(np.float32)
"""Nearer steps count for more: a cut may lead from a still shot into a camera that starts to race."""


@dataclass(frozen=True)
class Steps:
    """How one measure of change goes on around each frame, float32 ``(N,)`` each.

    ``across`` is the change from the frames before to those from it on. ``largest`` and ``second`` are the
    largest and second largest of the steps near it, weighted; ``calmer`` is the largest on the side where
    less changes.
    """

    across: np.ndarray
    largest: np.ndarray
    second: np.ndarray
    calmer: np.ndarray

    def __getitem__(self, frames: slice | np.ndarray) -> "Steps":
        return Steps(self.across[frames], self.largest[frames], self.second[frames], self.calmer[frames])


def steps_of(changes: Changes) -> tuple[Steps, Steps]:
    """Returns the steps of structure and those of colour."""
    near = _near_steps(changes.times_s)
    return _steps(changes.structure, near), _steps(changes.colour, near)


def _steps(change: np.ndarray, near: np.ndarray) -> Steps:
    """``change`` is a measure of ``Changes``, ``(N, MAX_LAG)``, ``near`` what ``_near_steps`` gives.

    The step into a frame is left out of those near it; of these the larger side of the frame counts. The
    second largest keeps a neighbouring cut from hiding this one, and is not fooled by drawings that are held
    for two or three frames.
    """
    into = np.zeros(len(change) + 2 * NEIGHBOURS + 1, np.float32)
    into[NEIGHBOURS + 1 : NEIGHBOURS + len(change)] = change[:-1, 0]
    sides = into.take(_SIDES + np.arange(len(change))[:, None]) * near
    sides.sort(axis=2)
    largest = np.maximum(sides[0], sides[1])
    return Steps(_across(change), largest[:, -1], largest[:, -2], np.minimum(*sides[:, :, -1]))


def _across(change: np.ndarray) -> np.ndarray:
    """Smallest difference between a frame before t and one from t on, at most ``MAX_LAG`` apart, ``(N,)``.

    A flash is as different from what comes before as a cut is, but what comes after it is not.
    """
    earlier = np.full((MAX_LAG, MAX_LAG), np.inf, np.float32)
    framed = np.concatenate([earlier, change])
    pairs = np.arange(len(change))[:, None] * MAX_LAG + _PAIRS_ACROSS
    smallest = np.minimum.reduce(framed.take(pairs), axis=1)
    smallest[:1] = 0
    return smallest


_PAIRS_ACROSS = np.array(
    [
        (MAX_LAG - first_before) * MAX_LAG + lag - 1
        for lag in range(1, MAX_LAG + 1)
        for first_before in range(1, lag + 1)
    ]
)
"""Where in the changes, framed by ``MAX_LAG`` frames before them, the pairs across frame 0 lie."""


_SIDES = np.arange(NEIGHBOURS) + np.array([0, NEIGHBOURS + 1])[:, None, None]
_SIDE_WEIGHTS = np.stack([NEIGHBOUR_WEIGHTS[::-1], NEIGHBOUR_WEIGHTS])[:, None]


def _near_steps(times_s: np.ndarray) -> np.ndarray:
    """Weights of the steps around each frame, float32 ``(2, N, NEIGHBOURS)``; 0 for those out of reach."""
    framed = np.concatenate(
        [times_s[:1].repeat(NEIGHBOURS + 1), times_s, times_s[-1:].repeat(NEIGHBOURS + 1)]
    )
    far_ends = np.arange(NEIGHBOURS) + np.array([0, NEIGHBOURS + 2])[:, None, None]
    frames = np.arange(len(times_s))[:, None]
    near_ends = frames + np.array([NEIGHBOURS, NEIGHBOURS + 1])[:, None, None]
    is_near = np.abs(framed.take(far_ends + frames) - framed.take(near_ends)) <= reach_s(NEIGHBOURS)
    is_near[0, :, -FEWEST_NEIGHBOURS:] = is_near[1, :, :FEWEST_NEIGHBOURS] = True
    return is_near * _SIDE_WEIGHTS
