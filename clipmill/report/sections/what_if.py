"""How many kept clips another threshold would take: counts at values of each measure. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from clipmill.report.measures import LENGTH, Measure, measure_values
from clipmill.report.plan_records import ThresholdPlace

MAX_POINTS = 129


@dataclass(frozen=True)
class WhatIf:
    """The kept clips below and above K values that clips have, ascending; clips without a value stay.

    ``below`` counts the clips whose value is less than each of ``values``, ``above`` those whose value is
    more; ``below_s`` and ``above_s`` are their seconds. ``num_clips`` and ``seconds`` are those of all.
    """

    column: str
    values: tuple[float, ...]
    below: tuple[int, ...]
    above: tuple[int, ...]
    below_s: tuple[float, ...]
    above_s: tuple[float, ...]
    num_clips: int
    seconds: float
    place: ThresholdPlace


def what_if(
    clips: pa.Table, measures: Iterable[Measure], places: Iterable[ThresholdPlace]
) -> Mapping[str, WhatIf]:
    """Returns column -> counts of kept clips, for each measure with at least two values among all clips."""
    is_kept = np.array(clips["status"].to_pylist(), dtype=object) == "kept"
    lengths_s = measure_values(clips, LENGTH)[is_kept]
    place_of = {place.score: place for place in places}
    found = (
        _counted(one.column, measure_values(clips, one.column), is_kept, lengths_s, place_of)
        for one in measures
    )
    return {one.column: one for one in found if len(one.values) > 1}


def _counted(
    column: str,
    all_values: np.ndarray,
    is_kept: np.ndarray,
    lengths_s: np.ndarray,
    place_of: Mapping[str, ThresholdPlace],
) -> WhatIf:
    values = all_values[is_kept]
    is_known = np.isfinite(values)
    order = np.argsort(values[is_known], kind="stable")
    known = values[is_known][order]
    seconds = np.concatenate([[0.0], np.cumsum(lengths_s[is_known][order])])
    points = np.unique(all_values[np.isfinite(all_values)])
    if points.size > MAX_POINTS:
        points = points[np.linspace(0, points.size - 1, MAX_POINTS).round().astype(int)]
    below, up_to = np.searchsorted(known, points, "left"), np.searchsorted(known, points, "right")
    return WhatIf(
        column,
        values=tuple(points.tolist()),
        below=tuple(below.tolist()),
        above=tuple((known.size - up_to).tolist()),
        below_s=tuple(seconds[below].round(1).tolist()),
        above_s=tuple((seconds[-1] - seconds[up_to]).round(1).tolist()),
        num_clips=int(values.size),
        seconds=float(lengths_s.sum().round(1)),
        place=place_of.get(column, ThresholdPlace(column)),
    )
