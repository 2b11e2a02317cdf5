"""Technical quality of a clip, measured on sampled frames without any model.

``frame_measures`` runs inside the decode pass, once per sample; ``clip_quality`` turns the samples of a clip into
the scores of ``clipmill.stages.video.filtering.quality_filter``.
"""

import numpy as np

FRAME_MEASURES: tuple[str, ...] = (
    "sharpness", "exposure", "colourfulness", "blockiness", "black", "bar_top", "bar_bottom", "bar_left", "bar_right",
)  # fmt: skip
"""Columns of ``frame_measures``; bars are shares of the height (top, bottom) or width (left, right)."""

_DARK_LEVEL = 32  # brightest luma that still counts as black, limited range (16 is black) with coding noise
_BLACK_SHARE = 0.98  # of a frame's pixels that must be dark, as FFmpeg's blackdetect has it
_BLOCK_PX = 8  # transform blocks of JPEG, MPEG-2, MPEG-4 and H.264
_ROW_STEP = 8  # every eighth row is measured: the same means for an eighth of the work


def frame_measures(luma: np.ndarray, thumbnail: np.ndarray) -> np.ndarray:
    """Float32 ``(9,)`` in the order of ``FRAME_MEASURES``.

    ``luma`` is uint8 ``(H, W)`` at full resolution, ``thumbnail`` uint8 ``(27, 48, 3)`` RGB of the same frame.
    """
    if luma.ndim != 2 or thumbnail.ndim != 3:
        raise ValueError(f"need luma (H, W) and thumbnail (h, w, 3), got {luma.shape} and {thumbnail.shape}")
    measures = (
        _sharpness(luma),
        luma.mean() / 255,
        _colourfulness(thumbnail),
        _blockiness(luma),
        float(np.mean(luma < _DARK_LEVEL) >= _BLACK_SHARE),
        *_bars(luma),
    )
    return np.array(measures, np.float32)


def _sharpness(luma: np.ndarray) -> float:
    """ln(1 + variance of the 4-neighbour Laplacian) (Pech-Pacheco et al., 2000), over every eighth row. 0 is flat."""
    if min(luma.shape) < 3:
        return 0.0
    centre = luma[1:-1:_ROW_STEP].astype(np.int16)
    around = luma[:-2:_ROW_STEP].astype(np.int16) + luma[2::_ROW_STEP]
    laplacian = around[:, 1:-1] + centre[:, :-2] + centre[:, 2:] - 4 * centre[:, 1:-1]
    return float(np.log1p(laplacian.astype(np.float32).var()))


def _colourfulness(thumbnail: np.ndarray) -> float:
    """M3 of Hasler and Suesstrunk, "Measuring colourfulness in natural images", 2003: 0 grey, above 80 extreme."""
    red, green, blue = np.moveaxis(thumbnail.astype(np.float32), -1, 0)
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = np.hypot(red_green.std(), yellow_blue.std())
    return float(spread + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean()))


def _blockiness(luma: np.ndarray) -> float:
    """Mean step across vertical 8x8 borders over the mean step inside blocks: 1 is none, more is worse.

    The idea of Wang, Sheikh and Bovik, "No-reference perceptual quality assessment of JPEG", 2002.
    """
    steps = np.abs(np.diff(luma[::_ROW_STEP].astype(np.int16), axis=1)).mean(axis=0)
    if len(steps) < _BLOCK_PX:
        return 1.0
    at_border = np.arange(len(steps)) % _BLOCK_PX == _BLOCK_PX - 1
    return float((steps[at_border].mean() + 0.1) / (steps[~at_border].mean() + 0.1))


def _bars(luma: np.ndarray) -> tuple[float, float, float, float]:
    """Shares of top, bottom, left and right that are black bars; all 0 for a black frame."""
    rows, columns = luma.max(axis=1) >= _DARK_LEVEL, luma.max(axis=0) >= _DARK_LEVEL
    if not rows.any():
        return 0.0, 0.0, 0.0, 0.0
    top, bottom = float(rows.argmax()), float(rows[::-1].argmax())
    left, right = float(columns.argmax()), float(columns[::-1].argmax())
    return top / len(rows), bottom / len(rows), left / len(columns), right / len(columns)
