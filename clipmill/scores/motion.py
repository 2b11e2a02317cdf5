"""How much moves between two neighbouring frames, block by block, and the motion scores of a clip.

The estimator reads small luma pictures only, so it costs the same for every codec, decoder and resolution.
A coarse search finds large displacements; gradient steps (Lucas and Kanade, "An iterative image
registration technique", 1981, in a pyramid as Bouguet, 2001) refine them below a pixel; and a block keeps
its flow only where moving it explains the picture better than standing still.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

BLOCK_PX = 8
"""Side of a block of the small luma picture; at the coarsest level it is 2 px."""

PATCH_PX = 256
"""Side, in the source picture, of the patches of which the stillest one is scored."""

_SEARCH_PX = 3  # at a quarter of the small luma: about 9 % of its long side
_DETOUR_COST = 0.05  # levels per coarse px: of equal matches, the nearest
_MAX_STEP_PX = 1.5  # gradients are not to be trusted further away
_FLATNESS = 4.0  # variance of the gradient that is worth as much as none: flat blocks do not move
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
    ``(h / 8, w / 8)``, 0 where a block is flat or stands still.
    """
    if (
        previous.shape != current.shape
        or previous.ndim != 2
        or any(side % BLOCK_PX for side in previous.shape)
    ):
        raise ValueError(
            f"need two luma pictures in multiples of 8, got {previous.shape} and {current.shape}"
        )
    before, after = _pyramid(previous), _pyramid(current)
    flow = 2 * _search(before[2], after[2])
    flow = 2 * _refine(before[1], after[1], flow, steps=1)[0]
    flow = ndimage.median_filter(flow, size=(1, 3, 3), mode="nearest")  # brings back blocks that went astray
    flow, residue = _refine(before[0], after[0], flow, steps=2)
    change = _variances(after[0] - before[0])
    moves = (change > _MIN_CHANGE) & (residue < _MAX_RESIDUE * change)
    return np.where(moves, np.hypot(flow[0], flow[1]), np.float32(0)) / np.float32(sum(previous.shape))


def _pyramid(luma: np.ndarray) -> list[np.ndarray]:
    """The picture at full, half and quarter size, float32, without the detail that gradients misjudge."""
    levels = [_softened(luma - luma.mean(dtype=np.float32))]
    for _ in range(2):
        full = levels[-1]
        levels.append((full[::2, ::2] + full[1::2, ::2] + full[::2, 1::2] + full[1::2, 1::2]) / 4)
    return levels


def _softened(picture: np.ndarray) -> np.ndarray:
    """``picture`` under a 3x3 binomial window, edges repeated."""
    tall = np.concatenate([picture[:1], picture, picture[-1:]])
    picture = (tall[:-2] + tall[2:]) / 4 + picture / 2
    wide = np.concatenate([picture[:, :1], picture, picture[:, -1:]], axis=1)
    return (wide[:, :-2] + wide[:, 2:]) / 4 + picture / 2


@lru_cache(maxsize=64)
def _block_window(num_px: int, num_blocks: int) -> np.ndarray:
    """``(num_blocks, num_px)``: mean of each block along one side, its neighbours with half its weight."""
    near = np.eye(num_blocks) / 2 + np.eye(num_blocks, k=1) / 4 + np.eye(num_blocks, k=-1) / 4
    near /= near.sum(axis=1, keepdims=True)
    return (near.repeat(num_px // num_blocks, axis=1) * num_blocks / num_px).astype(np.float32)


def _block_means(values: np.ndarray, *, side_px: int = BLOCK_PX) -> np.ndarray:
    """Mean of each block of the last two axes, its eight neighbours weighted by a binomial window."""
    height, width = values.shape[-2:]
    rows = _block_window(height, height // side_px)
    columns = _block_window(width, width // side_px)
    return rows @ (values @ columns.T)


def _search(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Whole-pixel flow ``(2, By, Bx)`` (y, x) with the least absolute difference, at the coarsest level."""
    padded = np.pad(before, _SEARCH_PX, mode="edge")
    shifted = np.lib.stride_tricks.sliding_window_view(padded, before.shape)
    costs = _block_means(np.abs(shifted - after), side_px=BLOCK_PX // 4)
    offsets = np.arange(-_SEARCH_PX, _SEARCH_PX + 1, dtype=np.float32)
    costs += _DETOUR_COST * np.hypot(offsets[:, None], offsets)[..., None, None]
    best = costs.reshape(-1, *costs.shape[2:]).argmin(axis=0)
    return np.stack([offsets[best // len(offsets)], offsets[best % len(offsets)]])


def _refine(
    before: np.ndarray, after: np.ndarray, flow: np.ndarray, *, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """``flow`` after gradient steps at this level, and the variance of the change that it leaves unexplained.

    Means are taken out of each window first, so that a change of brightness is not taken for motion.
    """
    side_px = before.shape[0] // flow.shape[1]
    slopes = _gradients(after)
    mean_y, mean_x = _block_means(slopes, side_px=side_px)
    products = np.stack([slopes[0] * slopes[0], slopes[1] * slopes[1], slopes[0] * slopes[1]])
    yy, xx, yx = _block_means(products, side_px=side_px)
    yy, xx, yx = yy - mean_y**2 + _FLATNESS, xx - mean_x**2 + _FLATNESS, yx - mean_y * mean_x
    scale = 1 / (yy * xx - yx * yx)
    residue = np.zeros_like(yy)
    for _ in range(steps):
        error = after - _moved(before, flow, side_px=side_px)
        products = np.stack([slopes[0] * error, slopes[1] * error, error * error, error])
        by_y, by_x, energy, mean = _block_means(products, side_px=side_px)
        by_y, by_x, energy = by_y - mean_y * mean, by_x - mean_x * mean, energy - mean**2
        step = np.stack([xx * by_y - yx * by_x, yy * by_x - yx * by_y]) * scale
        residue = energy - by_y * step[0] - by_x * step[1]
        flow = flow + np.clip(step, -_MAX_STEP_PX, _MAX_STEP_PX)
    return flow, residue


def _variances(values: np.ndarray) -> np.ndarray:
    """Variance within each block's window."""
    mean, mean_square = _block_means(np.stack([values, values * values]))
    return mean_square - mean**2


def _gradients(picture: np.ndarray) -> np.ndarray:
    """Central differences along y and x, ``(2, h, w)``; 0 on the border."""
    slopes = np.zeros((2, *picture.shape), np.float32)
    slopes[0, 1:-1] = (picture[2:] - picture[:-2]) / 2
    slopes[1, :, 1:-1] = (picture[:, 2:] - picture[:, :-2]) / 2
    return slopes


def _moved(picture: np.ndarray, flow: np.ndarray, *, side_px: int) -> np.ndarray:
    """``picture`` sampled at each pixel plus its block's flow, bilinear, edges repeated."""
    height, width = picture.shape
    per_pixel = flow.repeat(side_px, axis=1).repeat(side_px, axis=2)
    y = np.clip(np.arange(height, dtype=np.float32)[:, None] + per_pixel[0], 0, height - 1.001)
    x = np.clip(np.arange(width, dtype=np.float32) + per_pixel[1], 0, width - 1.001)
    row, column = y.astype(np.intp), x.astype(np.intp)
    y, x = y - row.astype(np.float32), x - column.astype(np.float32)
    corner = row * width + column
    flat = picture.ravel()
    left = flat.take(corner) * (1 - y) + flat.take(corner + width) * y
    right = flat.take(corner + 1) * (1 - y) + flat.take(corner + width + 1) * y
    return left + (right - left) * x
