"""Spherical k-means: clusters of directions, the same for the same rows in the same order."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clipmill.dedup.backends.select import resolve
from clipmill.dedup.kmeans_init import DEFAULT_START, Start, draw_seeds
from clipmill.dedup.nearest import BLOCK_ROWS, DEFAULT_SEARCH, Search, nearest, nearest_few
from clipmill.dedup.vectors import Floats, Indices, Unit, unit_rows

MAX_CLUSTERS = 50_000
_FEW_ROWS = 500
_SAME = 1e-6  # distance below which a row is its centroid, up to float32 noise


ONE_CLUSTER = 256
"""So few rows are all compared: halves of so few lie far apart, copies of one clip among them."""


def auto_num_clusters(num_rows: int) -> int:
    """Returns 1 up to ``ONE_CLUSTER`` rows, else the square root of ``num_rows``, at most 50,000."""
    return 1 if num_rows <= ONE_CLUSTER else min(round(math.sqrt(num_rows)), MAX_CLUSTERS)


def fit(
    embeddings: Floats,
    *,
    num_clusters: int,
    max_iter: int,
    tol: float,
    seed: int,
    start: Start = DEFAULT_START,
) -> Unit:
    """Centroids, float32 ``(K, D)``, of the rows of ``embeddings`` ``(N, D)``, of any length but zero.

    A centroid is the mean of its rows' directions in the last round, so at most 1 long. K is
    ``num_clusters``, or less where there are fewer distinct rows; 0 for no rows. Of ``start.n_init`` starts
    the one stays whose rows were nearest to what they joined, of equals the first. Stops after ``max_iter``
    rounds, or when the centroids' directions moved by at most ``tol`` in the mean square. Rows in another
    order may start elsewhere: sort them by id. ValueError names a row that is NaN or zero.
    """
    return fit_directions(
        unit_rows(embeddings), num_clusters=num_clusters, max_iter=max_iter, tol=tol, seed=seed, start=start
    )


def fit_directions(
    unit: Unit,
    *,
    num_clusters: int,
    max_iter: int,
    tol: float,
    seed: int,
    start: Start = DEFAULT_START,
) -> Unit:
    """``fit`` of rows that have unit length already, so that there is no second copy of them."""
    if min(num_clusters, max_iter) < 1:
        raise ValueError(f"need num_clusters and max_iter of at least 1, got {num_clusters} and {max_iter}")
    if not len(unit):
        return unit
    if resolve(start.backend) == "cuml":
        return _fit_on_cuml(unit, num_clusters, max_iter=max_iter, tol=tol, seed=seed, start=start)
    fits = (
        _fit_once(unit, num_clusters, max_iter=max_iter, tol=tol, seed=seed + attempt, start=start)
        for attempt in range(start.n_init)
    )
    return min(fits, key=lambda fitted: fitted[1])[0]


@dataclass(frozen=True)
class Assignment:
    """Where rows belong, all ``(N,)`` but for ``beyond``.

    ``cosine_distance`` is 1 - cosine to the nearest centroid, in [0, 2]; ``l2_distance`` is from the row's
    direction to that centroid as given, which ``fit`` leaves shorter than 1. ``beyond`` ``(N, B)`` are the
    next nearest centroids, each where the row is near the border to it, else -1.
    """

    labels: Indices
    cosine_distance: npt.NDArray[np.float32]
    l2_distance: npt.NDArray[np.float32]
    beyond: Indices


def assign(
    embeddings: Floats, centroids: Floats
) -> tuple[Indices, npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Nearest centroid of each row of ``embeddings`` ``(N, D)``: labels, cosine and l2 distances."""
    found = assign_directions(unit_rows(embeddings), centroids, border_width=0.0)
    return found.labels, found.cosine_distance, found.l2_distance


def assign_directions(
    unit: Unit,
    centroids: Floats,
    *,
    border_width: float,
    num_borders: int = 1,
    search: Search = DEFAULT_SEARCH,
) -> Assignment:
    """Where rows of unit length belong by cosine, and near which of ``num_borders`` borders they lie.

    Every row needs a centroid: none at all is a ValueError, unless there are no rows either. Near is at most
    ``border_width`` from the plane between the directions of a row's nearest centroid and another.
    Two rows on either side of it lie on both sides of what separates them: one of them is within
    ``sqrt(eps / 2)`` when their cosine similarity is ``1 - eps``, as their distance is ``sqrt(2 eps)``.
    """
    if len(unit) and (centroids.ndim != 2 or not len(centroids) or centroids.shape[1] != unit.shape[1]):
        raise ValueError(f"rows of {unit.shape[1]} dimensions cannot join {centroids.shape = }")
    if not len(unit):
        nothing = np.zeros(0, dtype=np.float32)
        return Assignment(
            np.zeros(0, dtype=np.intp), nothing, nothing, np.zeros((0, num_borders), dtype=np.intp)
        )
    directions = unit_rows(centroids)
    count = min(1 + num_borders, len(centroids)) if border_width else 1
    labels, cosine = nearest_few(unit, directions, count=count, search=search)
    return Assignment(
        labels[:, 0],
        1.0 - np.clip(cosine[:, 0], -1.0, 1.0),
        _l2_distance(cosine[:, 0], np.linalg.norm(centroids, axis=1)[labels[:, 0]]),
        _beyond(labels, cosine, directions, width=border_width, num_borders=num_borders),
    )


