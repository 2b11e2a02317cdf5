"""Whether the frames of a span are a blend of the pictures at its two ends, as in a dissolve or a fade.

A dissolve goes from one end to the other straight on, evenly and everywhere at once, it is flatter than its
ends, its middle is made of both, and its ends are unlike each other. Light that changes leaves the detail of
a picture as it is. A camera that races shows what is in neither end. An object that crosses the picture, or a
title, changes a small part of it.
"""

import numpy as np

from clipmill.shots.changes import split_luma_chroma
from clipmill.shots.detector_frames import SLOWEST_FPS
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

MIN_DETAIL_CHANGE = 0.4
"""Change of the ratios of neighbouring cells between two ends that both show something.

Light multiplies, neighbours nearly alike, so that a sunrise or exposure that drifts leaves up to 0.34. Two
pictures have 0.5 and more.
"""

LEAST_LUMA = 8.0
"""Added to luma before ratios are taken, so that the noise of dark cells counts little."""

MAX_MOVE = 0.016
"""Root of the share of a span's change that mixtures of its ends do not explain, for each of its frames, or
for each twentieth of a second of a slower film.

Both pictures of a dissolve may move, and move the further the longer it takes. A shaken camera, or one that
runs, moves faster than pictures do that a viewer can make out while they mix.
"""

PLAIN_CONTRAST = 12.0
"""Contrast of cells, in levels, from which on a picture at a hard cut shows the shot that is cut to.

Behind cuts to black, to white or to a flash from which a shot fades in it is 0 to 10.
"""

MIN_APART = 12.0
"""Grey levels, root mean square, between two ends that both show something."""

MIN_SEEN = 0.5
"""Share of a picture that bars leave; black cells of one that has more of them are a part of it."""

CELLS = (9, 16)
"""Rows and columns of ``clipmill.shots.gradual.shrink``."""

_BLACK = 32 - 128


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
    return apart >= MIN_APART and _detail_change(first[::3], last[::3], is_seen) >= MIN_DETAIL_CHANGE


def is_mixed(cells: np.ndarray, times_s: np.ndarray) -> bool:
    """Whether the middle of a span is made of its two ends; ``cells``: what ``shrink`` gives of its frames.

    ``times_s`` is ``(N,)``. Each picture is fitted by a gain for either end and an offset.
    """
    luma, quarter = cells[:, ::3], len(cells) // 4
    ends = np.stack([luma[0], luma[-1], np.ones_like(luma[0])], axis=1)
    inside = luma[quarter : len(cells) - quarter].T
    fitted = ends @ np.linalg.lstsq(ends, inside, rcond=None)[0]
    unexplained = float(np.square(inside - fitted).mean())
    change = max(float(np.square(luma[-1] - luma[0]).mean()), 1.0)
    num_steps = max(len(cells) - 1, float(times_s[-1] - times_s[0]) * SLOWEST_FPS)
    return float(np.sqrt(unexplained / change)) <= MAX_MOVE * num_steps


def is_plain(cells: np.ndarray) -> bool:
    """Whether a picture, ``(432,)`` as ``shrink`` gives it, shows little, as where a fade starts or ends."""
    return float(cells[::3].std()) < PLAIN_CONTRAST


def is_blank(thumbnails: np.ndarray) -> bool:
    """Whether no frame shows anything."""
    luma = split_luma_chroma(thumbnails)[0]
    return bool((luma.std(axis=(1, 2)) < BLANK_CONTRAST).all())


def _detail_change(first: np.ndarray, last: np.ndarray, is_seen: np.ndarray) -> float:
    """1 less the cosine between the logarithms of the ratios of neighbours, 0 for the same picture.

    ``first`` and ``last`` are luma less 128 of the cells, of which those in ``is_seen`` count: ``(144,)``.
    """
    levels = np.log(np.stack([first, last]).reshape(2, *CELLS) + (128 + LEAST_LUMA))
    seen = is_seen.reshape(CELLS)
    sideways = np.diff(levels, axis=2)[:, seen[:, 1:] & seen[:, :-1]]
    down = np.diff(levels, axis=1)[:, seen[1:] & seen[:-1]]
    before, behind = np.concatenate([sideways, down], axis=1)
    return 1 - float(before @ behind) / max(float(np.linalg.norm(before) * np.linalg.norm(behind)), 1e-6)
