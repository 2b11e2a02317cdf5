"""Which distributions a report draws, and what it says about the rest."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from markupsafe import Markup

from clipmill.report import words
from clipmill.report.measures import Measure, measure_values, scaled
from clipmill.report.plan_records import ScoreLimit
from clipmill.report.plots import histogram_svg, quantiles

STATUSES = ("kept", "duplicate", "filtered")


@dataclass(frozen=True)
class PlotView:
    """One distribution: its picture and what is said under it."""

    measure: Measure
    svg: Markup
    summary: str


@dataclass(frozen=True)
class Distributions:
    """The plots, and the labels of measures that have none: no value at all, or zero for every clip."""

    plots: tuple[PlotView, ...]
    without_data: tuple[str, ...]
    all_zero: tuple[str, ...]


def draw_distributions(
    clips: pa.Table, measures: Iterable[Measure], *, limits: Iterable[ScoreLimit]
) -> Distributions:
    """A plot of each measure over all ``clips``, by status; values that are not finite are only counted."""
    limits_of = _by_column(limits)
    plots: list[PlotView] = []
    without_data: list[str] = []
    all_zero: list[str] = []
    for measure in measures:
        values = _values_by_status(clips, measure)
        together = np.concatenate([*values.values()])
        if not together.size:
            without_data.append(measure.label)
        elif not together.any() and measure.column not in limits_of:
            all_zero.append(measure.label)
        else:
            own = limits_of.get(measure.column, ())
            plots.append(_plot(values, together, measure, own, num_clips=clips.num_rows))
    return Distributions(tuple(plots), tuple(without_data), tuple(all_zero))


def _by_column(limits: Iterable[ScoreLimit]) -> dict[str, list[ScoreLimit]]:
    found: defaultdict[str, list[ScoreLimit]] = defaultdict(list)
    for limit in limits:
        if limit.marks:
            found[limit.score].append(limit)
    return dict(found)


def _values_by_status(clips: pa.Table, measure: Measure) -> dict[str, np.ndarray]:
    values = measure_values(clips, measure.column)
    statuses = np.array(clips["status"].to_pylist(), dtype=object)
    return {status: values[np.isfinite(values) & (statuses == status)] for status in STATUSES}


def _plot(
    values: dict[str, np.ndarray],
    together: np.ndarray,
    measure: Measure,
    limits: Sequence[ScoreLimit],
    *,
    num_clips: int,
) -> PlotView:
    low, middle, high = (f"{words.number(value)} {measure.unit}".strip() for value in quantiles(together))
    summary = [f"median {middle}", f"5 to 95 %: {low} to {high}"]
    if together.size < num_clips:
        summary.append(f"{num_clips - together.size:,} without a value")
    if any(not limit.is_active for limit in limits):
        summary.append("score only")
    fitted = scaled(measure, together, [mark for limit in limits for mark in limit.marks])
    return PlotView(fitted, histogram_svg(values, fitted, limits), " · ".join(summary))
