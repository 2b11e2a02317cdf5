"""Duplicates as groups: rows that are alike, directly or through others, and the one of them that stays."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from clipmill.dedup.vectors import Floats, Indices, Unit, round_scores

Compare = Callable[[Indices, Indices], npt.NDArray[np.float64]]
"""The similarity ``(P,)`` of rows and others, both indices ``(P,)``."""

LEARNED_EPS = 0.1
"""For embeddings of learned models, until one is calibrated: the value of NeMo Curator."""

EPS = {"perceptual": 0.22}
"""1 - cosine similarity, by embedding algorithm.

Perceptual: chosen on half of Big Buck Bunny and drawn films, whose most similar different shots (one camera
position, one figure in nearly the same place; every change of ``bench.copies`` made to either) reach 0.76.
In the other half and other films, also drawn, none of the pairs exceeds 0.67, and 99.9 % stay below 0.45.
Copies that were re-encoded, resized, greyed, brightened or framed in bars exceed 0.95. ``dedup.likeness``,
which decides where clips have sketches, is scaled so that the same value separates shots.
"""


def eps_for(algorithm: str) -> float:
    """The ``eps`` of an embedding algorithm: its own, or ``LEARNED_EPS``."""
    return EPS.get(algorithm, LEARNED_EPS)


def is_duplicate(similarity: Floats, *, eps: float) -> npt.NDArray[np.bool_]:
    """Whether each similarity is at least ``1 - eps``, both to 6 digits."""
    return round_scores(similarity) >= round(1.0 - eps, 6)


def keepers(num_rows: int, pairs: Indices) -> Indices:
    """The best row ``(N,)`` each row is connected to, itself where it stays.

    ``pairs`` ``(P, 2)`` holds indices of rows that are alike; row 0 ranks best. Rows joined only through
    others share a keeper, so a row can be less like its keeper than ``1 - eps``.
    """
    rows = np.arange(num_rows, dtype=np.intp)
    if (pairs[:, 0] == pairs[:, 1]).all():
        return rows
    group = connected(num_rows, pairs)
    best = np.full(group.max() + 1, num_rows, dtype=np.intp)
    np.minimum.at(best, group, rows)
    return best[group]


def connected(num_nodes: int, pairs: Indices) -> Indices:
    """Returns int64 ``(num_nodes,)``: the group of each node, which ``pairs`` ``(P, 2)`` join; from 0 on."""
    smallest = np.arange(num_nodes, dtype=np.int64)
    left, right = pairs[:, 0], pairs[:, 1]
    while (apart := smallest[left] != smallest[right]).any():
        ends = smallest[left[apart]], smallest[right[apart]]
        np.minimum.at(smallest, np.maximum(*ends), np.minimum(*ends))
        smallest = roots(smallest)
    return np.unique(smallest, return_inverse=True)[1]


def roots(better: Indices) -> Indices:
    """The row ``(N,)`` at the end of each row's chain of better rows; one that stays is its own better."""
    while True:
        further = better[better]
        if (further == better).all():
            return better
        better = further


def keepers_alike(compare: Compare, better: Indices, *, eps: float) -> Indices:
    """The keeper ``(N,)`` of each row, itself where it stays: every other is alike to its keeper.

    Rows are in rank order; ``better`` is as in ``roots`` and names a row that is alike and earlier. A row
    whose better row is gone joins the most similar one that stays of its chains' group, or stays itself.
    """
    kept = np.arange(len(better), dtype=np.intp)
    root = roots(better)
    staying: dict[int, list[int]] = {}
    for row, above in enumerate(better):
        if kept[above] == above:
            kept[row] = above
        else:
            others = np.array(staying[int(root[row])], dtype=np.intp)
            similarity = compare(np.full(len(others), row), others)
            if is_duplicate(similarity, eps=eps).any():
                kept[row] = others[similarity.argmax()]
        if kept[row] == row:
            staying.setdefault(int(root[row]), []).append(row)
    return kept


def regrouped(compare: Compare, root: Indices, *, eps: float) -> Indices:
    """As ``keepers_alike``, of rows of which only the first one ``(N,)`` of their group is known."""
    kept = root.copy()
    for members in members_of(root):
        found = staying_first(compare, members, eps=eps)
        kept[list(found)] = list(found.values())
    return kept


def members_of(root: Indices) -> list[list[int]]:
    """Returns the rows of each group of two and more, in rank order; ``root`` ``(N,)`` names that of each."""
    groups = defaultdict[int, list[int]](list)
    for row, first in enumerate(root.tolist()):
        groups[first].append(row)
    return [members for members in groups.values() if len(members) > 1]


def staying_first(
    compare: Compare, members: Sequence[int], *, eps: float, num_stay: int = 0
) -> dict[int, int]:
    """Returns row -> keeper of ``members`` in rank order: each is alike to its keeper, or stays itself.

    Rows below ``num_stay`` stay whatever they are like.
    """
    keeper = dict[int, int]()
    for row in members:
        others = np.array([one for one, kept in keeper.items() if one == kept], dtype=np.intp)
        similarity = compare(np.full(len(others), row), others)
        goes = row >= num_stay and bool(is_duplicate(similarity, eps=eps).any())
        keeper[row] = int(others[similarity.argmax()]) if goes else row
    return keeper


def similarity_to(unit: Unit, rows: Indices, others: Indices) -> npt.NDArray[np.float64]:
    """Cosine similarity of row ``rows[i]`` to row ``others[i]``, in [-1, 1], to 6 digits."""
    products = np.einsum("nd,nd->n", unit[rows].astype(np.float64), unit[others].astype(np.float64))
    return round_scores(np.clip(products, -1.0, 1.0))


def group_id(keeper: str) -> str:
    """Name of the group that ``keeper`` stays for: the same in every run in which it stays."""
    return hashlib.blake2b(f"group:{keeper}".encode(), digest_size=8).hexdigest()
