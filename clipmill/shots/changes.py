"""How much pictures differ: each frame of the 48x27 stream against the five that follow it.

Two measures that fail in different places. *Structure* compares normalised luma pixel by pixel: exposure,
flicker and darkness cancel out, fast motion does not. *Colour* compares histograms: motion cancels out,
exposure does not.
"""

from dataclasses import dataclass

import numpy as np

from clipmill.shots.detector_frames import reach_s

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
    planes = LUMA_CHROMA @ rgb.reshape(-1, 3).T.astype(np.float32)
    return planes.reshape(3, *rgb.shape[:-1])


@dataclass(frozen=True)
class Looks:
    """What frames are compared by, float32: ``structure_of`` their luma, and their histograms ``(N, 48)``.

    ``times_s`` float64 ``(N,)`` in seconds.
    """

    structure: np.ndarray
    histograms: np.ndarray
    times_s: np.ndarray

    def __len__(self) -> int:
        return len(self.structure)

    def __getitem__(self, frames: slice) -> "Looks":
        return Looks(self.structure[frames], self.histograms[frames], self.times_s[frames])

    def then(self, others: "Looks") -> "Looks":
        """These frames and ``others`` behind them."""
        return Looks(
            np.concatenate([self.structure, others.structure]),
            np.concatenate([self.histograms, others.histograms]),
            np.concatenate([self.times_s, others.times_s]),
        )


_PIECE_FRAMES = 8  # arrays of more would be taken from the system anew each time, at the price of the work


def looks_of(thumbnails: np.ndarray, times_s: np.ndarray) -> Looks:
    """What frames are compared by. ``thumbnails`` is uint8 ``(N, 27, 48, 3)`` RGB, ``times_s`` ``(N,)``."""
    num_frames, height, width, _ = thumbnails.shape
    structure = np.empty((num_frames, height * width), np.float32)
    histograms = np.empty((num_frames, 48), np.float32)
    for start in range(0, num_frames, _PIECE_FRAMES):
        piece = slice(start, start + _PIECE_FRAMES)
        rgb = thumbnails[piece].astype(np.float32)
        structure[piece] = structure_of(rgb @ LUMA_WEIGHTS)
        histograms[piece] = _histograms(rgb[:, :, ::2])
    return Looks(structure, histograms, times_s)


def compare(looks: Looks) -> Changes:
    """Compare every frame with the next ``MAX_LAG`` within reach."""
    shape = (len(looks), MAX_LAG)
    structure, colour = np.full(shape, np.inf, np.float32), np.full(shape, np.inf, np.float32)
    products = inner_products(looks.structure, reach=MAX_LAG)
    lengths = products.diagonal() / 2
    for lag in range(1, min(MAX_LAG, len(looks) - 1) + 1):
        count = len(looks) - lag
        structure[:count, lag - 1] = lengths[:count] + lengths[lag:] - products.diagonal(lag)
        colour[:count, lag - 1] = _colour_change(looks.histograms[:count], looks.histograms[lag:])
        if lag > 1:
            is_far = looks.times_s[lag:] - looks.times_s[:count] > reach_s(MAX_LAG)
            structure[:count, lag - 1][is_far] = colour[:count, lag - 1][is_far] = np.inf
    return Changes(np.maximum(structure, 0), colour, looks.times_s)


def structure_of(luma: np.ndarray) -> np.ndarray:
    """Return each picture with its mean taken off and its length made 1, float32 ``(N, H * W)``.

    Pictures with less contrast than ``MIN_CONTRAST`` come out shorter, so that two black frames full of noise
    are alike.
    """
    flat = luma.reshape(len(luma), luma.shape[1] * luma.shape[2])
    num_pixels = np.float32(flat.shape[1])
    centred = flat - np.add.reduce(flat, axis=1, keepdims=True) / num_pixels
    contrast = np.sqrt(np.einsum("ij,ij->i", centred, centred) / num_pixels)
    centred /= (np.maximum(contrast, np.float32(MIN_CONTRAST)) * np.sqrt(num_pixels))[:, None]
    return centred


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
