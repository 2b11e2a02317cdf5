"""How much moves between two neighbouring frames, block by block, and the motion scores of a clip.

The estimator reads small luma pictures only, so it costs the same for every codec, decoder and resolution.
A coarse search finds large displacements; gradient steps (Lucas and Kanade, "An iterative image
registration technique", 1981, in a pyramid as Bouguet, 2001) refine them below a pixel; and a block keeps
its flow only where moving it explains the picture better than standing still.

A call works on some 10,000 pixels, so that its cost is that of the array operations it takes, not of the
pixels: both pictures go through one operation, blocks lie side by side in memory, and what depends on the
size alone is kept from call to call.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

BLOCK_PX = 8
"""Side of a block of the small luma picture; at the coarsest level it is 2 px."""

PATCH_PX = 256
"""Side, in the source picture, of the patches of which the stillest one is scored."""

_SEARCH_PX = 3  # at a quarter of the small luma: about 9 % of its long side
_DETOUR_COST = 0.05  # levels per coarse px: of equal matches, the nearest
_MAX_STEP_PX = 1.5  # gradients are not to be trusted further away
_FLAT = 1.0  # variance of the gradient below which a block shows neither motion nor stillness
_FLATNESS = 4.0  # variance of the gradient that is worth as much as none: damps the flow of faint blocks
_MIN_CHANGE = 0.05  # variance of the change below which a block stands still; rounding alone gives 0.02
_MAX_RESIDUE = 0.8  # of that change, what moving the block may leave unexplained


@dataclass(frozen=True)
class MotionScores:
    """Motion of a clip in units of (height + width) a frame, rounded to 6 digits.

    ``global_mean`` is the mean over the picture and the measured instants, ``per_patch_min_256`` that of the
    256x256 px patch of the source that moves least; a side below 256 px is one patch.
    """

    global_mean: float
    per_patch_min_256: float


def clip_motion(blocks: np.ndarray, *, width_px: int, height_px: int) -> MotionScores | None:
    """Scores of one clip from its instants, ``(M, By, Bx)`` of ``block_motion``; None when M is 0.

    ``width_px`` and ``height_px`` are those of the source picture.
    """
    if blocks.ndim != 3:
        raise ValueError(f"blocks must be (M, By, Bx), got {blocks.shape = }")
    if not len(blocks):
        return None
    mean = blocks.mean(axis=0, dtype=np.float64)
    tall = _patch_weights(max(1, round(height_px / PATCH_PX)), mean.shape[0])
    wide = _patch_weights(max(1, round(width_px / PATCH_PX)), mean.shape[1])
    patches = tall @ mean @ wide.T
    return MotionScores(round(float(mean.mean()), 6), round(float(patches.min()), 6))


def spread_share(instants: np.ndarray, *, share: float) -> np.ndarray:
    """``share`` (0..1] of the instants along the first axis, at least one, evenly over the whole clip."""
    num = len(instants)
    if not num:
        return instants
    wanted = max(1, round(num * share))
    return instants[(np.arange(wanted) * 2 + 1) * num // (2 * wanted)]


def _patch_weights(num_patches: int, num_blocks: int) -> np.ndarray:
    """``(num_patches, num_blocks)``: the share of each patch, along one side, that each block covers."""
    patch_edges = np.linspace(0, 1, num_patches + 1)[:, None]
    block_edges = np.linspace(0, 1, num_blocks + 1)
    upper = np.minimum(patch_edges[1:], block_edges[1:])
    lower = np.maximum(patch_edges[:-1], block_edges[:-1])
    return np.maximum(upper - lower, 0) * num_patches


def motion_luma_size(width_px: int, height_px: int) -> tuple[int, int]:
    """(width, height) of the small luma picture for a source of this size, both multiples of 8.

    The long side is 128 to 192 px (less for smaller sources), whichever keeps the aspect ratio best.
    """
    if width_px < 1 or height_px < 1:
        raise ValueError(f"a picture of {width_px}x{height_px} px has no motion")
    long_px, short_px = max(width_px, height_px), min(width_px, height_px)
    longest = max(BLOCK_PX, min(192, long_px // BLOCK_PX * BLOCK_PX))
    sides = range(min(128, longest), longest + 1, BLOCK_PX)
    sizes = [(side, max(BLOCK_PX, round(side * short_px / long_px / BLOCK_PX) * BLOCK_PX)) for side in sides]
    width, height = min(sizes, key=lambda size: abs(size[1] / size[0] * long_px / short_px - 1))
    return (width, height) if width_px >= height_px else (height, width)


def block_motion(previous: np.ndarray, current: np.ndarray) -> np.ndarray:
    """Length of the flow of each block of ``current`` over (height + width) of the picture.

    Both are uint8 luma ``(h, w)`` of one size, multiples of 8 (``motion_luma_size``). Returns float32
    ``(h / 8, w / 8)``, 0 where a block stands still. A block without texture, such as clear sky, looks the
    same whether it moves or not: it takes the motion of the blocks around it, and is 0 where none has any.
    """
    if (
        previous.shape != current.shape
        or previous.ndim != 2
        or any(side % BLOCK_PX for side in previous.shape)
    ):
        raise ValueError(
            f"need two luma pictures in multiples of 8, got {previous.shape} and {current.shape}"
        )
    height, width = previous.shape
    layout = _layout(height // BLOCK_PX, width // BLOCK_PX)
    full, half, quarter = _pyramid(np.stack([previous, current]))
    change = _variances(full[1] - full[0], layout)
    if change.max() <= _MIN_CHANGE:
        return np.zeros(layout.shape, np.float32)
    flow = 2 * _search(quarter, layout)
    flow, _, _ = _refine(half, flow, layout)
    around = np.sort(flow[:, layout.around], axis=1)
    flow = 2 * around[:, 4]  # the median brings back blocks that went astray
    flow, residue, texture = _refine(full, flow, layout)
    moves = (change > _MIN_CHANGE) & (residue < _MAX_RESIDUE * change)
    lengths = np.where(moves, np.hypot(flow[0], flow[1]), np.float32(0)) / np.float32(height + width)
    return _filled(lengths, texture >= _FLAT, layout).reshape(layout.shape)


def _pyramid(pair: np.ndarray) -> list[np.ndarray]:
    """Both pictures ``(2, h, w)`` at full, half and quarter size, float32, softened by a 3x3 binomial window.

    Without the finest detail, which gradients misjudge. Whole numbers on the way: no sum reaches 2 ** 16.
    """
    pair = pair.astype(np.uint16)
    tall = pair + pair
    tall[:, 1:] += pair[:, :-1]
    tall[:, :-1] += pair[:, 1:]
    tall[:, [0, -1]] += pair[:, [0, -1]]
    wide = tall + tall
    wide[..., 1:] += tall[..., :-1]
    wide[..., :-1] += tall[..., 1:]
    wide[..., [0, -1]] += tall[..., [0, -1]]
    levels = [wide]
    for _ in range(2):
        rows = levels[-1][:, ::2] + levels[-1][:, 1::2]
        levels.append(rows[..., ::2] + rows[..., 1::2])
    return [level * np.float32(0.25 ** (2 + halvings)) for halvings, level in enumerate(levels)]


@dataclass(frozen=True)
class _Layout:
    """What depends on the number of blocks alone; B of them, row by row, always the last axis.

    ``window`` float32 ``(B, B)``: in each column the binomial weights of a block and its eight neighbours.
    ``nearness`` float32 ``(B, B)``: the distance between two blocks to the power of -4, 0 to itself.
    ``around`` ``(9, B)``: each block and its neighbours, edges repeated. ``places`` ``(2, B)``: row, column.
    """

    shape: tuple[int, int]
    window: np.ndarray
    nearness: np.ndarray
    around: np.ndarray
    places: np.ndarray


@lru_cache(maxsize=64)
def _layout(num_rows: int, num_columns: int) -> _Layout:
    places = np.indices((num_rows, num_columns)).reshape(2, -1)
    apart = np.hypot(*(places[:, :, None] - places[:, None]))
    nearness = np.divide(1, apart**4, out=np.zeros_like(apart), where=apart > 0)
    window = np.kron(_binomial(num_rows), _binomial(num_columns)).T
    return _Layout(
        shape=(num_rows, num_columns),
        window=np.ascontiguousarray(window, np.float32),
        nearness=nearness.astype(np.float32),
        around=_taken(places - 1, 3, height=num_rows, width=num_columns).reshape(9, -1),
        places=places,
    )


def _taken(corners: np.ndarray, side_px: int, *, height: int, width: int) -> np.ndarray:
    """``(side, side, B)``: where in a flat picture the pixels of squares lie, edges repeated.

    ``corners`` are whole numbers ``(2, B)``: y, x of the first pixel of each square.
    """
    reach = np.arange(side_px)[:, None]
    rows = (corners[0] + reach).clip(0, height - 1) * width
    return rows[:, None] + (corners[1] + reach).clip(0, width - 1)


@lru_cache(maxsize=64)
def _squares(shape: tuple[int, int], side_px: int) -> np.ndarray:
    """``(side + 2, side + 2, B)``: the pixels of each block and those around it."""
    layout = _layout(*shape)
    corners = layout.places * side_px - 1
    return _taken(corners, side_px + 2, height=shape[0] * side_px, width=shape[1] * side_px)


def _binomial(num_blocks: int) -> np.ndarray:
    """``(num_blocks, num_blocks)``: each block along one side, its neighbours with half its weight."""
    near = np.eye(num_blocks) / 2 + np.eye(num_blocks, k=1) / 4 + np.eye(num_blocks, k=-1) / 4
    return near / near.sum(axis=1, keepdims=True)


def _search(pair: np.ndarray, layout: _Layout) -> np.ndarray:
    """Whole-pixel flow ``(2, B)`` (y, x) with the least absolute difference, at the coarsest level.

    Means are taken out first, so that a change of brightness is not taken for motion.
    """
    before, after = pair - pair.mean(axis=(1, 2), keepdims=True)
    height, width = after.shape
    shifted = before.take(_shifts(height, width))  # (h, shifts, w)
    np.abs(np.subtract(shifted, after[:, None], out=shifted), out=shifted)
    num_rows, num_columns = layout.shape
    costs = _window_along(height, num_rows) @ shifted.reshape(height, -1)
    costs = costs.reshape(-1, width) @ _window_along(width, num_columns).T
    costs = costs.reshape(num_rows, -1, num_columns) + _DETOURS[:, None]
    return _OFFSETS[:, costs.argmin(axis=1).ravel()]


_OFFSETS = (
    np.mgrid[-_SEARCH_PX : _SEARCH_PX + 1, -_SEARCH_PX : _SEARCH_PX + 1].reshape(2, -1).astype(np.float32)
)
_DETOURS = np.float32(_DETOUR_COST) * np.hypot(_OFFSETS[0], _OFFSETS[1])


@lru_cache(maxsize=64)
def _shifts(height: int, width: int) -> np.ndarray:
    """``(height, shifts, width)``: the place that each shift takes for each pixel, edges repeated."""
    rows = np.clip(np.arange(height)[:, None, None] + _OFFSETS[0].astype(int)[:, None], 0, height - 1)
    columns = np.clip(np.arange(width) + _OFFSETS[1].astype(int)[:, None], 0, width - 1)
    return rows * width + columns


@lru_cache(maxsize=64)
def _window_along(num_px: int, num_blocks: int) -> np.ndarray:
    """``(num_blocks, num_px)``: mean of each block along one side under the binomial window."""
    side_px = num_px // num_blocks
    return (_binomial(num_blocks).repeat(side_px, axis=1) / side_px).astype(np.float32)


def _refine(pair: np.ndarray, flow: np.ndarray, layout: _Layout) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``flow`` ``(2, B)`` after a gradient step at this level, with two float32 ``(B,)`` beside it.

    They are the variance of the change that it leaves unexplained, and that of the gradient. Means are taken
    out of each window first, so that a change of brightness is not taken for motion.
    """
    before, after = pair
    squares = after.take(_squares(layout.shape, len(after) // layout.shape[0]))
    slope_y = (squares[2:, 1:-1] - squares[:-2, 1:-1]) / 2
    slope_x = (squares[1:-1, 2:] - squares[1:-1, :-2]) / 2
    error = squares[1:-1, 1:-1] - _moved(before, flow, layout)
    slopes = slope_y, slope_x, slope_y * slope_y, slope_x * slope_x, slope_y * slope_x
    errors = error, slope_y * error, slope_x * error, error * error
    mean_y, mean_x, yy, xx, yx, mean, by_y, by_x, energy = _windowed((*slopes, *errors), layout)
    yy, xx, yx = yy - mean_y**2, xx - mean_x**2, yx - mean_y * mean_x
    by_y, by_x, energy = by_y - mean_y * mean, by_x - mean_x * mean, energy - mean**2
    texture = yy + xx
    yy, xx = yy + _FLATNESS, xx + _FLATNESS
    step = np.stack([xx * by_y - yx * by_x, yy * by_x - yx * by_y]) / (yy * xx - yx * yx)
    residue = energy - by_y * step[0] - by_x * step[1]
    return flow + np.clip(step, -_MAX_STEP_PX, _MAX_STEP_PX), residue, texture


def _windowed(values: Sequence[np.ndarray], layout: _Layout) -> np.ndarray:
    """``(K, B)``: means over each block's window of K arrays ``(side, side, B)``."""
    num_px = values[0][..., 0].size
    sums = np.stack([np.add.reduce(value.reshape(num_px, -1)) for value in values])
    return sums @ layout.window / np.float32(num_px)


def _variances(picture: np.ndarray, layout: _Layout) -> np.ndarray:
    """``(B,)``: variance within each block's window."""
    side_px = len(picture) // layout.shape[0]
    values = picture.take(_squares(layout.shape, side_px)[1:-1, 1:-1])
    mean, mean_square = _windowed((values, values * values), layout)
    return mean_square - mean**2


def _moved(picture: np.ndarray, flow: np.ndarray, layout: _Layout) -> np.ndarray:
    """``(side, side, B)``: each block of ``picture`` displaced by its flow, bilinear, edges repeated."""
    height, width = picture.shape
    side_px = height // layout.shape[0]
    whole = np.floor(flow)
    y, x = flow - whole
    corners = layout.places * side_px + whole.astype(np.intp)
    cells = picture.take(_taken(corners, side_px + 1, height=height, width=width))
    cells = cells[:-1] + (cells[1:] - cells[:-1]) * y
    return cells[:, :-1] + (cells[:, 1:] - cells[:, :-1]) * x


def _filled(lengths: np.ndarray, is_known: np.ndarray, layout: _Layout) -> np.ndarray:
    """``lengths`` ``(B,)``, the unknown ones as means of the known ones, of which the nearest count most.

    Weights fall with the fourth power of the distance (Shepard, "A two-dimensional interpolation function for
    irregularly-spaced data", 1968). All stay where none is known.
    """
    if is_known.all() or not is_known.any():
        return lengths
    weights = layout.nearness[~is_known][:, is_known]
    filled = lengths.copy()
    filled[~is_known] = weights @ lengths[is_known] / weights.sum(axis=1)
    return filled
