"""Sizes of a sample's pictures, and the buckets that trainers sort them into. Pure."""

import re
from typing import Literal

Fit = Literal["crop", "pad"]
_LARGEST_PX = 8192
Size = tuple[int, int]
"""Width and height in pixels."""

# nvidia-cosmos/cosmos-curate, cosmos_curate/core/utils/dataset/dimensions.py, read on 2026-11-30.
_ASPECTS = ((0.65, "9_16"), (0.88, "3_4"), (1.16, "1_1"), (1.55, "4_3"), (10.0, "16_9"))
"""Largest width over height of a bin, and its name."""
_LENGTHS_S = ((10.0, "5_10"), (30.0, "10_30"), (float("inf"), "30_inf"))
_SHORTEST_S = 5.0
_RESOLUTIONS = ((1080, "1080"), (720, "720"), (0, "lt_720"))
"""Least shorter side of a bin, and its name."""


def parse_size(text: str) -> Size:
    """Returns width and height of ``704x1280``. ValueError for anything else; sides are even."""
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    size = (int(found[1]), int(found[2])) if found else (0, 0)
    if not all(0 < side <= _LARGEST_PX and side % 2 == 0 for side in size):
        raise ValueError(
            f"size must be WIDTHxHEIGHT in even pixels up to {_LARGEST_PX}, such as 768x448, got {text!r}"
        )
    return size


def size_of(clip: Size, *, wanted: Size | None, multiple: int | None, fit: Fit, upscale: bool) -> Size | None:
    """Returns the size of a sample of a clip of size ``clip``; None where it would have to be enlarged.

    ``wanted`` is the exact size, ``multiple`` keeps the middle whose sides are multiples of it.
    """
    if wanted is not None:
        smaller = [side < other for side, other in zip(clip, wanted, strict=True)]
        too_small = any(smaller) if fit == "crop" else False
        return None if too_small and not upscale else wanted
    if multiple is None:
        return clip
    width, height = (side // multiple * multiple for side in clip)
    return (width, height) if width and height else None


def cosmos_bucket(clip: Size, length_s: float) -> str | None:
    """Returns the folder that cosmos-curate would put a clip into; None for one that fits no bin.

    Such as ``resolution_720/aspect_ratio_16_9/duration_5_10``.
    """
    width, height = clip
    aspect = next((name for most, name in _ASPECTS if width / height <= most), None)
    length = next((name for most, name in _LENGTHS_S if length_s <= most), None)
    if aspect is None or length_s < _SHORTEST_S:
        return None
    resolution = next(name for least, name in _RESOLUTIONS if min(clip) >= least)
    return f"resolution_{resolution}/aspect_ratio_{aspect}/duration_{length}"
