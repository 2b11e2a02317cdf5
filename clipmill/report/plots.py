"""Distributions as inline SVG: values and thresholds in, markup out. Colours are the page's (CSS classes)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

from clipmill.report import words
from clipmill.report.measures import Measure
from clipmill.report.plan_records import ScoreLimit

NUM_BINS = 32
WIDTH, HEIGHT = 360.0, 176.0
LEFT, RIGHT, TOP, BASE = 10.0, 350.0, 26.0, 146.0
_LEAST_LOG = 1e-7
_TICK = Markup(
    '<line class="cm-tick" x1="{x}" x2="{x}" y1="{y}" y2="{y2}"/>'
    '<text class="cm-tick-label" x="{x}" y="{text_y}" text-anchor="{anchor}">{label}</text>'
)
_BAR = Markup('<rect class="cm-bar cm-fill-{kind}" x="{x}" y="{y}" width="{width}" height="{height}"/>')
_GROUP = Markup(
    '<g class="cm-bin" data-low="{low}" data-high="{high}"><title>{span}: {title}</title>{parts}</g>'
)
_LIMIT = Markup(
    '<g class="cm-limit{idle}"><line x1="{x}" x2="{x}" y1="{top}" y2="{base}"/>'
    '<text x="{text_x}" y="{text_y}" text-anchor="{anchor}">{label}</text></g>'
)
_SVG = Markup(
    '<svg class="cm-plot" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{label}">'
    '<line class="cm-axis" x1="{left:g}" x2="{right:g}" y1="{base:g}" y2="{base:g}"/>{body}</svg>'
)


@dataclass(frozen=True)
class Axis:
    """A scale from ``low`` to ``high``, linear or logarithmic."""

    low: float
    high: float
    is_log: bool = False

    def place(self, values: np.ndarray) -> np.ndarray:
        """Positions in 0..1; what lies outside sits on the ends."""
        low, high = self._scaled(np.array([self.low, self.high]))
        return np.clip((self._scaled(values) - low) / (high - low), 0.0, 1.0)

    def edges(self, num_bins: int) -> np.ndarray:
        """Borders of equally wide bins, ``(num_bins + 1,)``."""
        return (np.geomspace if self.is_log else np.linspace)(self.low, self.high, num_bins + 1)

    def ticks(self) -> list[float]:
        """Round values to label, about five."""
        if self.is_log:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            stride = max(1, (last - first + 4) // 5)
            return [10.0**power for power in range(first, last + 1, stride)]
        step = round_step((self.high - self.low) / 5)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(index * step, 10) for index in range(first, last + 1)]

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        return np.log10(np.maximum(values, _LEAST_LOG)) if self.is_log else values


def round_step(least: float) -> float:
    """The smallest of 1, 2, 2.5 and 5 times a power of ten that is at least ``least``."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * digit for digit in (1, 2, 2.5, 5, 10) if power * digit >= least * (1 - 1e-9))


def fit_axis(values: np.ndarray, measure: Measure, limits: Sequence[float]) -> Axis:
    """A scale that holds all ``values`` (finite, at least one) and the thresholds."""
    if measure.bounds is not None:
        return Axis(*measure.bounds)
    if measure.is_log:
        positive = np.concatenate([values, np.array(limits)])
        positive = positive[positive > _LEAST_LOG]
        low, high = (positive.min(), positive.max()) if positive.size else (_LEAST_LOG, 1.0)
        return Axis(
            10.0 ** math.floor(math.log10(low)), 10.0 ** (math.floor(math.log10(high)) + 1), is_log=True
        )
    low, high = min(values.min(), *limits, math.inf), max(values.max(), *limits, -math.inf)
    step = round_step(max(high - low, abs(high) / 100, 1e-3) / 10)
    return Axis(math.floor(low / step) * step, (math.floor(high / step) + 1) * step)


