"""Samples become shards of equal size. Pure."""

from dataclasses import dataclass

import numpy as np

_LARGE = 0.5
"""Share of a shard: a larger sample is no reason to make all other shards smaller."""


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
        """Returns how many shards hold the samples so that none is too large; never more than samples."""
        by_size = int(np.ceil(round(self.share / (1 - min(self.largest, _LARGE)), 9)))
        if self.share <= 1:
            by_size = 1
        return min(max(by_size, min_shards), self.num_samples)


def shares(num_bytes: np.ndarray, *, max_bytes: int, max_samples: int) -> np.ndarray:
    """Returns the share ``(N,)`` of the largest shard that each sample fills, by bytes or by number."""
    return np.maximum(num_bytes / max_bytes, 1.0 / max_samples)


def shard_indices(before: float, shares: np.ndarray, tally: BucketTally, num_shards: int) -> np.ndarray:
    """Returns int64 ``(N,)``: the shard of each sample, of which ``before`` were filled by earlier ones.

    Shards are filled in order, each by an equal part of the sum; ascending.
    """
    starts = before + np.concatenate([[0.0], np.cumsum(shares)[:-1]])
    found = np.floor((starts + shares / 2) / tally.share * num_shards)
    return np.minimum(found.astype(np.int64), num_shards - 1)
