"""Pictures of any shape as lists of patches, for SigLIP2 checkpoints that keep the aspect ratio (NaFlex)."""

from math import ceil

import numpy as np

from clipmill.models.preprocessing.pixels import Preprocessing, normalised, resized

_STEP = 1e-5  # of the scale; the processor stops its search there too


def patches_of(
    frames: np.ndarray, preprocessing: Preprocessing, *, patch_px: int, max_patches: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Patches float32 ``(T, max_patches, patch_px ** 2 * 3)``, their mask and their rows and columns.

    ``frames`` is uint8 ``(T, h, w, 3)`` RGB. The mask is int32 ``(T, max_patches)``, 1 for a patch and 0 for
    padding; rows and columns are int64 ``(T, 2)``.
    """
    height, width = fitting_size(frames.shape[1:3], patch_px=patch_px, max_patches=max_patches)
    pictures = np.stack(
        [resized(frame, (height, width), resample=preprocessing.resample) for frame in frames]
    )
    rows, columns = height // patch_px, width // patch_px
    grid = normalised(pictures, preprocessing).reshape(-1, rows, patch_px, columns, patch_px, 3)
    patches = grid.transpose(0, 1, 3, 2, 4, 5).reshape(len(frames), rows * columns, -1)
    padding = max_patches - rows * columns
    mask = np.pad(np.ones((len(frames), rows * columns), np.int32), ((0, 0), (0, padding)))
    shape = np.tile(np.array([rows, columns], np.int64), (len(frames), 1))
    return np.pad(patches, ((0, 0), (0, padding), (0, 0))), mask, shape


def fitting_size(size_px: tuple[int, ...], *, patch_px: int, max_patches: int) -> tuple[int, int]:
    """The largest height and width, in whole patches, of about this shape that make ``max_patches`` or fewer.

    Bisection over the scale, to the step at which the checkpoints' processor stops.
    """
    low, high = _STEP / 10, 100.0
    while high - low >= _STEP:
        middle = (low + high) / 2
        height, width = _in_patches(size_px, middle, patch_px)
        low, high = (middle, high) if height * width <= max_patches else (low, middle)
    height, width = _in_patches(size_px, low, patch_px)
    return height * patch_px, width * patch_px


def _in_patches(size_px: tuple[int, ...], scale: float, patch_px: int) -> tuple[int, int]:
    height, width = (max(1, ceil(side * scale / patch_px)) for side in size_px)
    return height, width


def video_patches(
    frames: np.ndarray, preprocessing: Preprocessing, *, patch_px: int, merge: int, temporal: int
) -> tuple[np.ndarray, tuple[int, int, int]]:
    """Patches float32 ``(t * h * w, 3 * temporal * patch_px ** 2)``, and the grid ``(t, h, w)`` they lie on.

    ``frames`` is uint8 ``(T, H, W, 3)``, its sides multiples of ``patch_px * merge``; ``temporal`` frames are
    one layer of the grid, the last one repeated to fill it. Patches that are merged into one token follow
    each other: layer, row and column of the token, then row and column within it.
    """
    lacking = -len(frames) % temporal
    whole = np.concatenate([frames, np.repeat(frames[-1:], lacking, axis=0)])
    num_frames, height, width, _ = whole.shape
    if height % (patch_px * merge) or width % (patch_px * merge):
        raise ValueError(f"frames of {height}x{width} are no whole tokens of {patch_px * merge} px")
    t, h, w = num_frames // temporal, height // patch_px, width // patch_px
    split = normalised(whole, preprocessing).reshape(
        t, temporal, h // merge, merge, patch_px, w // merge, merge, patch_px, 3
    )
    patches = split.transpose(0, 2, 5, 3, 6, 8, 1, 4, 7)
    return patches.reshape(t * h * w, 3 * temporal * patch_px**2), (t, h, w)
