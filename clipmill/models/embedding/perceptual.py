"""A description of how a clip looks over time, without weights: it finds copies, not meaning.

Ingredients, all well known: black bars removed; luma averaged to 32x32 under a Hann window, so that cropped
edges and corner logos count little; the low frequencies of its DCT, as in DCT image hashes (Zauner,
"Implementation and benchmarking of perceptual image hash functions", 2010), each raised to the height that
natural pictures lack at its frequency (Field, "Relations between the statistics of natural images", 1987)
and then compressed by a power law (Perronnin et al., "Improving the Fisher kernel", 2010, tame a few large
values in this way). Three such pictures are laid end to end: the mean over time, which outlasts a trim or
another sampling grid; a slow drift from the first frame to the last; and how much each place varies, as in
motion energy images (Bobick and Davis, "The recognition of human movement using temporal templates", 2001),
which tells two shots from one camera position apart wherever and whenever their people move. A trace of the
mean colour (MPEG-7's colour layout, first term) decides only between clips without structure.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from clipmill.dedup.copies.fingerprints import SIDE_PX, Sketch, encode, sketch_of, step_for
from clipmill.models.embedding.base import Embedded

_SIDE_PX = 32  # of the small luma picture
_FREQUENCIES = 12  # along either axis, of which those below the diagonal of 14 are kept
_DIAGONAL = 14
_POWER = 0.25  # compression of coefficients: nearly signs, as in a hash
_NOISE = 0.5  # coefficients below this, in levels, are compressed no further: coding noise
_STRUCTURE_FLOOR = 1.0  # length of a frame's coefficients that counts half: flat frames say little
_DRIFT_WEIGHT = 0.5  # what changes is less certain than what stays
_VARIATION_WEIGHT = 0.8
_COLOUR_WEIGHT = 0.1  # so that a grey copy loses less than 0.01 of its similarity
_COLOUR_ORIGIN = 0.02  # keeps the vector of a flat mid-grey clip from being zero
_EDGE_PX = 48  # of the small luma picture in which edges are looked for
_STILL_SAMPLES = 3  # subtitles change every few seconds
_BAR_LEVEL = 64  # brightest luma of a bar, brightened copies included
_BAR_SPREAD = 16  # how much a bar varies over its length and over time
_LEAST_PICTURE = 0.3  # share of a frame that is left when its bars are taken off, else they are no bars

_ROW, _COLUMN = np.mgrid[:_FREQUENCIES, :_FREQUENCIES]
_KEPT = (_ROW + _COLUMN > 0) & (_ROW + _COLUMN < _DIAGONAL)
_RADIUS = np.hypot(_ROW, _COLUMN)[_KEPT]
_TURNS = np.append(np.tile(_COLUMN[_KEPT] % 2 == 1, 3), [False] * 4)  # what changes its sign in a mirror
_PHASE = np.pi * np.arange(_FREQUENCIES)[:, None] * (np.arange(_SIDE_PX) + 0.5) / _SIDE_PX
_COSINES = np.cos(_PHASE) * np.sqrt(np.where(np.arange(_FREQUENCIES) == 0, 1, 2) / _SIDE_PX)[:, None]
_HANN = np.outer(*[np.sin(np.pi * (np.arange(_SIDE_PX) + 0.5) / _SIDE_PX) ** 2] * 2)
_WINDOW = _HANN / _HANN.mean()


Describe = Callable[[np.ndarray], tuple[np.ndarray, Sketch | None]]
"""Of one clip, uint8 ``(T, H, W, 3)`` RGB, its unit float32 vector and what verifies a copy."""


class PerceptualEmbedder:
    """Embeds clips of any size by ``describe_and_sketch`` or ``describe_either_way``."""

    algorithm = "perceptual"

    def __init__(self, describe: Describe) -> None:
        self._describe = describe
        self.dimension = 3 * len(_RADIUS) + 4

    def embed(self, clips: Sequence[np.ndarray]) -> Embedded:
        """One L2-normalised float32 row, and mostly a sketch, per clip: uint8 ``(T, H, W, 3)`` RGB, T > 0."""
        both = [self._describe(frames) for frames in clips]
        rows = np.stack([row for row, _ in both]) if both else np.zeros((0, self.dimension), np.float32)
        return Embedded(rows, sketches=tuple(sketch and encode(sketch) for _, sketch in both))


def describe(frames: np.ndarray) -> np.ndarray:
    """Unit float32 vector of one clip, uint8 ``(T, H, W, 3)`` RGB."""
    return describe_and_sketch(frames)[0]


def describe_and_sketch(frames: np.ndarray) -> tuple[np.ndarray, Sketch | None]:
    """Unit float32 vector of one clip, uint8 ``(T, H, W, 3)`` RGB, and what verifies a copy."""
    if frames.ndim != 4 or frames.shape[-1] != 3 or 0 in frames.shape:
        raise ValueError(f"a clip must be (T, H, W, 3) with T at least 1, got {frames.shape = }")
    luma = _luma(frames)
    area = _picture_area(luma)
    inside = luma[:, *area]
    views = [inside] if inside.shape == luma.shape else [inside, luma]
    sketch = sketch_of(np.stack([_shrunk(view, SIDE_PX) for view in views]), _still_edges(luma))
    return _vector(frames[:, *area], inside), sketch


def _still_edges(luma: np.ndarray) -> np.ndarray:
    """Mean ``(24, 24)`` of the edges that stay for three samples of a sketch, in levels, bars included.

    What is laid over a film stands still.
    """
    small = _shrunk(luma[:: step_for(len(luma))], _EDGE_PX)
    steps = np.abs(np.diff(small, axis=2, append=small[:, :, -1:]))
    steps += np.abs(np.diff(small, axis=1, append=small[:, -1:]))
    run = min(_STILL_SAMPLES, len(steps))
    still = np.minimum.reduce([steps[start : len(steps) - run + 1 + start] for start in range(run)])
    return still.mean(axis=0).reshape(SIDE_PX, _EDGE_PX // SIDE_PX, SIDE_PX, -1).mean(axis=(1, 3))


def describe_either_way(frames: np.ndarray) -> tuple[np.ndarray, Sketch | None]:
    """As ``describe_and_sketch``, the same for a clip and its mirror image."""
    vector, sketch = describe_and_sketch(frames)
    vector = np.where(_TURNS, 0, vector)
    turned = sketch and replace(sketch, either_way=True)
    return (vector / np.linalg.norm(vector)).astype(np.float32), turned


def _vector(frames: np.ndarray, luma: np.ndarray) -> np.ndarray:
    """Of what lies between the bars."""
    small = _shrunk(luma, _SIDE_PX)
    variation = _structure(small.std(axis=0, keepdims=True))[0]
    parts = [*_over_time(_structure(small)), _VARIATION_WEIGHT * variation]
    vector = np.concatenate([*parts, _colour(frames)])
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def _luma(frames: np.ndarray) -> np.ndarray:
    """BT.601 luma, float32 ``(T, H, W)``, in whole numbers on the way: the same on every machine."""
    red, green, blue = (frames[..., channel].astype(np.uint16) for channel in range(3))
    return (77 * red + 150 * green + 29 * blue) / np.float32(256)


def _picture_area(luma: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns inside the bars that all frames ``(T, H, W)`` share."""
    brightest, darkest = luma.max(axis=0), luma.min(axis=0)
    areas = tuple(_between_bars(brightest.max(axis=axis), darkest.min(axis=axis)) for axis in (1, 0))
    left = luma[0][areas].size / luma[0].size
    return (areas[0], areas[1]) if left >= _LEAST_PICTURE else (slice(None), slice(None))


