"""Samples become shards of equal size. Pure."""

from dataclasses import dataclass

import numpy as np

_SLACK = 0.1
"""Share of a shard that samples of unequal sizes may leave empty."""


@dataclass
class BucketTally:
    """Samples of one part and bucket: how many, and their sizes as shares of the largest shard."""

    num_samples: int = 0
    share: float = 0.0
    largest: float = 0.0

    def add(self, shares: np.ndarray) -> None:
        """Counts samples by their shares ``(N,)``."""
        self.num_samples += len(shares)
        self.share += float(shares.sum())
        self.largest = max(self.largest, float(shares.max(initial=0.0)))

    def num_shards(self, min_shards: int) -> int:
        """Returns how many shards the samples are meant for; never more than samples."""
        slack = 1 - min(self.largest, _SLACK)
        by_size = 1 if self.share <= 1 else int(np.ceil(round(self.share / slack, 9)))
        return min(max(by_size, min_shards), self.num_samples)


def shares(num_bytes: np.ndarray, *, max_bytes: int, max_samples: int) -> np.ndarray:
    """Returns the share ``(N,)`` of the largest shard that each sample fills, by bytes or by number."""
    return np.maximum(num_bytes / max_bytes, 1.0 / max_samples)


class ShardFiller:
    """Gives samples their shards in turn: each gets an equal part of the sum, and none more than it holds."""

    def __init__(self, tally: BucketTally, num_shards: int) -> None:
        self._part, self._num_shards = tally.share / num_shards, num_shards
        self._index, self._before, self._filled = 0, 0.0, 0.0

    def indices(self, shares: np.ndarray) -> np.ndarray:
        """Returns int64 ``(N,)``: the shard of each of the next samples, ascending."""
        found = np.empty(len(shares), np.int64)
        for row, share in enumerate(shares.tolist()):
            is_due = self._before + share / 2 > (self._index + 1) * self._part
            is_full = self._filled + share > 1 + 1e-9
            if self._filled and (is_full or (is_due and self._index < self._num_shards - 1)):
                self._index, self._filled = self._index + 1, 0.0
            found[row] = self._index
            self._before += share
            self._filled += share
        return found
