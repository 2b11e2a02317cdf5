"""The static metadata of HDR10: the display that pictures were graded on, and the light that they reach."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from av.video.frame import VideoFrame

from clipmill.media.encode.options import Settings
from clipmill.media.frames.orientation import side_data
from clipmill.media.frames.tone_mapping import high_range

CHROMATICITY, LUMINANCE_CD_M2 = Fraction(1, 50_000), Fraction(1, 10_000)
"""Steps in which x264 and x265 count, as H.265 does (annex D.3.28)."""
_GREEN, _BLUE, _RED, _WHITE = 2, 4, 0, 6
"""Where a pair of chromaticities begins in FFmpeg's structure; behind them are least and most light."""


@dataclass(frozen=True)
class _Words:
    """An encoder's names: of its list of parameters, of the display and of the light in it."""

    parameters: str
    display: str
    light: str
    counts_steps: bool


_WORDS = {
    "libx264": _Words("x264-params", "mastering-display", "cll", counts_steps=True),
    "libx265": _Words("x265-params", "master-display", "max-cll", counts_steps=True),
    "libsvtav1": _Words("svtav1-params", "mastering-display", "content-light", counts_steps=False),
}


def with_display_light(encoder: str, settings: Settings, first: VideoFrame) -> Settings:
    """Returns an encoder's settings with the metadata that the first frame brings, if any.

    Frames of normal range have none, and VP9 has no place for it.
    """
    words = _WORDS.get(encoder)
    if words is None or not high_range(first.color_trc):
        return settings
    found = [settings[words.parameters]] if words.parameters in settings else []
    data = side_data(first)
    if (display := data.get("MASTERING_DISPLAY_METADATA")) is not None:
        found += _display(np.frombuffer(bytes(display), "<i4"), words)
    if (light := data.get("CONTENT_LIGHT_LEVEL")) is not None:
        most, mean = np.frombuffer(bytes(light), "<u4").tolist()[:2]
        found.append(f"{words.light}={most},{mean}")
    return settings | {words.parameters: ":".join(found)} if found else settings


def _display(numbers: np.ndarray, words: _Words) -> list[str]:
    """The parameter for ten ratios and two flags: whether there are chromaticities, and luminances."""
    ratios, flags = numbers[:20].reshape(10, 2).tolist(), numbers[20:22]
    if not flags.all() or not all(denominator for _, denominator in ratios):
        return []
    values = [Fraction(*ratio) for ratio in ratios]

    def pair(first: int, second: int, step: Fraction) -> str:
        texts = [
            str(round(values[place] / step)) if words.counts_steps else f"{float(values[place]):.5f}"
            for place in (first, second)
        ]
        return f"({','.join(texts)})"

    points = {"G": _GREEN, "B": _BLUE, "R": _RED, "WP": _WHITE}
    colours = [name + pair(place, place + 1, CHROMATICITY) for name, place in points.items()]
    return [f"{words.display}={''.join(colours)}L{pair(9, 8, LUMINANCE_CD_M2)}"]