def _between_bars(brightest: np.ndarray, darkest: np.ndarray) -> slice:
    """The run of lines from the first to the last that is not dark and even; empty when none is."""
    is_picture = (brightest > _BAR_LEVEL) | (brightest - darkest > _BAR_SPREAD)
    found = np.flatnonzero(is_picture)
    return slice(int(found[0]), int(found[-1]) + 1) if len(found) else slice(0, 0)


def _shrunk(luma: np.ndarray, side_px: int) -> np.ndarray:
    """``(T, side_px, side_px)``: area averages, whatever the size of ``luma`` ``(T, H, W)``."""
    num_frames, height, width = luma.shape
    tall, wide = _area_weights(height, side_px), _area_weights(width, side_px)
    # All lines of all frames in one product: frame by frame it takes twenty times as long.
    narrow = luma.reshape(num_frames * height, width) @ wide.T
    return tall @ narrow.reshape(num_frames, height, side_px)


def _area_weights(num_px: int, num_cells: int) -> np.ndarray:
    """Float32 ``(num_cells, num_px)``: the share of each cell along one side that each pixel covers."""
    edges = np.linspace(0, num_px, num_cells + 1)[:, None]
    starts = np.arange(num_px)
    overlap = np.minimum(edges[1:], starts + 1) - np.maximum(edges[:-1], starts)
    return (np.maximum(overlap, 0) * num_cells / num_px).astype(np.float32)


def _structure(pictures: np.ndarray) -> np.ndarray:
    """``(T, num_kept)``: compressed DCT coefficients of small pictures ``(T, 32, 32)``, length below 1."""
    centred = (pictures - (pictures * _WINDOW).mean(axis=(1, 2), keepdims=True)) * _WINDOW
    raised = (_COSINES @ centred @ _COSINES.T)[:, _KEPT] / _SIDE_PX * _RADIUS
    compressed = raised / (np.abs(raised) + _NOISE) ** (1 - _POWER)
    length = np.linalg.norm(compressed, axis=1, keepdims=True)
    return compressed / (length + _STRUCTURE_FLOOR)


def _over_time(structure: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and weighted drift of ``(T, num_kept)``: the first two terms of a DCT over the clip's length."""
    num_frames = len(structure)
    half_wave = np.cos(np.pi * (np.arange(num_frames) + 0.5) / num_frames)
    half_wave -= half_wave.mean()  # 0 already but for rounding: a still must not drift
    return structure.mean(axis=0), _DRIFT_WEIGHT * np.sqrt(2) * half_wave @ structure / num_frames


def _colour(frames: np.ndarray) -> np.ndarray:
    """Mean luma, blue and red difference of a clip, -0.5..0.5 before their small weight, and a constant."""
    # In whole numbers, rows first: the same mean at a thirtieth of the time of one over all pixels at once.
    totals = frames.sum(axis=(0, 1), dtype=np.uint64).sum(axis=0)
    red, green, blue = (totals / (frames.size // 3)).tolist()
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    colour = np.array([luma - 127.5, 0.564 * (blue - luma), 0.713 * (red - luma)]) / 255
    return np.append(_COLOUR_WEIGHT * colour, _COLOUR_ORIGIN)
