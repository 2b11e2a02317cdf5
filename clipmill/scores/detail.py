"""How much detail of each fineness a frame holds, counted so that copies of any size compare.

The rows of the picture between its bars are split by frequency, in cycles per width of the picture: a copy of
another size has the same detail up to the finest that its pixels can show. Bands are a quarter of an octave.
Zones of the picture tell where the finest detail lies: coding takes it where there is little, a filter
everywhere.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from clipmill.scores.quality import blockiness, line_bars

NUM_BANDS = 32
FIRST_CYCLES = 8
BANDS_PER_OCTAVE = 4

SIZE_MEASURES = ("picture_width", "picture_height", "frame_width", "frame_height", "blockiness")
ZONE_ROWS, ZONE_COLUMNS = 6, 8
NUM_ZONES = ZONE_ROWS * ZONE_COLUMNS
NUM_MEASURES = len(SIZE_MEASURES) + NUM_BANDS + NUM_ZONES
"""Numbers of ``frame_detail``: sizes in pixels, steps at the borders of 8 px blocks, bands, then zones."""

_NUM_ROWS = 48
_ROW_STEP = 11
_QUICK_FACTOR = 23
_ROWS_AT_A_TIME = 8
"""Arrays above 128 kB come from the system each time, and its zeroing takes longer than the maths."""
_EDGES = FIRST_CYCLES * 2 ** (np.arange(NUM_BANDS + 1) / BANDS_PER_OCTAVE)


def frame_detail(luma: np.ndarray, thumbnail: np.ndarray) -> np.ndarray:
    """Float32 ``(NUM_MEASURES,)`` of a frame's luma, uint8 ``(H, W)``; the thumbnail is not looked at.

    A band holds the variance of its part of the rows, in squared levels; -1 where pixels cannot show it. A
    zone holds the mean squared difference of neighbours in a row, in squared levels.
    """
    del thumbnail
    top, bottom, left, right = line_bars(luma)
    height, width = luma.shape
    picture = luma[top : height - bottom, left : width - right]
    sizes = (picture.shape[1], picture.shape[0], width, height, blockiness(luma[::_ROW_STEP]))
    rows = picture[:: max(1, len(picture) // _NUM_ROWS)]
    strips = [
        rows[first : first + _ROWS_AT_A_TIME].astype(np.float64)
        for first in range(0, len(rows), _ROWS_AT_A_TIME)
    ]
    return np.array([*sizes, *_bands(strips), *_zones(strips)], np.float32)


def _bands(strips: Sequence[np.ndarray]) -> np.ndarray:
    """Variance of the rows in each band ``(NUM_BANDS,)``, under a Hann window."""
    width = _quick_width(strips[0].shape[1])
    window, window_sum, scale = _window(width)
    power = np.zeros(width // 2 + 1)
    for rows in strips:
        inside = rows[:, :width]
        windowed = inside - (inside @ window)[:, None] / window_sum
        windowed *= window
        spectrum = np.fft.rfft(windowed)
        for row in np.square(spectrum.real) + np.square(spectrum.imag):
            power += row
    power = power / sum(map(len, strips)) * scale
    bounds = np.searchsorted(np.arange(len(power)), _EDGES)
    sums = np.append(0, np.cumsum(power))
    bands = sums[bounds[1:]] - sums[bounds[:-1]]
    return np.where(_EDGES[1:] <= width / 2, bands, -1)


def _zones(strips: Sequence[np.ndarray]) -> np.ndarray:
    """Mean squared difference of neighbours in each zone ``(NUM_ZONES,)``, by rows; 0 of an empty one."""
    down = _parts(sum(map(len, strips)), ZONE_ROWS)
    across = _parts(strips[0].shape[1] - 1, ZONE_COLUMNS)
    # Sums of whole numbers, so that they are the same in any order.
    sums = down @ np.concatenate([_squared_steps(rows) @ across.T for rows in strips])
    counts = np.outer(down.sum(axis=1), across.sum(axis=1))
    return (sums / np.maximum(counts, 1)).ravel()


def _squared_steps(rows: np.ndarray) -> np.ndarray:
    steps = rows[:, 1:] - rows[:, :-1]
    steps *= steps
    return steps


@lru_cache(maxsize=16)
def _parts(num: int, num_parts: int) -> np.ndarray:
    """Float64 ``(num_parts, num)``: 1 where a place lies in a part, else 0."""
    edges, places = np.linspace(0, num, num_parts + 1).astype(int)[:, None], np.arange(num)
    return ((places >= edges[:-1]) & (places < edges[1:])).astype(np.float64)


@lru_cache(maxsize=8)
def _window(width: int) -> tuple[np.ndarray, float, float]:
    """A Hann window ``(width,)``, its sum, and what makes a variance of power under it."""
    window = np.hanning(width + 2)[1:-1]
    return window, float(window.sum()), float(2 / (width * np.square(window).sum()))


@lru_cache(maxsize=8)
def _quick_width(width: int) -> int:
    """Returns the largest width up to ``width`` without a prime factor above 23.

    The Fourier transform of a row of prime length takes up to seven times as long. At most a fortieth of the
    columns is left out.
    """
    while _largest_prime_factor(width) > _QUICK_FACTOR:
        width -= 1
    return width


def _largest_prime_factor(number: int) -> int:
    factor = 2
    while factor * factor <= number:
        if number % factor:
            factor += 1
        else:
            number //= factor
    return number
