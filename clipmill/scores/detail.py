"""How much detail of each fineness a frame holds, counted so that copies of any size compare.

The rows of the picture between its bars are split by frequency, in cycles per width of the picture: a copy of
another size has the same detail up to the finest that its pixels can show. Bands are a quarter of an octave.
"""

from functools import lru_cache

import numpy as np

from clipmill.scores.quality import blockiness, line_bars

NUM_BANDS = 32
FIRST_CYCLES = 8
BANDS_PER_OCTAVE = 4

SIZE_MEASURES = ("picture_width", "picture_height", "frame_width", "frame_height", "blockiness")
NUM_MEASURES = len(SIZE_MEASURES) + NUM_BANDS
"""Numbers of ``frame_detail``: sizes in pixels, the steps at the borders of 8 px blocks, then the bands."""

_NUM_ROWS = 48
_ROW_STEP = 11
_EDGES = FIRST_CYCLES * 2 ** (np.arange(NUM_BANDS + 1) / BANDS_PER_OCTAVE)


def frame_detail(luma: np.ndarray, thumbnail: np.ndarray) -> np.ndarray:
    """Float32 ``(NUM_MEASURES,)`` of a frame's luma, uint8 ``(H, W)``; the thumbnail is not looked at.

    A band holds the variance of its part of the rows, in squared levels; -1 where pixels cannot show it.
    """
    del thumbnail
    top, bottom, left, right = line_bars(luma)
    height, width = luma.shape
    picture = luma[top : height - bottom, left : width - right]
    sizes = (picture.shape[1], picture.shape[0], width, height, blockiness(luma[::_ROW_STEP]))
    return np.array([*sizes, *_bands(picture)], np.float32)


def _bands(picture: np.ndarray) -> np.ndarray:
    """Variance of the rows in each band ``(NUM_BANDS,)``, under a Hann window."""
    height, width = picture.shape
    window, window_sum, scale = _window(width)
    rows = picture[:: max(1, height // _NUM_ROWS)].astype(np.float64)
    rows = (rows - (rows @ window)[:, None] / window_sum) * window
    spectrum = np.fft.rfft(rows)
    power = (np.square(spectrum.real) + np.square(spectrum.imag)).mean(axis=0) * scale
    bounds = np.searchsorted(np.arange(len(power)), _EDGES)
    sums = np.append(0, np.cumsum(power))
    bands = sums[bounds[1:]] - sums[bounds[:-1]]
    return np.where(_EDGES[1:] <= width / 2, bands, -1)


@lru_cache(maxsize=8)
def _window(width: int) -> tuple[np.ndarray, float, float]:
    """A Hann window ``(width,)``, its sum, and what makes a variance of power under it."""
    window = np.hanning(width + 2)[1:-1]
    return window, float(window.sum()), float(2 / (width * np.square(window).sum()))
