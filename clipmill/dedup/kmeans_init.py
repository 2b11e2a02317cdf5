"""Where k-means starts: rows far from each other, or any rows, drawn by a seed."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from clipmill.dedup.backend_name import DedupBackend
from clipmill.dedup.nearest import BLOCK_ROWS, Search, nearest
from clipmill.dedup.vectors import Indices, Unit

ROUNDS = 16
"""Most passes over the rows; a round draws several rows at once where more clusters are asked for."""

ROWS_PER_SEED = 8
"""Rows that the seeds are drawn from, for each: more of them cost passes and hardly change where it ends."""

MIN_ROWS = 2048
"""Rows that cost nothing to look at."""

_SAME = 1e-6  # squared distance below which a row is one already drawn, up to float32 noise


@dataclass(frozen=True)
class Start:
    """How k-means begins, under the documented names.

    ``n_init`` starts are tried and the tightest result stays. ``oversampling_factor`` times as many
    candidates as clusters are drawn by ``k-means||`` before the best are chosen among them; up to 1 there is
    no such choice. ``max_samples_per_batch`` rows share one matrix product,
    which ``backend`` computes.
    """

    init: Literal["k-means||", "random"] = "k-means||"
    n_init: int = 1
    oversampling_factor: float = 1.0
    max_samples_per_batch: int = BLOCK_ROWS
    backend: DedupBackend = "faiss"

    def __post_init__(self) -> None:
        if min(self.n_init, self.max_samples_per_batch) < 1 or self.oversampling_factor <= 0:
            raise ValueError(f"need at least one start, row and candidate, got {self}")

    @property
    def search(self) -> Search:
        """How nearest directions are looked for."""
        return Search(self.backend, self.max_samples_per_batch)


DEFAULT_START = Start()


def draw_seeds(unit: Unit, *, num_clusters: int, seed: int, start: Start = DEFAULT_START) -> Indices:
    """Up to ``num_clusters`` distinct rows of ``unit`` ``(N, D)``, ascending; fewer where rows repeat.

    ``random`` draws rows evenly. ``k-means||`` (Bahmani et al. 2012) draws candidates far from each other in
    passes of matrix products, weighs each by the rows nearest to it, and chooses among them in the same way.
    It looks at a sample of ``ROWS_PER_SEED`` rows for each cluster, at least at ``MIN_ROWS``.
    """
    rng = np.random.default_rng(seed)
    if start.init == "random":
        return np.sort(rng.choice(len(unit), min(num_clusters, len(unit)), replace=False))
    rows = np.arange(len(unit), dtype=np.intp)
    size = max(ROWS_PER_SEED * num_clusters, MIN_ROWS)
    if len(unit) > size:
        rows = np.sort(rng.choice(len(unit), size, replace=False))
    sample = unit if len(rows) == len(unit) else unit[rows]
    num_candidates = max(num_clusters, round(start.oversampling_factor * num_clusters))
    ones = np.ones(len(sample))
    candidates = _far_apart(sample, ones, num_candidates, rng, search=start.search)
    if len(candidates) > num_clusters:
        labels, _ = nearest(sample, sample[candidates], search=start.search)
        weights = np.bincount(labels, minlength=len(candidates)).astype(np.float64)
        chosen = _far_apart(sample[candidates], weights, num_clusters, rng, search=start.search)
        candidates = candidates[chosen]
    return np.sort(rows[candidates])


def _far_apart(
    unit: Unit,
    weights: npt.NDArray[np.float64],
    count: int,
    rng: np.random.Generator,
    *,
    search: Search,
) -> Indices:
    """Up to ``count`` distinct rows, ascending.

    k-means++ (Arthur and Vassilvitskii 2007): a row is drawn in proportion to its weight and its squared
    distance to the nearest row drawn before; here several rows a round.
    """
    drawn = [np.array([rng.integers(len(unit))], dtype=np.intp)]
    distances = np.full(len(unit), np.inf)
    per_round = -(-count // ROUNDS)
    missing = count - 1
    while missing > 0:
        distances = np.minimum(distances, _squared_distance(unit, unit[drawn[-1]], search=search))
        picked = _draw(distances * weights, min(per_round, missing), rng)
        if not len(picked):
            break
        drawn.append(picked)
        missing -= len(picked)
    return np.sort(np.concatenate(drawn))


def _squared_distance(unit: Unit, seeds: Unit, *, search: Search) -> npt.NDArray[np.float64]:
    _, similarity = nearest(unit, seeds, search=search)
    distance = 2.0 - 2.0 * similarity.astype(np.float64)
    return np.where(distance > _SAME, distance, 0.0)


def _draw(weights: npt.NDArray[np.float64], count: int, rng: np.random.Generator) -> Indices:
    """``count`` rows without repetition, each in proportion to its weight (Efraimidis and Spirakis 2006)."""
    candidates = np.flatnonzero(weights)
    if not len(candidates):
        return candidates
    keys = rng.standard_exponential(len(weights))[candidates] / weights[candidates]
    if count < len(keys):
        candidates = candidates[np.argpartition(keys, count - 1)[:count]]
    return candidates
