"""Where k-means starts: rows far from each other, drawn by a seed."""

import numpy as np
import numpy.typing as npt

from clipmill.dedup.nearest import nearest
from clipmill.dedup.vectors import Indices, Unit

ROUNDS = 64
"""Most passes over the rows; a round draws several rows at once where more clusters are asked for."""

_SAME = 1e-6  # squared distance below which a row is one already drawn, up to float32 noise


def draw_seeds(unit: Unit, *, num_clusters: int, seed: int) -> Indices:
    """Up to ``num_clusters`` distinct rows of ``unit`` ``(N, D)``, ascending; fewer where rows repeat.

    k-means++ (Arthur and Vassilvitskii 2007): a row is drawn in proportion to its squared distance to the
    nearest row drawn before. As in k-means|| (Bahmani et al. 2012) a round draws many at once, so that many
    clusters cost one pass of matrix products rather than one pass over the rows for each.
    """
    rng = np.random.default_rng(seed)
    drawn = [np.array([rng.integers(len(unit))], dtype=np.intp)]
    weights = np.full(len(unit), np.inf)
    per_round = -(-num_clusters // ROUNDS)
    missing = num_clusters - 1
    while missing > 0:
        weights = np.minimum(weights, _squared_distance(unit, unit[drawn[-1]]))
        picked = _draw(weights, min(per_round, missing), rng)
        if not len(picked):
            break
        drawn.append(picked)
        missing -= len(picked)
    return np.sort(np.concatenate(drawn))


def _squared_distance(unit: Unit, seeds: Unit) -> npt.NDArray[np.float64]:
    _, similarity = nearest(unit, seeds)
    distance = 2.0 - 2.0 * similarity.astype(np.float64)
    return np.where(distance > _SAME, distance, 0.0)


def _draw(weights: npt.NDArray[np.float64], count: int, rng: np.random.Generator) -> Indices:
    """``count`` rows without repetition, each in proportion to its weight (Efraimidis and Spirakis 2006)."""
    candidates = np.flatnonzero(weights)
    if not len(candidates):
        return candidates
    keys = rng.exponential(size=len(weights))[candidates] / weights[candidates]
    return candidates[np.argsort(keys, kind="stable")[:count]]