def _l2_distance(cosine: npt.NDArray[np.float32], length: Floats) -> npt.NDArray[np.float32]:
    """From a direction to a centroid of that ``length``."""
    length = length.astype(np.float32)
    squared = 1.0 + np.square(length) - 2.0 * length * np.clip(cosine, -1.0, 1.0)
    return np.sqrt(np.maximum(squared, 0.0))


def _beyond(
    labels: Indices, cosine: npt.NDArray[np.float32], directions: Unit, *, width: float, num_borders: int
) -> Indices:
    beyond = np.full((len(labels), num_borders), -1, dtype=np.intp)
    for place in range(1, labels.shape[1]):
        for start in range(0, len(labels), BLOCK_ROWS):
            rows = slice(start, start + BLOCK_ROWS)
            apart = np.linalg.norm(directions[labels[rows, 0]] - directions[labels[rows, place]], axis=1)
            is_near = cosine[rows, 0] - cosine[rows, place] <= width * apart
            beyond[rows, place - 1] = np.where(is_near, labels[rows, place], -1)
    return beyond


def _fit_on_cuml(
    unit: Unit, num_clusters: int, *, max_iter: int, tol: float, seed: int, start: Start
) -> Unit:
    from clipmill.dedup import kmeans_cuml

    wanted = min(num_clusters, len(unit))
    return kmeans_cuml.fit(unit, num_clusters=wanted, max_iter=max_iter, tol=tol, seed=seed, start=start)


@dataclass(frozen=True)
class _Round:
    """What one round made of directions ``(K, D)``: where they point now, and the means that they point at.

    ``distance`` is the mean cosine distance of the rows to the directions before. ``is_filled`` ``(K,)`` are
    those with rows.
    """

    directions: Unit
    means: Unit
    is_filled: npt.NDArray[np.bool_]
    distance: float


def _fit_once(
    unit: Unit, num_clusters: int, *, max_iter: int, tol: float, seed: int, start: Start
) -> tuple[Unit, float]:
    """Centroids, and how far the rows were from them in the last round."""
    wanted = min(num_clusters, len(unit))
    directions = unit[draw_seeds(unit, num_clusters=wanted, seed=seed, start=start)]
    done = _round(unit, directions, search=start.search)
    for _ in range(max_iter - 1):
        if np.square(done.directions - directions).sum(axis=1).mean() <= tol:
            break
        directions = done.directions
        done = _round(unit, directions, search=start.search)
    return done.means[done.is_filled], done.distance


def _round(unit: Unit, directions: Unit, *, search: Search) -> _Round:
    """Every row joins its nearest direction, every direction turns to its rows' mean."""
    labels, cosine = nearest(unit, directions, search=search)
    sums, counts = _sums(unit, labels, len(directions))
    lengths = np.linalg.norm(sums, axis=1)[:, None]
    # A mean without direction, of opposite rows, stays where it was.
    has_direction = lengths > _SAME
    turned = np.where(has_direction, sums / np.maximum(lengths, _SAME), directions).astype(np.float32)
    means = np.where(has_direction, sums / np.maximum(counts, 1)[:, None], directions).astype(np.float32)
    is_filled = counts > 0
    places, rows = _refills(is_filled, 1.0 - cosine)
    turned[places] = means[places] = unit[rows]
    is_filled[places] = True
    return _Round(turned, means, is_filled, 1.0 - float(cosine.mean(dtype=np.float64)))


def _refills(is_filled: npt.NDArray[np.bool_], distance: npt.NDArray[np.float32]) -> tuple[Indices, Indices]:
    """Directions that lost all their rows, and the rows farthest from their own, if any is away, for them."""
    empty = np.flatnonzero(~is_filled)
    if not len(empty):
        return empty, empty
    farthest = np.argsort(-distance, kind="stable")[: len(empty)]
    farthest = farthest[distance[farthest] > _SAME]
    return empty[: len(farthest)], farthest


def _sums(
    unit: Unit, labels: Indices, num_clusters: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Sum of the rows ``(K, D)`` and their number ``(K,)`` for each label; float64 across blocks of rows."""
    sums = np.zeros((num_clusters, unit.shape[1]))
    for start in range(0, len(unit), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        sums += _block_sums(unit[rows], labels[rows], num_clusters)
    return sums, np.bincount(labels, minlength=num_clusters)


def _block_sums(unit: Unit, labels: Indices, num_clusters: int) -> npt.NDArray[np.float32]:
    """Sum of the rows ``(K, D)`` for each label, one row after another; few rows need no import of scipy."""
    if len(unit) <= _FEW_ROWS:
        sums = np.zeros((num_clusters, unit.shape[1]), np.float32)
        for row, label in zip(unit, labels, strict=True):
            sums[label] += row
        return sums
    from scipy import sparse

    ones = (np.ones(len(unit), dtype=np.float32), (labels, np.arange(len(unit))))
    return sparse.csr_array(ones, shape=(num_clusters, len(unit))) @ unit
