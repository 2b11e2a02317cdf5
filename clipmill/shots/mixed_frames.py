"""Frames that mix the pictures on both sides of a cut, one to a cut, as a change of frame rate leaves them.

Each of the two steps of such a cut hides the other: neither stands out from the steps near it.
"""

import numpy as np

MAX_UNEXPLAINED = 0.05
"""Share of a frame that is in neither of its neighbours, from which on it shows something of its own."""

MIN_PART = 0.2
"""What there is at least of either neighbour in a mixture, in pictures of length 1."""

MIN_CHANGE = 0.1
"""Change of structure between both neighbours, below which they may be one picture that moves."""

MAX_MOVE = 0.03
"""Largest change of structure before and behind the three frames, over that between both neighbours.

A picture that moves on evenly has 0.25; pictures joined by a mixed frame have 0.01.
"""

CONTEXT = 2
"""Frames on either side that decide about one."""


def whole_frames(products: np.ndarray) -> np.ndarray:
    """For each picture its index, or that of the neighbour which makes up more of it if it is a mixture.

    ``products`` are the inner products of what ``clipmill.shots.changes.structure_of`` gives, ``(N, N)``, of
    which those on and above the diagonal are read. Of the first and last ``CONTEXT`` pictures nothing is
    known.
    """
    indices = np.arange(len(products))
    if len(products) <= 2 * CONTEXT:
        return indices
    lengths, steps, across = products.diagonal(), products.diagonal(1), products.diagonal(2)[1:-1]
    change = (lengths[:-1] + lengths[1:]) / 2 - steps
    surroundings = np.maximum(change[:-3], change[3:])
    most_across = 2 * (change[1:-2] + change[2:-1])  # as changes are squares of distances
    if not ((most_across >= MIN_CHANGE) & (surroundings <= MAX_MOVE * most_across)).any():
        return indices
    first, last = lengths[1:-3], lengths[3:-1]
    change_across = (first + last) / 2 - across
    before, behind = steps[1:-2], steps[2:-1]
    area = np.maximum(first * last - across**2, 1e-6)
    first_part = (before * last - behind * across) / area
    last_part = (behind * first - before * across) / area
    unexplained = lengths[2:-2] - first_part * before - last_part * behind
    is_mixture = (
        (change_across >= MIN_CHANGE)
        & (surroundings <= MAX_MOVE * change_across)
        & (np.minimum(first_part, last_part) >= MIN_PART)
        & (unexplained <= MAX_UNEXPLAINED * lengths[2:-2])
    )
    indices[2:-2] += np.where(is_mixture, np.where(last_part >= first_part, 1, -1), 0)
    return indices
