"""Technical quality of a clip, measured on sampled frames without any model.

``frame_measures`` runs inside the decode pass, once per sample; ``clip_quality`` turns the samples of a clip
into the scores of ``clipmill.stages.video.filtering.quality_filter``.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from clipmill.records import TIME_TOLERANCE_S
from clipmill.scores.text_likeness import NUM_CELLS, text_cells, text_likeness

FRAME_MEASURES: tuple[str, ...] = (
    "sharpness",
    "exposure",
    "colourfulness",
    "blockiness",
    "is_black",
    "bar_top",
    "bar_bottom",
    "bar_left",
    "bar_right",
    *(f"text_{cell}" for cell in range(NUM_CELLS)),
)
"""Columns of ``frame_measures``; bars are shares of the height (top, bottom) or width (left, right), texts of
a cell of ``clipmill.scores.text_likeness``."""

_BARS = slice(FRAME_MEASURES.index("bar_top"), FRAME_MEASURES.index("bar_right") + 1)
_TEXTS = slice(FRAME_MEASURES.index("text_0"), len(FRAME_MEASURES))

_DARK_LEVEL = 32  # luma from here on is not black: limited range puts black at 16, coding adds a few levels
_BLACK_SHARE = 0.98  # of a frame's pixels that are dark when it is black, as FFmpeg's blackdetect has it
_BLOCK_PX = 8  # transform blocks of JPEG, MPEG-2, MPEG-4 and H.264
_STEP_FLOOR = 0.1  # levels; a picture without detail has no blocks
_ROW_STEP = 11  # every eleventh row is measured: the same means, cheap, and every place within 8x8 blocks
_ROWS_AT_A_TIME = 24  # of them: larger arrays leave the processor's caches
_STILL_S = 1.0  # a frame that is shown for longer does not move
_FROZEN_LEVELS = 3  # what a thumbnail pixel may differ by when nothing moves: key pictures differ a little


@dataclass(frozen=True)
class QualityScores:
    """Technical quality of a clip, each rounded to 6 digits; None where there was nothing to measure.

    ``sharpness`` ln(1 + variance of the Laplacian), 0 (flat) to about 11; ``exposure`` mean luma, 0..1;
    ``colourfulness`` 0 (grey) to above 80; ``blockiness`` 1 (none) upwards; ``black_ratio``, ``frozen_ratio``
    shares of the samples, 0..1; ``letterbox_ratio`` the share of the picture that is black bars throughout,
    0..1; ``text_likeness`` the share of picture and time that lines like overlaid text cover, 0..1.
    """

    sharpness: float | None
    exposure: float | None
    colourfulness: float | None
    blockiness: float | None
    black_ratio: float | None
    frozen_ratio: float | None
    letterbox_ratio: float | None
    text_likeness: float | None


def clip_quality(measures: np.ndarray, thumbnails: np.ndarray, times_s: np.ndarray) -> QualityScores:
    """Scores of one clip.

    ``measures`` is ``(Q, len(FRAME_MEASURES))`` from ``frame_measures``, ``thumbnails`` uint8
    ``(n, 27, 48, 3)``, all frames of the clip, ``times_s`` ``(n + 1,)`` when each is shown and when the last
    one ends. Without measures the scores that need them are None; ``frozen_ratio`` is for a single frame
    that is not held.
    """
    if measures.ndim != 2 or measures.shape[1] != len(FRAME_MEASURES):
        raise ValueError(f"measures must be (Q, {len(FRAME_MEASURES)}), got {measures.shape = }")
    frozen = _frozen_ratio(thumbnails, times_s, num_samples=max(1, len(measures)))
    if not len(measures):
        return QualityScores(None, None, None, None, None, frozen, None, None)
    mean = dict(zip(FRAME_MEASURES, measures.mean(axis=0, dtype=np.float64).tolist(), strict=True))
    return QualityScores(
        sharpness=round(mean["sharpness"], 6),
        exposure=round(mean["exposure"], 6),
        colourfulness=round(mean["colourfulness"], 6),
        blockiness=round(mean["blockiness"], 6),
        black_ratio=round(mean["is_black"], 6),
        frozen_ratio=frozen,
        letterbox_ratio=_letterbox_ratio(measures),
        text_likeness=text_likeness(measures[:, _TEXTS]),
    )


def _frozen_ratio(thumbnails: np.ndarray, times_s: np.ndarray, *, num_samples: int) -> float | None:
    """Share of ``num_samples`` stretches of equal time in which every frame looks like the first of it.

    Judged by stretches rather than by neighbouring frames: film shown at a higher rate repeats every other
    frame and yet moves, and a slow drift changes little from one frame to the next.
    """
    if not len(thumbnails):
        return None
    step_s = min(_STILL_S, float(np.median(np.diff(times_s))))
    last_s = max(times_s[-2], times_s[-1] - step_s)  # later than the last frame's time where that is held
    num_steps = round((last_s - times_s[0]) / step_s)
    if len(thumbnails) < 2 and not num_steps:
        return None
    instants_s = np.linspace(times_s[0], last_s, max(1, min(num_samples, num_steps)) + 1)
    edges = np.searchsorted(times_s[:-1], instants_s + TIME_TOLERANCE_S, side="right") - 1
    stretches = [thumbnails[start : end + 1].astype(np.int16) for start, end in pairwise(edges.tolist())]
    frozen = [bool(np.abs(stretch - stretch[0]).max() <= _FROZEN_LEVELS) for stretch in stretches]
    return round(sum(frozen) / len(frozen), 6)


def _letterbox_ratio(measures: np.ndarray) -> float:
    """Area of the bars that all samples share; black samples say nothing about bars."""
    is_black = measures[:, FRAME_MEASURES.index("is_black")] > 0
    bars = measures[~is_black, _BARS]
    if not len(bars):
        return 0.0
    top, bottom, left, right = bars.min(axis=0).astype(np.float64).tolist()
    return round(1 - (1 - top - bottom) * (1 - left - right), 6)


def frame_measures(luma: np.ndarray, thumbnail: np.ndarray) -> np.ndarray:
    """Float32, one for each, in the order of ``FRAME_MEASURES``.

    ``luma`` is uint8 ``(H, W)`` at full resolution, ``thumbnail`` uint8 ``(27, 48, 3)`` RGB of that frame.
    """
    if luma.ndim != 2 or thumbnail.ndim != 3:
        raise ValueError(f"need luma (H, W) and thumbnail (h, w, 3), got {luma.shape} and {thumbnail.shape}")
    rows = luma[::_ROW_STEP]
    measures = (
        _sharpness(luma),
        rows.mean(dtype=np.float64) / 255,
        _colourfulness(thumbnail),
        blockiness(rows),
        float(np.count_nonzero(rows < _DARK_LEVEL) >= _BLACK_SHARE * rows.size),
        *_bars(luma),
        *text_cells(luma),
    )
    return np.array(measures, np.float32)


def _sharpness(luma: np.ndarray) -> float:
    """ln(1 + variance of the Laplacian), after Pech-Pacheco et al., "Diatom autofocusing", 2000."""
    if min(luma.shape) < 3:
        return 0.0
    total = squares = 0.0  # of whole numbers: exact in any order
    size = 0
    lines = _ROW_STEP * _ROWS_AT_A_TIME
    for top in range(0, len(luma) - 2, lines):
        levels = _laplacian(luma[top : top + lines])
        total += levels.sum()
        squares += levels @ levels
        size += levels.size
    return float(np.log1p((squares - total * total / size) / size))


def _laplacian(luma: np.ndarray) -> np.ndarray:
    """Float64 ``(n,)``: of every eleventh row, from the second on."""
    centre = luma[1:-1:_ROW_STEP].astype(np.int16)
    laplacian = np.add(luma[:-2:_ROW_STEP], luma[2::_ROW_STEP], dtype=np.int16)[:, 1:-1]
    laplacian += centre[:, :-2]
    laplacian += centre[:, 2:]
    laplacian -= 4 * centre[:, 1:-1]
    return laplacian.astype(np.float64).ravel()


def _colourfulness(thumbnail: np.ndarray) -> float:
    """M3 of Hasler and Suesstrunk, "Measuring colourfulness in natural images", 2003."""
    red, green, blue = np.moveaxis(thumbnail.astype(np.float64), -1, 0)
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = np.hypot(red_green.std(), yellow_blue.std())
    return float(spread + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean()))


def blockiness(rows: np.ndarray) -> float:
    """Mean step across the borders of 8 px blocks of rows ``(n, W)`` over the mean step inside them.

    After Wang, Sheikh and Bovik, "No-reference perceptual quality assessment of JPEG compressed images",
    2002.
    """
    if rows.shape[1] <= _BLOCK_PX:
        return 1.0
    left, right = rows[:, :-1], rows[:, 1:]
    differences = np.maximum(left, right) - np.minimum(
        left, right
    )  # unsigned: half the bytes of a subtraction
    steps = differences.sum(axis=0, dtype=np.uint32) / len(rows)
    at_border = np.arange(len(steps)) % _BLOCK_PX == _BLOCK_PX - 1
    return float((steps[at_border].mean() + _STEP_FLOOR) / (steps[~at_border].mean() + _STEP_FLOOR))


def _bars(luma: np.ndarray) -> tuple[float, float, float, float]:
    """Shares of top, bottom, left and right that are black; all 0 for a frame without a bright pixel."""
    top, bottom, left, right = line_bars(luma)
    height, width = luma.shape
    return top / height, bottom / height, left / width, right / width


def _has_light(edge: np.ndarray) -> bool:
    # A few pixels mostly do; a column lies in as many places of memory as it has pixels.
    return edge[::_ROW_STEP].max() >= _DARK_LEVEL or edge.max() >= _DARK_LEVEL


def line_bars(luma: np.ndarray) -> tuple[int, int, int, int]:
    """Returns how many lines are black at top, bottom, left and right; all 0 without a bright pixel."""
    if all(map(_has_light, (luma[0], luma[-1], luma[:, 0], luma[:, -1]))):
        return 0, 0, 0, 0  # as most films have it: one look at every pixel spared
    rows, columns = luma.max(axis=1) >= _DARK_LEVEL, luma.max(axis=0) >= _DARK_LEVEL
    if not rows.any():
        return 0, 0, 0, 0
    edges = (rows, rows[::-1], columns, columns[::-1])
    top, bottom, left, right = (int(lines.argmax()) for lines in edges)
    return top, bottom, left, right
