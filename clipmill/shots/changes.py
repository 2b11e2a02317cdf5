"""How much pictures differ: each frame of the 48x27 stream against the five that follow it.

Two measures that fail in different places. *Structure* compares normalised luma pixel by pixel: exposure,
flicker and darkness cancel out, fast motion does not. *Colour* compares histograms: motion cancels out,
exposure does not.
"""

from dataclasses import dataclass, replace

import numpy as np

from clipmill.shots.bars import bars_of, blacken, share_inside
from clipmill.shots.detector_frames import reach_s
from clipmill.shots.mixed_frames import CONTEXT, whole_frames

MAX_LAG = 5
"""Frames ahead that a frame is compared with; a disturbance of fewer frames can be seen past.

None but the next is further away than ``reach_s``.
"""

THUMBNAIL_SHAPE = (27, 48, 3)
LUMA_WEIGHTS = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601
_BLUE_SCALE, _RED_SCALE = np.float32(0.564), np.float32(0.713)  # ITU-R BT.601
LUMA_CHROMA = np.stack(
    [
        LUMA_WEIGHTS,
        (np.array([0, 0, 1], np.float32) - LUMA_WEIGHTS) * _BLUE_SCALE,
        (np.array([1, 0, 0], np.float32) - LUMA_WEIGHTS) * _RED_SCALE,
    ]
)
"""Float32 ``(3, 3)``: luma and both colour differences of an RGB pixel."""

MIN_CONTRAST = 4.0
"""Grey levels of standard deviation below which a picture's structure is taken for noise and fades out."""

CHROMA_RANGE = 40.0
"""Chroma beyond this many levels from grey shares the outermost bin; few pixels of a film reach it."""


def _soft_bins(place: np.ndarray, num_bins: int) -> np.ndarray:
    """Which bins each of 256 levels counts for, float32 ``(256, num_bins)``; ``place`` is 0..1 over the bins.

    A level is divided between its two nearest bins, so that a slight change of exposure moves little.
    """
    centre = np.clip(place * num_bins - 0.5, 0, num_bins - 1)
    return np.maximum(0, 1 - np.abs(centre[:, None] - np.arange(num_bins))).astype(np.float32)


_LEVELS = np.arange(256)
LUMA_BINS = _soft_bins(np.sqrt(_LEVELS / 255), 24)  # the root spreads dark pictures over more bins
CHROMA_BINS = _soft_bins((_LEVELS - 128) / (2 * CHROMA_RANGE) + 0.5, 12)


@dataclass(frozen=True)
class Changes:
    """Differences between frames, both float32 ``(N, MAX_LAG)``; column ``l - 1`` compares frame t with ``t +
    l``.

    ``structure`` is 0 for the same picture at any exposure, 0.5 between a picture and a blank one, about 1
    between unrelated pictures, 2 for a negative. ``colour`` is 0 for the same histogram and 1 for disjoint
    ones. Where there is no frame ``t + l`` within reach both are infinite. ``times_s`` ``(N,)`` in seconds.
    """

    structure: np.ndarray
    colour: np.ndarray
    times_s: np.ndarray

    def __len__(self) -> int:
        return len(self.structure)

    def __getitem__(self, frames: slice) -> "Changes":
        return Changes(self.structure[frames], self.colour[frames], self.times_s[frames])

    def then(self, others: "Changes") -> "Changes":
        """These frames and ``others`` behind them."""
        return Changes(
            np.concatenate([self.structure, others.structure]),
            np.concatenate([self.colour, others.colour]),
            np.concatenate([self.times_s, others.times_s]),
        )


def check_thumbnails(thumbnails: np.ndarray) -> None:
    """Raise ValueError unless ``thumbnails`` is uint8 ``(N, 27, 48, 3)``."""
    if thumbnails.dtype != np.uint8 or thumbnails.ndim != 4 or thumbnails.shape[1:] != THUMBNAIL_SHAPE:
        raise ValueError(
            f"thumbnails must be uint8 (N, 27, 48, 3), got {thumbnails.dtype} {thumbnails.shape}"
        )


def split_luma_chroma(rgb: np.ndarray) -> np.ndarray:
    """Luma and both colour differences of RGB ``(..., 3)``, float32 ``(3, ...)``; the latter are around 0."""
    planes = LUMA_CHROMA @ rgb.reshape(-1, 3).T.astype(np.float32, copy=False)
    return planes.reshape(3, *rgb.shape[:-1])


