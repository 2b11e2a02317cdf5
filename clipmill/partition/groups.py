"""Clips that must stay together: connected by a video, a copy or a value, now or in an earlier run. Pure."""

import numpy as np

from clipmill.dedup.groups import connected

Codes = np.ndarray
"""int ``(N,)``: which node a row belongs to; -1 for none."""


class Links:
    """Nodes of several kinds, and the pairs of them that stay together."""

    def __init__(self) -> None:
        self.num_nodes = 0
        self._pairs: list[np.ndarray] = []

    def nodes(self, count: int) -> int:
        """Adds nodes; returns the number of the first."""
        first = self.num_nodes
        self.num_nodes += count
        return first

    def join(self, one: Codes, other: Codes) -> None:
        """Joins nodes row by row; a -1 joins nothing."""
        has = (one >= 0) & (other >= 0)
        self._pairs.append(np.unique(np.stack([one[has], other[has]], axis=1), axis=0))

    def groups(self) -> Codes:
        """Returns the group ``(num_nodes,)`` of each node."""
        pairs = np.concatenate([np.zeros((0, 2), np.int64), *self._pairs])
        return connected(self.num_nodes, pairs)


def smallest(groups: Codes, order: np.ndarray, num_groups: int) -> np.ndarray:
    """Returns int ``(num_groups,)``: the row of each group that is first in an order, -1 without rows."""
    found = np.full(num_groups, -1)
    backward = order[::-1]
    found[groups[backward]] = backward  # the last assignment of a place wins
    return found


def ranks_of(order: np.ndarray) -> np.ndarray:
    """Returns int32 ``(N,)``: the place of each row in an order of all rows."""
    ranks = np.empty(len(order), np.int32)
    ranks[order] = np.arange(len(order))
    return ranks
