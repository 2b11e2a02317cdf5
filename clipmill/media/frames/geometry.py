"""The size and shape of training clips: black bars off, no higher than asked, sides of a multiple.

Pure. Rectangles are in pixels of the upright picture; nothing is ever enlarged.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

DARK_LUMA = 28
"""Luma, limited range, up to which a pixel may belong to a bar: black is 16, and codecs leave noise."""
LIT_LUMA = 60
"""A picture without pixels brighter than this says nothing about bars: it may be night, or a fade."""
NOISY_SHARE = 0.01
"""Share of a line that may be brighter: channel logos do not reach into bars, ringing at their edge does."""
MAX_BAR_SHARE = 0.4
"""A wider bar is taken for the picture."""


@dataclass(frozen=True)
class Rect:
    """A rectangle, from its upper left corner."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Geometry:
    """First ``crop``, then scale to ``scaled`` (width, height), then take the middle ``size`` of it.

    A ``size`` that is larger in a direction puts black bars there.
    """

    crop: Rect
    scaled: tuple[int, int]
    size: tuple[int, int]

    @property
    def shown(self) -> Rect:
        """What of the source's picture the clip shows, to the nearest pixel."""
        parts = zip(
            self.scaled, self.size, (self.crop.width, self.crop.height), (self.crop.x, self.crop.y),
            strict=True,
        )  # fmt: skip
        ranges: list[tuple[int, int]] = []
        for scaled, size, length, start in parts:
            kept = Fraction(size * length, scaled)
            ranges.append((start + round((length - kept) / 2), round(kept)))
        (x, width), (y, height) = ranges
        return Rect(x, y, width, height)


def fit(crop: Rect, *, max_height: int | None, multiple_of: int) -> Geometry:
    """The geometry of a clip; sides are multiples of ``multiple_of``, which is even.

    The middle is kept of what is no multiple, so that nothing is stretched by more than rounding.
    ValueError where a side would vanish.
    """
    height = min(crop.height, max_height or crop.height) // 2 * 2
    width = crop.width if height >= crop.height - 1 else round(crop.width * height / crop.height / 2) * 2
    size = width // multiple_of * multiple_of, height // multiple_of * multiple_of
    if not all(size):
        raise ValueError(f"{width}x{height} pixels hold no multiple of {multiple_of}")
    return Geometry(crop, (width, height), size)


def without_bars(lumas: Iterable[np.ndarray]) -> Rect | None:
    """The part of uint8 ``(H, W)`` pictures of one size that is not black in all of them, with even sides.

    None where no picture is bright enough to tell.
    """
    lit = [luma for luma in lumas if np.percentile(luma, 99) > LIT_LUMA]
    if not lit:
        return None
    height, width = lit[0].shape
    y, bottom = _extent(np.any([_is_picture(luma) for luma in lit], axis=0))
    x, right = _extent(np.any([_is_picture(luma.T) for luma in lit], axis=0))
    if max(y, height - bottom) > MAX_BAR_SHARE * height or max(x, width - right) > MAX_BAR_SHARE * width:
        return Rect(0, 0, width, height)
    return Rect(x, y, right - x, bottom - y)


def _is_picture(lines: np.ndarray) -> np.ndarray:
    return np.mean(lines > DARK_LUMA, axis=1) > NOISY_SHARE


def _extent(is_picture: np.ndarray) -> tuple[int, int]:
    """First line and end of the picture, inwards to even numbers."""
    at = np.flatnonzero(is_picture)
    return (int(at[0]) + 1) // 2 * 2, (int(at[-1]) + 1) // 2 * 2