@dataclass(frozen=True)
class Looks:
    """What frames are compared by, float32: ``structure_of`` their luma, and their histograms ``(N, 48)``.

    ``means`` and ``contrasts`` ``(N,)`` are those of luma, the latter at least ``MIN_CONTRAST``; ``bars``
    ``(N, 4)`` what ``bars_of`` gives. ``times_s`` float64 ``(N,)`` in seconds.
    """

    structure: np.ndarray
    means: np.ndarray
    contrasts: np.ndarray
    bars: np.ndarray
    histograms: np.ndarray
    times_s: np.ndarray

    def __len__(self) -> int:
        return len(self.structure)

    def __getitem__(self, frames: slice | np.ndarray) -> "Looks":
        return Looks(*(values[frames] for values in self._arrays))

    def then(self, others: "Looks") -> "Looks":
        """These frames and ``others`` behind them."""
        pairs = zip(self._arrays, others._arrays, strict=True)
        return Looks(*(np.concatenate(pair) for pair in pairs))

    def with_pictures_of(self, frames: np.ndarray) -> "Looks":
        """These times with the pictures of other frames, whose indices are ``(N,)``."""
        return replace(self[frames], times_s=self.times_s)

    @property
    def _arrays(self) -> tuple[np.ndarray, ...]:
        return self.structure, self.means, self.contrasts, self.bars, self.histograms, self.times_s


_PIECE_FRAMES = 8  # arrays of more would be taken from the system anew each time, at the price of the work


def looks_of(thumbnails: np.ndarray, times_s: np.ndarray) -> Looks:
    """What frames are compared by. ``thumbnails`` is uint8 ``(N, 27, 48, 3)`` RGB, ``times_s`` ``(N,)``."""
    num_frames, height, width, _ = thumbnails.shape
    structure = np.empty((num_frames, height * width), np.float32)
    means, contrasts = np.empty(num_frames, np.float32), np.empty(num_frames, np.float32)
    bars = bars_of(thumbnails)
    has_bars = bool(bars.any())
    histograms = np.empty((num_frames, 48), np.float32)
    for start in range(0, num_frames, _PIECE_FRAMES):
        piece = slice(start, start + _PIECE_FRAMES)
        rgb = thumbnails[piece].astype(np.float32)
        luma = rgb @ LUMA_WEIGHTS
        if has_bars:
            blacken(luma, bars[piece])
        structure[piece], means[piece], contrasts[piece] = structure_of(luma)
        histograms[piece] = _histograms(rgb[:, :, ::2])
    return Looks(structure, means, contrasts, bars, histograms, times_s)


def compare(looks: Looks) -> Changes:
    """Compare every frame with the next ``MAX_LAG`` within reach, over what no black bar covers in both.

    A frame that mixes its neighbours counts as the nearer one, where ``CONTEXT`` frames are known on either
    side.
    """
    shape = (len(looks), MAX_LAG)
    structure, colour = np.full(shape, np.inf, np.float32), np.full(shape, np.inf, np.float32)
    looks, products = _unmixed(looks, inner_products(looks.structure, reach=MAX_LAG + CONTEXT))
    lengths = products.diagonal() / 2
    for lag in range(1, min(MAX_LAG, len(looks) - 1) + 1):
        count = len(looks) - lag
        structure[:count, lag - 1] = lengths[:count] + lengths[lag:] - products.diagonal(lag)
        colour[:count, lag - 1] = _colour_change(looks.histograms[:count], looks.histograms[lag:])
        if lag > 1:
            is_far = looks.times_s[lag:] - looks.times_s[:count] > reach_s(MAX_LAG)
            structure[:count, lag - 1][is_far] = colour[:count, lag - 1][is_far] = np.inf
    if looks.bars.any():
        _leave_out_bars(looks, products, structure, colour)
    return Changes(np.maximum(structure, 0), colour, looks.times_s)


def _unmixed(looks: Looks, products: np.ndarray) -> tuple[Looks, np.ndarray]:
    whole = whole_frames(products)
    if (whole == np.arange(len(looks))).all():
        return looks, products
    first, second = np.minimum.outer(whole, whole), np.maximum.outer(whole, whole)
    return looks.with_pictures_of(whole), products[first, second]


