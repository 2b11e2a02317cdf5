"""How much moves between two neighbouring frames, block by block, and the motion scores of a clip.

The estimator reads small luma pictures only, so it costs the same for every codec, decoder and resolution: a
coarse block search finds large displacements, gradient steps (Lucas and Kanade, "An iterative image registration
technique", 1981, in a pyramid as Bouguet, 2001) refine them below a pixel, and a block keeps its flow only where
moving it explains the picture better than standing still.
"""

import numpy as np

BLOCK_PX = 8
"""Side of a block of the small luma picture; at the coarsest level it is 2 px."""

_SEARCH_PX = 3  # at a quarter of the small luma: about 9 % of its long side
_FLATNESS = 4.0  # added to the mean squared gradient of a block: flat blocks do not move
_MIN_CHANGE = 0.4  # mean absolute change, in levels, below which a block stands still
_MAX_RESIDUE = 0.75  # of that change, what moving the block may leave unexplained


def motion_luma_size(width_px: int, height_px: int) -> tuple[int, int]:
    """(width, height) of the small luma picture for a source of this size, both multiples of 8.

    The long side is 128 to 192 px (less for smaller sources), chosen to keep the aspect ratio best.
    """
    if width_px < 1 or height_px < 1:
        raise ValueError(f"a picture of {width_px}x{height_px} px has no motion")
    long_px, short_px = max(width_px, height_px), min(width_px, height_px)
    longest = max(BLOCK_PX, min(192, long_px // BLOCK_PX * BLOCK_PX))
    sides = range(min(128, longest), longest + 1, BLOCK_PX)
    sizes = [(side, max(BLOCK_PX, round(side * short_px / long_px / BLOCK_PX) * BLOCK_PX)) for side in sides]
    best = min(sizes, key=lambda size: abs(size[1] / size[0] * long_px / short_px - 1))
    return best if width_px >= height_px else best[::-1]


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
    flow = _search(before[2], after[2])
    for level, steps in ((1, 1), (0, 2)):
        flow = _refine(before[level], after[level], flow * 2, steps=steps)
    flow *= _explains(before[0], after[0], flow)[..., None]
    return np.hypot(flow[..., 0], flow[..., 1]) / np.float32(sum(previous.shape))


def _pyramid(luma: np.ndarray) -> list[np.ndarray]:
    """The picture at full, half and quarter size, float32."""
    levels = [luma.astype(np.float32)]
    for _ in range(2):
        full = levels[-1]
        levels.append((full[::2, ::2] + full[1::2, ::2] + full[::2, 1::2] + full[1::2, 1::2]) / 4)
    return levels


def _block_means(values: np.ndarray, side_px: int) -> np.ndarray:
    """Mean of each block of the last two axes, its eight neighbours weighted by a binomial window."""
    height, width = values.shape[-2:]
    blocks = values.reshape(*values.shape[:-2], height // side_px, side_px, width // side_px, side_px)
    means = blocks.mean(axis=(-3, -1))
    edges = [(0, 0)] * (means.ndim - 2)
    tall = np.pad(means, [*edges, (1, 1), (0, 0)], mode="edge")
    means = tall[..., :-2, :] / 4 + tall[..., 1:-1, :] / 2 + tall[..., 2:, :] / 4
    wide = np.pad(means, [*edges, (0, 0), (1, 1)], mode="edge")
    return wide[..., :-2] / 4 + wide[..., 1:-1] / 2 + wide[..., 2:] / 4


def _search(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Whole-pixel flow ``(By, Bx, 2)`` (y, x) with the least absolute difference, at the coarsest level."""
    reach = _SEARCH_PX
    padded = np.pad(before, reach, mode="edge")
    shifted = np.lib.stride_tricks.sliding_window_view(padded, before.shape)
    costs = _block_means(np.abs(shifted - after), BLOCK_PX // 4)
    offsets = np.arange(-reach, reach + 1, dtype=np.float32)
    costs = (
        costs + 0.05 * np.hypot(offsets[:, None], offsets)[..., None, None]
    )  # of equal matches, the nearest
    best = costs.reshape(-1, *costs.shape[2:]).argmin(axis=0)
    return np.stack([offsets[best // len(offsets)], offsets[best % len(offsets)]], axis=-1)


def _refine(before: np.ndarray, after: np.ndarray, flow: np.ndarray, *, steps: int) -> np.ndarray:
    """``flow`` after gradient steps at this level; a step is at most 1.5 px."""
    side_px = before.shape[0] // flow.shape[0]
    along_y, along_x = np.gradient(after)
    yy, xx, yx = _block_means(np.stack([along_y**2, along_x**2, along_y * along_x]), side_px)
    yy, xx = yy + _FLATNESS, xx + _FLATNESS
    determinant = yy * xx - yx**2
    for _ in range(steps):
        error = after - _moved(before, flow)
        by_y, by_x = _block_means(np.stack([along_y * error, along_x * error]), side_px)
        step = np.stack([xx * by_y - yx * by_x, yy * by_x - yx * by_y], axis=-1) / determinant[..., None]
        flow = flow + np.clip(step, -1.5, 1.5)
    return flow


def _moved(picture: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """``picture`` sampled at each pixel plus its block's flow, bilinear, edges repeated."""
    height, width = picture.shape
    side_px = height // flow.shape[0]
    per_pixel = flow.repeat(side_px, axis=0).repeat(side_px, axis=1)
    y = np.clip(np.arange(height, dtype=np.float32)[:, None] + per_pixel[..., 0], 0, height - 1.001)
    x = np.clip(np.arange(width, dtype=np.float32) + per_pixel[..., 1], 0, width - 1.001)
    row, column = y.astype(np.int32), x.astype(np.int32)
    y, x = y - row, x - column
    corner = row * width + column
    flat = picture.ravel()
    top = flat[corner] * (1 - x) + flat[corner + 1] * x
    bottom = flat[corner + width] * (1 - x) + flat[corner + width + 1] * x
    return top * (1 - y) + bottom * y


def _explains(before: np.ndarray, after: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Bool ``(By, Bx)``: the block changed, and moving it leaves clearly less change than standing still."""
    still = _block_means(np.abs(after - before), BLOCK_PX)
    moved = _block_means(np.abs(after - _moved(before, flow)), BLOCK_PX)
    return (still > _MIN_CHANGE) & (moved < _MAX_RESIDUE * still)
