"""Which part a new group gets, and what becomes of groups that grew together. Pure."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from clipmill.errors import SpecError

_MAX_OVERSHOOT = 2.0
"""A group larger than this many times what a part still lacks goes elsewhere."""


def draw_groups(
    ids: Sequence[str],
    weights: np.ndarray,
    *,
    ratios: Mapping[str, float],
    standing: Mapping[str, float],
    seed: int,
) -> list[str]:
    """Returns a part for each new group, so that all parts come near their ratios.

    ``ids`` name the groups, ``weights`` ``(G,)`` are their clips or seconds, ``standing`` those that each
    part has. Groups are taken in the order of a hash of their id, and the hash chooses among the parts by
    what each still lacks. A part that nothing fell to gets the smallest group of the part that has most.
    """
    hashes = [_hash(one, seed) for one in ids]
    has = {name: standing.get(name, 0.0) for name in ratios}
    total = sum(has.values()) + float(weights.sum())
    drawn = [""] * len(ids)
    for row in sorted(range(len(ids)), key=lambda row: (hashes[row], ids[row])):
        weight = float(weights[row])
        lacks = {name: max(0.0, ratio * total - has[name]) for name, ratio in ratios.items()}
        drawn[row] = _chosen(lacks, weight, hashes[row])
        has[drawn[row]] += weight
    return _none_empty(drawn, weights, has, ratios)


def _hash(name: str, seed: int) -> int:
    key = seed.to_bytes(8, "little")
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8, key=key).digest(), "big")


def _chosen(lacks: Mapping[str, float], weight: float, value: int) -> str:
    fitting = {name: lack for name, lack in lacks.items() if weight <= _MAX_OVERSHOOT * lack}
    if not fitting:
        return max(lacks, key=lambda name: lacks[name])
    at = value / 2**64 * sum(fitting.values())
    for name, lack in fitting.items():
        if at < lack:
            return name
        at -= lack
    return max(fitting, key=lambda name: fitting[name])


def _none_empty(
    drawn: list[str], weights: np.ndarray, has: Mapping[str, float], ratios: Mapping[str, float]
) -> list[str]:
    """Moves the smallest new group of the largest part into each part that has nothing."""
    for empty in (name for name in ratios if not has[name]):
        parts = sorted(ratios, key=lambda name: has[name], reverse=True)
        rows = [[row for row, part in enumerate(drawn) if part == name] for name in parts]
        movable = next((own for own in rows if len(own) > 1), [])
        if not movable:
            raise SpecError(
                f"part {empty} would be empty: {len(drawn)} groups of clips cannot fill {len(ratios)} parts; "
                "name fewer parts, add videos, or group by another column"
            )
        drawn[min(movable, key=lambda row: (weights[row], row))] = empty
        has = {name: has[name] + (name == empty) for name in ratios}
    return drawn


def settled(parts: frozenset[str], training: str) -> str | None:
    """Returns the part that a group goes on with that has clips in ``parts``; None where all would leak.

    Clips to measure by stay, and those to train on leave; of a group in two parts to measure by, nothing new
    can be used.
    """
    measured = parts - {training}
    if len(measured) > 1:
        return None
    return next(iter(measured or parts))
