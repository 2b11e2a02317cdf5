"""How far each block of a small luma picture moved since the picture before.

A coarse search finds large displacements; gradient steps (Lucas and Kanade, "An iterative image
registration technique", 1981, in a pyramid as Bouguet, 2001) refine them below a pixel; and a block keeps
its flow only where moving it explains the picture better than standing still.

A pair of pictures has some 10,000 pixels, so little that one pair alone would cost mostly the start of array
operations. Several pairs therefore share them: four together cost half of four by one. Each pair gets the
same bits in any company.
"""

from dataclasses import dataclass

import numpy as np

from clipmill.scores.blocks import Blocks, blocks_of, means_along, pixels_at, squares

BLOCK_PX = 8
"""Side of a block of the small luma picture; at the coarsest level it is 2 px."""

_SEARCH_PX = 3  # at a quarter of the small luma: about 9 % of its long side
_DETOUR_COST = 0.05  # levels per coarse px: of equal matches, the nearest
_MAX_STEP_PX = 1.5  # gradients are not to be trusted further away
_SLOPE = np.float32(0.53)  # of a difference over two pixels: half of it, and what it misses of fine detail
_FLAT = 1.0  # variance of the gradient below which a block shows neither motion nor stillness
_FLATNESS = 4.0  # variance of the gradient that is worth as much as none: damps the steps of faint blocks
_MIN_CHANGE = 0.05  # variance of the change below which a block stands still; rounding alone gives 0.02
_MAX_RESIDUE = 0.8  # of that change, what moving the block may leave unexplained


@dataclass(frozen=True)
class BlockFlow:
    """How the blocks of N pictures moved since the pictures before them; B blocks, row by row.

    - ``flow_px``: float32 ``(2, N, B)``, y and x in px of the small luma; 0 where a block stands still.
    - ``is_known``: bool ``(N, B)``; a block without texture, such as clear sky, looks the same whether it
      moves or not.
    """

    blocks: Blocks
    flow_px: np.ndarray
    is_known: np.ndarray

    @property
    def height_plus_width_px(self) -> int:
        """Of the small luma: what scores are relative to."""
        return (self.blocks.num_rows + self.blocks.num_columns) * BLOCK_PX


