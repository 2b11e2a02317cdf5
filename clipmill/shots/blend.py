"""Whether the frames of a span are a blend of the pictures at its two ends, as in a dissolve or a fade.

A dissolve goes from one end to the other straight on, evenly and everywhere at once, it is flatter than its
ends, and its ends are unlike each other. Exposure that drifts gives ends of which one is the other with a
gain and an offset. An object that crosses the picture, or a title, changes a small part of it.
"""

import numpy as np

from clipmill.shots.changes import split_luma_chroma
from clipmill.shots.gradual import INNER_POINTS

BLANK_CONTRAST = 3.0
BLANK_SHARE = 0.15
"""Contrast in levels, and over that of the other end, below which an end shows nothing."""

MAX_SHARPNESS = 1.1
"""Contrast, over that of a mixture, from which on a span holds something that moves."""

MAX_LEAN = 0.12
"""How far from even progress, root mean square, a mixture's way from one end to the other may be."""

MAX_PATH, MAX_STEP = 2.5, 3.0
"""Length of the way through all frames of a span, over the distance of its ends, and of its largest step,
over its even share of that distance: more is a picture that moves on, not one that turns into another."""

MIN_SPREAD = 0.48
"""Share of the picture that changes, as the squared sum of the cells' changes over the sum of their squares:
0.64 for normal ones, 0.1 to 0.4 for an object, a title or the lit part of a dark set."""

MIN_UNLIKE = 0.42
"""Share of the cells of one end that a gain and an offset do not give from the other."""

MIN_APART = 12.0
"""Grey levels, root mean square, between two ends that both show something."""

MIN_SEEN = 0.5
"""Share of a picture that bars leave; black cells of one that has more of them are a part of it."""

_GAINS = (1 / 3, 3.0)
_BLACK = 32 - 128
_ALIKE = 0.25
_ALIKE_LEVELS = 4.0
_FITTED_SHARE = 0.6
_FIT_STEPS = 6


def is_even(cells: np.ndarray) -> bool:
    """Whether a span goes its way straight on and evenly; ``cells``: what ``shrink`` gives of its frames."""
    line = cells[-1] - cells[0]
    squared = max(float(line @ line), 1e-6)
    steps = np.diff(cells, axis=0)
    lengths = np.sqrt(np.einsum("ij,ij->i", steps, steps) / squared)
    lean = (cells - cells[0]) @ line / squared - np.linspace(0, 1, len(cells))
    return (
        float(np.sqrt(np.mean(lean * lean))) <= MAX_LEAN
        and float(lengths.sum()) <= MAX_PATH
        and float(lengths.max()) * len(lengths) <= MAX_STEP
    )


def is_flat(thumbnails: np.ndarray) -> bool:
    """Whether a span has no more contrast than mixtures of its ends would have.

    A mixture of two pictures is flatter than either; a picture on its way from one side to the other is not.
    """
    ends = split_luma_chroma(thumbnails[[0, -1]])[0].reshape(2, -1)
    covariance = np.cov(ends)
    steps = [round(point * (len(thumbnails) - 1)) for point in INNER_POINTS]
    inside = split_luma_chroma(thumbnails[steps])[0].reshape(len(steps), -1).var(axis=1)
    shares = np.array(steps) / (len(thumbnails) - 1)
    mixture = [np.array([1 - share, share]) @ covariance @ np.array([1 - share, share]) for share in shares]
    return float(np.sqrt(inside.sum() / max(sum(mixture), 1.0))) <= MAX_SHARPNESS


def are_two_pictures(first: np.ndarray, last: np.ndarray) -> bool:
    """Whether the ends of a span, cells of ``shrink``, show different pictures, or one of them none."""
    is_seen = np.maximum(first[::3], last[::3]) > _BLACK  # not in a bar
    if is_seen.mean() < MIN_SEEN:
        is_seen[:] = True  # a dark picture without bars
    before, behind = first[::3][is_seen], last[::3][is_seen]
    change = np.abs(behind - before)
    if change.sum() ** 2 < MIN_SPREAD * len(change) * max(float(change @ change), 1e-6):
        return False
    flatter, other = sorted((float(before.std()), float(behind.std())))
    if flatter < max(BLANK_CONTRAST, BLANK_SHARE * other):
        return True
    apart = float(np.sqrt(np.mean(np.square(last - first))))
    return apart >= MIN_APART and _unlike_share(before, behind) >= MIN_UNLIKE


def is_blank(thumbnails: np.ndarray) -> bool:
    """Whether no frame shows anything."""
    luma = split_luma_chroma(thumbnails)[0]
    return bool((luma.std(axis=(1, 2)) < BLANK_CONTRAST).all())


def _unlike_share(before: np.ndarray, behind: np.ndarray) -> float:
    """Share of the cells that the gain and offset do not explain that explain most of them best."""
    gain, offset = 1.0, float(np.median(behind - before))
    for _ in range(_FIT_STEPS):
        error = np.abs(behind - gain * before - offset)
        fitted = np.argsort(error, kind="stable")[: int(_FITTED_SHARE * len(error))]
        centred = before[fitted] - before[fitted].mean()
        slope = float(centred @ behind[fitted]) / max(float(centred @ centred), 1e-6)
        gain = min(max(slope, _GAINS[0]), _GAINS[1])
        offset = float(np.median(behind[fitted] - gain * before[fitted]))
    spread = np.sqrt((before.var() + behind.var()) / 2)
    is_unlike = np.abs(behind - gain * before - offset) > max(_ALIKE_LEVELS, _ALIKE * float(spread))
    return float(is_unlike.mean())
