"""Jump cuts: cuts within one view, before and behind which a person or thing is in another place.

The background stays, so that the change as a whole is no larger than that of a gesture. But a gesture goes
on over several frames, and what moves has moved before. At a jump cut an eighth of the picture changes in one
step, each part of it far more than in the steps on either side.
"""

import numpy as np

from clipmill.shots.gradual import shrink
from clipmill.shots.hard_cuts.steps import Steps

CONTEXT_FRAMES = 8
"""Frames on either side of a jump cut that decide about it."""

MIN_CHANGE = 0.055
"""Change of structure across a jump cut."""

MAX_USUAL = 0.06
"""Largest usual change around a jump cut: beside it the picture stays nearly what it is."""

MIN_RATIO = 2
"""That change over the largest usual one; and the change of a cell over its largest in the other steps."""

MIN_CELL_CHANGE = 4.0
"""Grey levels, of luma and both colour differences together, that a cell changes at least beyond that."""

MIN_CELLS = 0.12
"""Share of the cells that jump."""

SAME = 0.1
"""Mean change of the cells, in grey levels, up to which a picture is the one before."""

PAUSE_S = 0.5
"""A frame that is held for longer hides no motion: what comes behind a pause is elsewhere."""

MIN_LIVE, STILL = 0.5, 0.5
"""Share of those that change in other steps too, by more levels than ``STILL``.

A window, a slide or a title that comes into a picture lies still before and behind.
"""


def may_be_jump_cuts(structure: Steps, colour: Steps) -> np.ndarray:
    """Which frames of calm shots change more than any near them, and not for the light alone, bool ``(N,)``.

    Light that changes is seen in colour more than in structure.
    """
    least = np.maximum(colour.across, np.maximum(MIN_RATIO * structure.largest, MIN_CHANGE))
    return (structure.across >= least) & (structure.largest <= MAX_USUAL)


def is_jump_cut(thumbnails: np.ndarray, times_s: np.ndarray) -> bool:
    """Whether a jump cut lies in the middle of 2 * ``CONTEXT_FRAMES`` frames, uint8 ``(n, 27, 48, 3)``.

    ``times_s`` is ``(n,)``. Behind a frame that is held, what moves is further on: changes are compared per
    second since the picture changed last.
    """
    cells = shrink(thumbnails).reshape(len(thumbnails), -1, 3)
    changes = np.abs(np.diff(cells, axis=0)).sum(axis=2)
    middle = len(changes) // 2
    is_new = changes.mean(axis=1) > SAME
    is_new[middle] = True
    new = np.flatnonzero(is_new)
    if len(new) == 1:
        return False
    steps_s = np.diff(times_s)
    steps_s[steps_s > PAUSE_S] = np.median(steps_s)
    elapsed_s = np.diff(np.cumsum(steps_s)[new], prepend=0)
    rates = changes[new] / elapsed_s[:, None]
    at_cut = np.searchsorted(new, middle)
    usual = np.delete(rates, at_cut, axis=0).max(axis=0) * elapsed_s[at_cut]
    jumps = changes[middle] > MIN_RATIO * usual + MIN_CELL_CHANGE
    is_live = np.delete(changes, middle, axis=0).max(axis=0) > STILL
    return bool(jumps.mean() >= MIN_CELLS and is_live[jumps].mean() >= MIN_LIVE)