def histogram_svg(
    values: Mapping[str, np.ndarray], measure: Measure, limits: Sequence[ScoreLimit] = ()
) -> Markup:
    """A stacked histogram of finite ``values`` by status, bottom first, with thresholds."""
    marks = [mark for limit in limits for mark in limit.marks]
    together = np.concatenate([*values.values(), np.empty(0)])
    if not together.size:
        raise ValueError(f"{measure.column} has no values to plot")
    axis = fit_axis(together, measure, marks)
    counts = {kind: _bin(axis, column) for kind, column in values.items()}
    body = [
        *_bars(axis, counts, measure),
        *_tick_marks(axis),
        *(mark for limit in limits for mark in _limit_marks(axis, limit)),
    ]
    return _SVG.format(
        width=WIDTH, height=HEIGHT, left=LEFT, right=RIGHT, base=BASE,
        label=_described(together, measure, marks), body=Markup("").join(body),
    )  # fmt: skip


def quantiles(values: np.ndarray) -> tuple[float, float, float]:
    """The 5th percentile, the median and the 95th percentile of at least one value."""
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    return float(low), float(middle), float(high)


def _bin(axis: Axis, values: np.ndarray) -> np.ndarray:
    """Counts per bin, ``(NUM_BINS,)``."""
    bins = np.minimum((axis.place(values) * NUM_BINS).astype(int), NUM_BINS - 1)
    return np.bincount(bins, minlength=NUM_BINS)


def _bars(axis: Axis, counts: Mapping[str, np.ndarray], measure: Measure) -> list[Markup]:
    total = sum(counts.values(), np.zeros(NUM_BINS, int))
    unit_px = (BASE - TOP) / total.max()
    width_px = (RIGHT - LEFT) / NUM_BINS
    edges = axis.edges(NUM_BINS)
    bars: list[Markup] = []
    for index in np.flatnonzero(total):
        x, y, parts = LEFT + index * width_px, BASE, Markup("")
        for kind, column in counts.items():
            height = column[index] * unit_px
            y -= height
            shape = {"x": f"{x + 0.75:.2f}", "y": f"{y:.2f}", "height": f"{height:.2f}"}
            parts += _BAR.format(kind=kind, width=f"{width_px - 1.5:.2f}", **shape) if column[index] else ""
        span = f"{words.number(edges[index])} to {words.number(edges[index + 1])} {measure.unit}".strip()
        title = ", ".join(f"{column[index]:,} {kind}" for kind, column in counts.items() if column[index])
        bars.append(
            _GROUP.format(low=edges[index], high=edges[index + 1], span=span, title=title, parts=parts)
        )
    return bars


def _tick_marks(axis: Axis) -> list[Markup]:
    marks: list[Markup] = []
    for tick in axis.ticks():
        place = float(axis.place(np.array([tick]))[0])
        anchor = "start" if place < 0.03 else "end" if place > 0.97 else "middle"
        y = {"y": f"{BASE:g}", "y2": f"{BASE + 4:g}", "text_y": f"{BASE + 18:g}"}
        marks.append(_TICK.format(x=f"{_x(place):.2f}", anchor=anchor, label=words.exact(tick), **y))
    return marks


def _limit_marks(axis: Axis, limit: ScoreLimit) -> list[Markup]:
    idle = "" if limit.is_active else " cm-limit-idle"
    marks: list[Markup] = []
    for side, value in (("min", limit.min), ("max", limit.max)):
        if value is None:
            continue
        place = float(axis.place(np.array([value]))[0])
        is_left = place > 0.6
        marks.append(
            _LIMIT.format(
                idle=idle, x=f"{_x(place):.2f}", top=f"{TOP - 16:g}", base=f"{BASE:g}",
                text_x=f"{_x(place) + (-5 if is_left else 5):.2f}", text_y=f"{TOP - 8:g}",
                anchor="end" if is_left else "start", label=f"{side} {words.exact(value)}",
            )
        )  # fmt: skip
    return marks


def _x(place: float) -> float:
    return LEFT + place * (RIGHT - LEFT)


def _described(values: np.ndarray, measure: Measure, marks: Sequence[float]) -> Markup:
    low, middle, high = (words.number(value) for value in quantiles(values))
    unit = f" {measure.unit}" if measure.unit else ""
    title = (
        f"{measure.label} of {values.size:,} clips: median {middle}{unit}, 5 to 95 % {low} to {high}{unit}"
    )
    return escape(title + "".join(f", threshold {words.exact(mark)}" for mark in marks))
