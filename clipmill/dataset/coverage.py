"""How much time clips cover, counted once where they overlap. Pure."""

from collections import defaultdict
from typing import cast

import pyarrow as pa


def covered_s(spans: list[tuple[float, float]]) -> float:
    """Seconds in at least one of ``spans`` ``(start_s, end_s)``."""
    covered, reached = 0.0, float("-inf")
    for start_s, end_s in sorted(spans):
        covered += max(0.0, end_s - max(start_s, reached))
        reached = max(reached, end_s)
    return covered


def covered_by_source(clips: pa.Table) -> dict[str, float]:
    """Source URI -> seconds of it that are in a clip, whatever became of the clip."""
    spans: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    columns = (clips[name].to_pylist() for name in ("source_uri", "start_s", "end_s"))
    for uri, start_s, end_s in zip(*columns, strict=True):
        spans[cast(str, uri)].append((cast(float, start_s), cast(float, end_s)))
    return {uri: covered_s(places) for uri, places in spans.items()}
