"""High dynamic range pictures as a display of normal range shows them: for thumbnails and sampled frames.

Four steps. The transfer function is undone, to light on the display in units of diffuse white (203 cd/m2,
ITU-R BT.2408): PQ by ITU-R BT.2100 table 4, HLG by its table 5 for a display of 1000 cd/m2 (exponent 1.2).
BT.2020 primaries become BT.709's (ITU-R BT.2087). Light up to ``KNEE`` stays as it is, more is bent towards
white and never reaches it, with the same factor for the three colours, so that hues stay. Last, the exponent
1/2.4 of ITU-R BT.1886.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from av.video.reformatter import ColorPrimaries, ColorTrc

WHITE_CD_M2 = 203.0
HLG_PEAK_CD_M2 = 1000.0
HLG_EXPONENT = 1.2
KNEE = 0.7
"""Share of diffuse white from which on highlights are compressed: higher keeps walls and skin as graded,
lower keeps more detail in highlights."""
DISPLAY_EXPONENT = 2.4

_LUMA_2020 = np.array([0.2627, 0.6780, 0.0593], np.float32)
_TO_709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)


class ToneMap:
    """Maps pictures of one transfer function and set of primaries."""

    def __init__(self, curve: np.ndarray, *, is_scene_light: bool, is_wide: bool) -> None:
        self._curve = curve
        self._is_scene_light = is_scene_light
        self._is_wide = is_wide

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """Uint8 ``(h, w, 3)`` of uint16 ``(h, w, 3)`` over the full range, as coded."""
        light = self._curve[rgb]
        if self._is_scene_light:
            light *= _hlg_gain(light @ _LUMA_2020)[..., None]
        if self._is_wide:
            light = np.maximum(light @ _TO_709.T, 0)
        brightest = light.max(axis=-1, keepdims=True)
        light *= _compressed(brightest) / np.maximum(brightest, 1e-6)
        return np.rint(255 * light ** (1 / DISPLAY_EXPONENT)).astype(np.uint8)


def tone_map(transfer: int, primaries: int) -> ToneMap | None:
    """How pictures tagged so are mapped; None for those of normal range, or of no known tag."""
    curve = _CURVES.get(transfer)
    if curve is None:
        return None
    is_wide = primaries == ColorPrimaries.BT2020
    return ToneMap(curve(), is_scene_light=transfer == ColorTrc.ARIB_STD_B67, is_wide=is_wide)


@cache
def _pq_curve() -> np.ndarray:
    """Float32 ``(65536,)``: light in units of diffuse white."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = _codes() ** (1 / m2)
    light = (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    return (light * 10_000 / WHITE_CD_M2).astype(np.float32)


@cache
def _hlg_curve() -> np.ndarray:
    """Float32 ``(65536,)``: light of the scene, 0 to 1."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    codes = _codes()
    return np.where(codes <= 0.5, codes**2 / 3, (np.exp((codes - c) / a) + b) / 12).astype(np.float32)


_CURVES: dict[int, Callable[[], np.ndarray]] = {
    ColorTrc.SMPTE2084: _pq_curve,
    ColorTrc.ARIB_STD_B67: _hlg_curve,
}


def _codes() -> np.ndarray:
    return np.linspace(0, 1, 1 << 16)


def _hlg_gain(scene_luminance: np.ndarray) -> np.ndarray:
    """Light on the display, in units of diffuse white, over that of the scene."""
    return HLG_PEAK_CD_M2 / WHITE_CD_M2 * np.maximum(scene_luminance, 1e-6) ** (HLG_EXPONENT - 1)


def _compressed(light: np.ndarray) -> np.ndarray:
    """The identity up to ``KNEE``, from there with the same slope towards 1, which is never passed."""
    above = np.maximum(light - KNEE, 0) / (1 - KNEE)
    return np.where(light <= KNEE, light, KNEE + (1 - KNEE) * above / (1 + above))