def block_flow(pairs: np.ndarray) -> BlockFlow:
    """Flow from the first to the second picture of each pair, uint8 luma ``(N, 2, h, w)``.

    h and w are multiples of 8 (``motion_luma_size``).
    """
    if pairs.ndim != 4 or pairs.shape[1] != 2 or any(side % BLOCK_PX for side in pairs.shape[2:]):
        raise ValueError(f"need pairs of luma pictures in multiples of 8, got {pairs.shape}")
    blocks = blocks_of(pairs.shape[2] // BLOCK_PX, pairs.shape[3] // BLOCK_PX)
    levels = _pyramid(pairs)
    change = _variances(levels[0][1] - levels[0][0], blocks)
    flow, is_known = np.zeros((2, *change.shape), np.float32), np.zeros(change.shape, bool)
    moving = change.max(axis=1) > _MIN_CHANGE
    if moving.any():
        levels = [level[:, moving] for level in levels]
        flow[:, moving], is_known[moving] = _estimate(levels, change[moving], blocks)
    return BlockFlow(blocks, flow, is_known)


def _estimate(levels: list[np.ndarray], change: np.ndarray, blocks: Blocks) -> tuple[np.ndarray, np.ndarray]:
    """Flow ``(2, N, B)`` and where there is texture ``(N, B)``, from full, half and quarter size."""
    full, half, quarter = levels
    flow = 2 * _search(quarter, blocks)
    flow, _, _ = _refine(half, flow, blocks)
    around = np.sort(flow.take(blocks.around, axis=2), axis=3)
    flow = 2 * around[..., 4]  # the median brings back blocks that went astray
    flow, residue, texture = _refine(full, flow, blocks)
    moves = (change > _MIN_CHANGE) & (residue < _MAX_RESIDUE * change)
    return np.where(moves, flow, np.float32(0)), texture >= _FLAT


def _pyramid(pairs: np.ndarray) -> list[np.ndarray]:
    """All pictures ``(2, N, h, w)`` at full, half and quarter size, float32, under a 3x3 binomial window.

    Without the finest detail, which gradients misjudge. Whole numbers on the way: no sum reaches 2 ** 16.
    """
    num_pairs, _, height, width = pairs.shape
    soft = np.empty((2, num_pairs, height + 2, width + 2), np.uint16)
    soft[..., 1:-1, 1:-1] = pairs.swapaxes(0, 1)
    soft[..., [0, -1], :] = soft[..., [1, -2], :]
    soft[..., [0, -1]] = soft[..., [1, -2]]
    for _ in range(2):
        soft = soft[..., 1:, :] + soft[..., :-1, :]
    for _ in range(2):
        soft = soft[..., 1:] + soft[..., :-1]
    levels = [soft]
    for _ in range(2):
        rows = levels[-1][..., ::2, :] + levels[-1][..., 1::2, :]
        levels.append(rows[..., ::2] + rows[..., 1::2])
    return [level * np.float32(0.25 ** (2 + halvings)) for halvings, level in enumerate(levels)]


def _search(level: np.ndarray, blocks: Blocks) -> np.ndarray:
    """Whole-pixel flow ``(2, N, B)`` (y, x) with the least absolute difference, at the coarsest level.

    Means are taken out first, so that a change of brightness is not taken for motion.
    """
    num_pairs, height, width = level.shape[1:]
    before, after = level - np.add.reduce(level, axis=(2, 3), keepdims=True) / np.float32(height * width)
    apart = np.subtract(_shifted(before), after[:, :, None, None])
    np.abs(apart, out=apart)
    costs = means_along(height, blocks.num_rows) @ apart.reshape(num_pairs, height, -1)
    costs = costs.reshape(num_pairs, -1, width) @ means_along(width, blocks.num_columns).T
    costs = costs.reshape(num_pairs, blocks.num_rows, -1, blocks.num_columns) + _DETOURS[:, None]
    return _OFFSETS.take(costs.argmin(axis=2).reshape(num_pairs, -1), axis=1)


_OFFSETS = (
    np.mgrid[-_SEARCH_PX : _SEARCH_PX + 1, -_SEARCH_PX : _SEARCH_PX + 1].reshape(2, -1).astype(np.float32)
)
_DETOURS = np.float32(_DETOUR_COST) * np.hypot(_OFFSETS[0], _OFFSETS[1])


def _shifted(pictures: np.ndarray) -> np.ndarray:
    """Each of ``(N, h, w)`` displaced by every offset, edges repeated: a view ``(N, h, side, side, w)``."""
    num, height, width = pictures.shape
    edge, side = _SEARCH_PX, 2 * _SEARCH_PX + 1
    framed = np.empty((num, height + 2 * edge, width + 2 * edge), np.float32)
    framed[:, edge:-edge, edge:-edge] = pictures
    framed[:, :edge], framed[:, -edge:] = framed[:, edge : edge + 1], framed[:, -edge - 1 : -edge]
    framed[..., :edge], framed[..., -edge:] = framed[..., edge : edge + 1], framed[..., -edge - 1 : -edge]
    of_pair, of_row, of_px = framed.strides
    strides = (of_pair, of_row, of_row, of_px, of_px)
    return np.ndarray((num, height, side, side, width), np.float32, framed, 0, strides)


def _refine(level: np.ndarray, flow: np.ndarray, blocks: Blocks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``flow`` ``(2, N, B)`` after a gradient step at this level, with two float32 ``(N, B)`` beside it.

    They are the variance of the change that it leaves unexplained, and that of the gradient. Means are taken
    out of each window first, so that a change of brightness is not taken for motion.

    """
    means, products = _moments(level, flow, blocks)
    products -= means.take(_FACTORS[0], axis=0) * means.take(_FACTORS[1], axis=0)
    texture = products[0] + products[1]
    gradient, mixed, change = products[:2] + np.float32(_FLATNESS), products[2], products[3:5]
    step = (gradient[::-1] * change - mixed * change[::-1]) / (gradient[0] * gradient[1] - mixed * mixed)
    residue = products[5] - np.add.reduce(change * step, axis=0)
    return flow + step.clip(-_MAX_STEP_PX, _MAX_STEP_PX), residue, texture


_FACTORS = ((0, 1, 0, 0, 1, 2), (0, 1, 1, 2, 2, 2))


def _moments(level: np.ndarray, flow: np.ndarray, blocks: Blocks) -> tuple[np.ndarray, np.ndarray]:
    """Means over each window, float32 ``(3, N, B)`` and ``(6, N, B)``.

    The first of the slopes along y and x and of the change that ``flow`` leaves, the others of their products
    in the order of ``_FACTORS``. Blocks are compared where their flow, rounded to whole pixels, puts them;
    the slopes make up for the rest.
    """
    before, after = level
    num_pairs, height, width = after.shape
    side_px = height // blocks.num_rows
    around = after.reshape(num_pairs, -1).take(squares(blocks, side_px, margin_px=1), axis=1)
    values = np.empty((3, num_pairs, side_px, side_px, flow.shape[-1]), np.float32)
    slope_y, slope_x, change = values
    np.subtract(around[:, 2:, 1:-1], around[:, :-2, 1:-1], out=slope_y)
    np.subtract(around[:, 1:-1, 2:], around[:, 1:-1, :-2], out=slope_x)
    values[:2] *= _SLOPE
    whole = np.rint(flow)
    corners = (blocks.places * side_px)[:, None] + whole.astype(np.intp)
    places = pixels_at(corners, side_px, height=height, width=width)
    places += (np.arange(num_pairs) * (height * width))[:, None, None, None]
    np.subtract(around[:, 1:-1, 1:-1], before.take(places), out=change)
    rest = whole - flow
    change += slope_y * rest[0][:, None, None]
    change += slope_x * rest[1][:, None, None]
    values = values.reshape(3, num_pairs, side_px * side_px, -1)
    sums = np.empty((9, *flow.shape[1:]), np.float32)
    np.add.reduce(values, axis=2, out=sums[:3])
    for place, (one, other) in enumerate(zip(*_FACTORS, strict=True)):
        np.einsum("npb,npb->nb", values[one], values[other], out=sums[3 + place])
    means = blocks.windowed(sums) / np.float32(side_px * side_px)
    return means[:3], means[3:]


def _variances(pictures: np.ndarray, blocks: Blocks) -> np.ndarray:
    """``(N, B)``: variance of ``(N, h, w)`` within each block's window."""
    num, height, _ = pictures.shape
    side_px = height // blocks.num_rows
    values = pictures.reshape(num, -1).take(squares(blocks, side_px, margin_px=0), axis=1)
    values = values.reshape(num, side_px * side_px, -1)
    sums = np.stack([np.add.reduce(values, axis=1), np.einsum("npb,npb->nb", values, values)])
    mean, mean_square = blocks.windowed(sums) / np.float32(side_px * side_px)
    return mean_square - mean * mean