def _leave_out_bars(looks: Looks, products: np.ndarray, structure: np.ndarray, colour: np.ndarray) -> None:
    """Make both changes, ``(N, MAX_LAG)``, those of the pictures inside the bars that a pair has in common.

    Bars are 0, so that a sum over the picture is the sum over the frame. To take off the picture's mean in
    place of the frame's leaves less of each product, by the product of the means. Histograms of bars are the
    same.
    """
    first = np.arange(len(looks))[:, None]
    second = np.minimum(first + np.arange(1, MAX_LAG + 1), len(looks) - 1)
    if (looks.bars == looks.bars[0]).all():
        inside = share_inside(looks.bars[:1], looks.bars[:1], shape=THUMBNAIL_SHAPE[:2])
        inside = np.broadcast_to(inside[:, None], second.shape)
    else:
        inside = share_inside(looks.bars[first], looks.bars[second], shape=THUMBNAIL_SHAPE[:2])
    levels = looks.means / looks.contrasts
    less = (1 - inside) / inside
    lengths = products.diagonal()
    scales, squares = [], []
    for frames in (first, second):
        square = np.maximum(lengths[frames] - less * levels[frames] ** 2, 0)
        contrast = looks.contrasts[frames] * np.sqrt(square / inside)
        scales.append(
            looks.contrasts[frames] / (np.maximum(contrast, np.float32(MIN_CONTRAST)) * np.sqrt(inside))
        )
        squares.append(square * scales[-1] ** 2)
    product = (products[first, second] - less * levels[first] * levels[second]) * scales[0] * scales[1]
    has_bars = (inside < 1) & np.isfinite(structure)
    structure[has_bars] = ((squares[0] + squares[1]) / 2 - product)[has_bars]
    colour[has_bars] /= inside[has_bars]


def structure_of(luma: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each picture with its mean taken off and its length made 1, float32 ``(N, H * W)``.

    And the mean and the contrast of each, float32 ``(N,)``. Contrast is at least ``MIN_CONTRAST``: pictures
    with less come out shorter, so that two black frames full of noise are alike.
    """
    flat = luma.reshape(len(luma), luma.shape[1] * luma.shape[2])
    num_pixels = np.float32(flat.shape[1])
    means = np.add.reduce(flat, axis=1) / num_pixels
    centred = flat - means[:, None]
    contrasts = np.sqrt(np.einsum("ij,ij->i", centred, centred) / num_pixels)
    contrasts = np.maximum(contrasts, np.float32(MIN_CONTRAST))
    centred /= (contrasts * np.sqrt(num_pixels))[:, None]
    return centred, means, contrasts


def inner_products(rows: np.ndarray, *, reach: int) -> np.ndarray:
    """``(N, N)``: every row of ``(N, K)`` by itself and, above the diagonal, by the next ``reach``.

    In pieces that BLAS does not share out: where its threads are not limited to one, they would wait for each
    other longer than all of this takes. What no piece holds is 0.
    """
    products = np.zeros((len(rows), len(rows)), np.float32)
    step = max(1, int((reach * reach + 4 * _SHARED_OUT / rows.shape[1]) ** 0.5 - reach) // 2)
    for start in range(0, len(rows), step):
        later = slice(start, start + step + reach)
        np.matmul(rows[start : start + step], rows[later].T, out=products[start : start + step, later])
    return products


_SHARED_OUT = 1 << 18  # multiplications from which OpenBLAS starts threads


def _colour_change(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.abs(first - second).sum(axis=1) / 6  # three histograms, each of sum 1, so at most 2 apart


def _histograms(rgb: np.ndarray) -> np.ndarray:
    """Histograms of luma and both colour differences, side by side, float32 ``(N, 48)``.

    ``rgb`` is float32 ``(N, H, W, 3)``; every other column of a picture is enough.
    """
    planes = split_luma_chroma(rgb).reshape(3, len(rgb), -1)
    planes[1:] += 128
    cells = planes.astype(np.int64)
    cells += np.arange(0, 3 * len(rgb) * 256, 256).reshape(3, -1, 1)
    counts = np.bincount(cells.ravel(), minlength=3 * len(rgb) * 256).reshape(3, -1, 256)
    luma, *chroma = counts.astype(np.float32) / np.float32(planes.shape[2])
    return np.concatenate([luma @ LUMA_BINS, *(plane @ CHROMA_BINS for plane in chroma)], axis=1)
