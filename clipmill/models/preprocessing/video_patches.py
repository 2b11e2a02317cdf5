"""Frames as the patches that the vision towers of Qwen-VL read. Pure."""

import numpy as np

from clipmill.models.preprocessing.pixels import Preprocessing, normalised


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
