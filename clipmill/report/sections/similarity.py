"""How alike clips are, drawn so that a threshold can be chosen by looking."""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from clipmill.report import words
from clipmill.report.measures import Measure
from clipmill.report.plan_records import ScoreLimit
from clipmill.report.plots import histogram_svg
from clipmill.report.view import SimilarityCounts

MEASURE = Measure(
    "similarity",
    "Similarity",
    "similarity",
    "of each clip to the most alike better-ranked one",
    bounds=(0.0, 1.0),
)
EPS = (0.01, 0.02, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3)


@dataclass(frozen=True)
class ThresholdRow:
    """How many clips have a better-ranked one at least ``1 - eps`` alike."""

    eps: str
    similarity: str
    num_clips: int
    is_chosen: bool


@dataclass(frozen=True)
class SimilarityView:
    """The distribution with the threshold in use, and the others from which another number of clips goes."""

    svg: Markup
    num_clips: int
    rows: tuple[ThresholdRow, ...]


def draw_similarity(counts: SimilarityCounts | None) -> SimilarityView | None:
    """The view of ``counts``; None where no clip was compared with another."""
    if counts is None or not sum(counts.counts):
        return None
    number = np.array(counts.counts)
    lower = np.arange(len(number)) / (len(number) - 1)
    goes = lower >= counts.threshold - 1e-9
    values = {
        "kept": np.repeat(lower[~goes], number[~goes]),
        "duplicate": np.repeat(lower[goes], number[goes]),
    }
    chosen = round(1.0 - counts.threshold, 6)
    every = [_row(eps, lower, number, is_chosen=eps == chosen) for eps in sorted({*EPS, chosen})]
    before = [None, *(row.num_clips for row in every[:-1])]
    rows = [row for row, count in zip(every, before, strict=True) if row.is_chosen or row.num_clips != count]
    svg = histogram_svg(values, MEASURE, [ScoreLimit("similarity", min=round(counts.threshold, 6))])
    return SimilarityView(svg, int(number.sum()), tuple(rows))


def _row(eps: float, lower: np.ndarray, number: np.ndarray, *, is_chosen: bool) -> ThresholdRow:
    num_clips = int(number[lower >= 1.0 - eps - 1e-9].sum())
    return ThresholdRow(words.exact(eps), words.exact(round(1.0 - eps, 6)), num_clips, is_chosen)
