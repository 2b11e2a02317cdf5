"""The motion scores of a clip, from the flow of blocks between neighbouring frames.

The flow is that of small luma pictures, so that it costs the same for every codec, decoder and resolution.
"""

from dataclasses import dataclass

import numpy as np

from clipmill.scores.flow import BLOCK_PX, BlockFlow

PATCH_PX = 256
"""Side, in the source picture, of the patches of which the stillest one is scored."""


@dataclass(frozen=True)
class MotionScores:
    """Motion of a clip in units of (height + width) a frame, rounded to 6 digits.

    ``global_mean`` is the mean over the picture and the measured instants, ``per_patch_min_256`` that of the
    256x256 px patch of the source that moves least; a side below 256 px is one patch. ``camera_mean`` is the
    part of the camera in it, ``object_mean`` what moves besides; None where they were not separated.
    """

    global_mean: float
    per_patch_min_256: float
    camera_mean: float | None = None
    object_mean: float | None = None


def clip_motion(
    blocks: np.ndarray, *, width_px: int, height_px: int, parts: np.ndarray | None = None
) -> MotionScores | None:
    """Scores of one clip from its instants, ``(M, By, Bx)`` of ``block_motion``; None when M is 0.

    ``width_px`` and ``height_px`` are those of the source picture. ``parts`` ``(M, 2)`` are the shares of the
    camera and of objects at the same instants, where they were separated.
    """
    if blocks.ndim != 3:
        raise ValueError(f"blocks must be (M, By, Bx), got {blocks.shape = }")
    if not len(blocks):
        return None
    mean = blocks.mean(axis=0, dtype=np.float64)
    tall = _patch_weights(max(1, round(height_px / PATCH_PX)), mean.shape[0])
    wide = _patch_weights(max(1, round(width_px / PATCH_PX)), mean.shape[1])
    patches = tall @ mean @ wide.T
    means = [] if parts is None else [_score(part) for part in parts.mean(axis=0, dtype=np.float64)]
    return MotionScores(_score(mean.mean()), _score(patches.min()), *means)


def _score(value: np.floating) -> float:
    return round(float(value), 6)


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


def flow_lengths(flow: BlockFlow) -> np.ndarray:
    """Length of the flow of each block over (height + width) of the picture, float32 ``(N, By, Bx)``.

    0 where a block stands still. One without texture takes the motion of the blocks around it, and is 0
    where none has any.
    """
    lengths = np.hypot(flow.flow_px[0], flow.flow_px[1]) / np.float32(flow.height_plus_width_px)
    filled = [flow.blocks.filled(*pair) for pair in zip(lengths, flow.is_known, strict=True)]
    return np.stack(filled).reshape(len(lengths), flow.blocks.num_rows, flow.blocks.num_columns)
