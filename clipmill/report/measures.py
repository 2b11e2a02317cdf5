"""The numbers of a clip that a report plots, sorts by and shows on cards."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from clipmill.report.names import label_of, unit_of, words_of
from clipmill.report.plan_records import PlanView, PublishedColumn

LENGTH = "end_s - start_s"
"""The one measure that is no column: the seconds of a clip."""

NUM_ON_CARDS = 6
LOG_RATIO = 30.0
"""From this ratio of the 95th to the 5th percentile on, a scale is logarithmic."""
LEAST_POSITIVE = 0.9
"""Least share of the values that are above zero on a logarithmic scale."""
LEAST_SHARE_RANGE = 0.2
"""Values within 0..1 that reach over less than this are drawn on a scale of their own."""


@dataclass(frozen=True)
class Measure:
    """One number of a clip: its column, how it is called (``short`` on cards), and the scale it is drawn on.

    ``bounds`` are the ends of its scale where they are not those of the values.
    """

    column: str
    label: str
    short: str
    hint: str
    unit: str = ""
    is_log: bool = False
    bounds: tuple[float, float] | None = None


CLIP_LENGTH = Measure(
    LENGTH, "Clip length", "length", "from the first to the end of the last frame", unit="s"
)


def plan_measures(view: PlanView) -> tuple[Measure, ...]:
    """Returns the length of clips, then every number that a stage wants plotted, in run order."""
    plotted = [published for published in view.clip_columns if published.column.plot]
    return (CLIP_LENGTH, *(_measure(one) for one in plotted if _is_number(one.column.type)))


def _measure(published: PublishedColumn) -> Measure:
    name = published.name
    return Measure(name, label_of(name), words_of(name), published.column.doc, unit_of(name))


def _is_number(kind: pa.DataType) -> bool:
    return pt.is_floating(kind) or pt.is_integer(kind) or pt.is_boolean(kind)


def measure_values(clips: pa.Table, column: str) -> np.ndarray:
    """Returns the values of a measure, float64 ``(N,)`` for N clips, NaN where there is none."""
    if column == LENGTH:
        return clips["end_s"].to_numpy() - clips["start_s"].to_numpy()
    return clips[column].to_numpy().astype(np.float64)


def card_measures(measures: Sequence[Measure], clips: pa.Table) -> tuple[Measure, ...]:
    """Returns the measures that every card names beside the length: the first six that have a value."""
    having = (one for one in measures if np.isfinite(measure_values(clips, one.column)).any())
    return tuple(islice((one for one in having if one.column != LENGTH), NUM_ON_CARDS))


def scaled(measure: Measure, values: np.ndarray, marks: Sequence[float] = ()) -> Measure:
    """Returns ``measure`` with the scale that fits its finite ``values`` and the thresholds ``marks``.

    Numbers of many magnitudes get a logarithmic scale. Numbers within 0..1 that use much of it get all of it.
    """
    if _spans_magnitudes(values):
        return replace(measure, is_log=True, bounds=None)
    shown = np.array([*values, *marks])
    is_share = bool(shown.min() >= 0 and shown.max() <= 1 and np.ptp(values) > LEAST_SHARE_RANGE)
    return replace(measure, is_log=False, bounds=(0.0, 1.0) if is_share else None)


def _spans_magnitudes(values: np.ndarray) -> bool:
    positive = values[values > 0]
    if values.min() < 0 or positive.size < LEAST_POSITIVE * values.size:
        return False
    low, high = np.quantile(positive, [0.05, 0.95])
    return bool(high > LOG_RATIO * low)
