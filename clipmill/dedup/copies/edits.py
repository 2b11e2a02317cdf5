"""What was done to one of two copies and not to the other: a text or logo laid over it, sharpening, a crop.

The first two look like detail, so that the edited copy would pass for the better one. Thresholds were chosen
on twelve shots of four real films and three drawn ones, each in 38 changes (docs/deduplication.md).

- Crop: laid over each other, the whole of one picture lies in the other one, which shows more around it.

- Overlay: where the pictures differ, one of them has edges that stand still and the other one has not. A
  faint one counts only if what is under it also moves less, which tells it from a blur over still ground.
- Sharpening: a filter raises middle frequencies nearly as much as the finest ones, up to its gain. What a
  blur or an enlargement loses grows with the square of the frequency and faster; what coding loses is the
  most where there is little detail.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from clipmill.dedup.copies.alignment import evened_coarse, levels_between
from clipmill.dedup.copies.fingerprints import SIDE_PX, Detail, Pictures, Sketch
from clipmill.dedup.copies.sharpness import band_gains, zone_gains
from clipmill.dedup.copies.spatial_alignment import Place, find_place, smoothed, warped
from clipmill.dedup.copies.time_alignment import Timing, find_timing, half_steps

_MOST_APART = 1.0  # as ``alignment``: what is farther is laid otherwise, a mirror image for one
_STEPS = 6  # in which cells that differ come to count less for the levels
_LEAST_APART = 0.003  # squared deviations: nearer copies show the same part
_LEAST_CROPPED, _MOST_BESIDE = 0.03, 0.01  # shares of a side that one lacks; that the other one may lack
_EXPLAINED = 0.55  # deviation that is left of a cropped copy once it is laid in its place
_SAME_SHAPE = 1.05
_DIFFERS = 4.0  # levels by which a cell of the picture differs all the time
_MOST_COVERED = 0.3  # share of the picture; another crop differs in more
_EDGE_RATIO, _LEAST_EDGE = 1.3, 3.0  # times the other copy's edges, and levels, that a cell's are beyond
_CLEAR, _FAINT = 40.0, 4.0  # sum of what is beyond, in levels, of an overlay that needs no other sign or one
_CLEARER, _CLEARER_OF_FINE = 2.5, 1.5  # times as much as the other way round; of a copy with finer detail
_STILLER, _LEAST_MOTION = 0.97, 1.0  # deviation over time below an overlay, times the other's; in levels
_LOW_MIDDLE = slice(-12, -9), slice(-8, -5)  # bands, two to three octaves below the finest, and one to two
_LEAST_BANDS, _FEWEST_BANDS = 16, 12  # that both show; fewer will do to tell that a smaller copy shows more
_LEAST_DETAIL = 0.15  # squared levels in a middle band, of both copies: below, noise ends what a blur takes
_SMALLER = 1.5
_LEAST_GAIN, _LEAST_GAIN_OF_SIZES, _MOST_GAIN = 0.3, 0.4, 1.3  # of the middle, as a logarithm of energy
_LEAST_SLOPE = 1.1  # contrast raises all alike
_MOST_SLOPE = 2.65  # gain of the middle over that of the low bands: most filters stay below, blurs reach 3
_LEAST_ZONE_GAIN = 0.2  # of half of the zones: else the gain is that of an overlay
_LEAST_RISE = -0.04  # gain of the zones with most detail beyond that of those with least


class Edit(StrEnum):
    """What was done to a copy."""

    OVERLAY = "overlay"
    CROPPED = "cropped"
    SHARPENED = "sharpened"


@dataclass(frozen=True)
class _Laid:
    """Pictures ``(P, 24, 24)`` of two copies at the same instants, the first in the levels of the second.

    ``differs`` ``(24, 24)`` says in which cells they do so all the time.
    """

    timing: Timing
    one: Pictures
    other: Pictures
    differs: npt.NDArray[np.bool_]


def find_edit(one: Sketch, other: Sketch) -> tuple[Edit, bool] | None:
    """Returns what was done to one of two copies, and whether that is ``one``; None where nothing is seen."""
    if _num_edges(one) >= _num_edges(other):
        return _find_edit(one, other)
    found = _find_edit(other, one)
    return None if found is None else (found[0], not found[1])


def _num_edges(sketch: Sketch) -> tuple[int, bytes]:
    return (0 if sketch.edges is None else int(sketch.edges.sum())), sketch.views.tobytes()


def _find_edit(one: Sketch, other: Sketch) -> tuple[Edit, bool] | None:
    step = max(one.step, other.step)
    ours, theirs = (each.thinned(step).astype(np.float32) for each in (one, other))
    timing = _timing(ours[-1], theirs[-1])
    if timing is None:
        return None
    cropped = _part_of(ours[-1], theirs[-1], timing)
    if cropped is not None and _is_so_without_bars(cropped, ours, theirs):
        return Edit.CROPPED, cropped
    if not _are_framed_alike(one.detail, other.detail):
        return None
    return _find_unlike_detail(one, other, _lay(ours[-1], theirs[-1], timing))


def _timing(one: Pictures, other: Pictures) -> Timing | None:
    timing = find_timing(evened_coarse(one), evened_coarse(other))
    return None if timing is None or timing.distance > _MOST_APART else timing


def _find_unlike_detail(one: Sketch, other: Sketch, laid: _Laid) -> tuple[Edit, bool] | None:
    """What lies over one of two copies, or a filter that it went through, as ``find_edit``."""
    if _grown(laid.differs).mean() > _MOST_COVERED:
        return None
    shared = band_gains(one, other, laid.timing)
    if shared is not None and len(shared) < _FEWEST_BANDS:
        shared = None
    low, middle = (0.0, 0.0) if shared is None else (float(shared.gains[each].mean()) for each in _LOW_MIDDLE)
    overlaid = _overlaid(laid, one.edges, other.edges, finer=middle)
    if overlaid is not None:
        return Edit.OVERLAY, overlaid
    if shared is None:
        return None
    has_zones = all(each.detail and len(each.detail.zones) for each in (one, other))
    if not has_zones or shared.least[_LOW_MIDDLE[1]].mean() < _LEAST_DETAIL:
        return None
    is_first = middle > 0
    (sharper, duller), sign = ((one, other), 1) if is_first else ((other, one), -1)
    by_zone = zone_gains(sharper.detail, duller.detail, contrast=sign * shared.contrast)
    if len(shared) < _LEAST_BANDS and not _is_smaller(sharper, duller):
        return None
    return (Edit.SHARPENED, is_first) if _is_filtered(sign * low, sign * middle, by_zone) else None


def _is_so_without_bars(cropped: bool, ours: Pictures, theirs: Pictures) -> bool:
    """Neither bars nor dark edges that pass for bars make a crop: views ``(V, T, 24, 24)`` agree on it."""
    if len(ours) + len(theirs) == 2:
        return True
    timing = _timing(ours[0], theirs[0])
    return timing is not None and _part_of(ours[0], theirs[0], timing) is cropped


def _part_of(one: Pictures, other: Pictures, timing: Timing) -> bool | None:
    """True where the first copy shows a part of the other's picture, False the other way round."""
    if timing.distance < _LEAST_APART:
        return None
    one, other = smoothed(half_steps(one)[timing.half_steps]), smoothed(other[timing.frames])
    place, _ = find_place(one, other)
    margins = place.margins()
    is_first = bool(margins.sum() < 0)
    margins = -margins if is_first else margins
    is_part = margins.min() >= -_MOST_BESIDE and margins.sum(axis=1).max() >= _LEAST_CROPPED
    if not is_part or _deviation(one, other, place) > _EXPLAINED * _deviation(one, other, Place()):
        return None
    return is_first


def _deviation(one: Pictures, other: Pictures, place: Place) -> float:
    """How far one copy at a ``place`` is from the other one, in levels."""
    seen, inside = warped(one, place)
    counts = inside.astype(np.float32)
    return float((np.abs(_levelled(seen, other, counts) - other) * counts).sum() / counts.sum())


def _are_framed_alike(one: Detail | None, other: Detail | None) -> bool:
    """Returns False for frames of two shapes, one of which has other bars."""
    if one is None or other is None:
        return True
    shapes = [detail.frame_px[0] / max(detail.frame_px[1], 1) for detail in (one, other)]
    return max(shapes) <= _SAME_SHAPE * min(shapes)


def _is_smaller(one: Sketch, other: Sketch) -> bool:
    assert one.detail, "bands are of details"
    assert other.detail, "bands are of details"
    return _SMALLER * math.prod(one.detail.picture_px) <= math.prod(other.detail.picture_px)


def _lay(ours: Pictures, theirs: Pictures, timing: Timing) -> _Laid:
    ours, theirs = smoothed(half_steps(ours)[timing.half_steps]), smoothed(theirs[timing.frames])
    levelled = _levelled(ours, theirs, np.ones((SIDE_PX, SIDE_PX), np.float32))
    for _ in range(_STEPS - 1):
        apart = np.abs(levelled - theirs).mean(axis=0)
        levelled = _levelled(ours, theirs, 1 / (1 + np.square(apart / (2.5 * np.median(apart) + 0.5))))
    differs = np.abs(levelled - theirs).mean(axis=0) > _DIFFERS
    return _Laid(timing, levelled, theirs, differs)


def _levelled(ours: Pictures, theirs: Pictures, counts: Pictures) -> Pictures:
    gain, offset = levels_between(ours, theirs, counts)
    return (gain * ours + offset).clip(0, 255)


def _overlaid(
    laid: _Laid,
    ours: npt.NDArray[np.uint8] | None,
    theirs: npt.NDArray[np.uint8] | None,
    *,
    finer: float,
) -> bool | None:
    """True for an overlay on the first copy, which shows ``finer`` detail, False for one on the second."""
    if ours is None or theirs is None or not laid.differs.any():
        return None
    covered = _grown(laid.differs)
    edges = [each.astype(np.float32) / np.float32(2) for each in (ours, theirs)]
    excess = [_excess(edges[0], edges[1], covered), _excess(edges[1], edges[0], covered)]
    motion = [float(pictures.std(axis=0)[laid.differs].mean()) for pictures in (laid.one, laid.other)]
    is_first = excess[0] > excess[1]
    (less, more), (own, beside) = sorted(excess), motion if is_first else motion[::-1]
    is_stiller = beside >= _LEAST_MOTION and own <= _STILLER * beside
    is_finer = (finer if is_first else -finer) >= _LEAST_GAIN
    clearer = _CLEARER_OF_FINE if is_finer else _CLEARER
    is_seen = more >= clearer * less and (more >= _CLEAR or (more >= _FAINT and is_stiller))
    return is_first if is_seen else None


def _grown(cells: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    return smoothed(cells[None].astype(np.float32))[0] > 0


def _excess(edges: Pictures, others: Pictures, where: npt.NDArray[np.bool_]) -> float:
    """How much more of the edges stands still than in the other copy, which may be less sharp throughout."""
    are_there = others > 1
    usual = float(np.median(edges[are_there] / others[are_there])) if are_there.any() else 1.0
    beside = np.maximum(others, smoothed(others[None])[0])
    beyond = edges - _EDGE_RATIO * max(usual, 1.0) * beside - _LEAST_EDGE
    return float(beyond.clip(0)[where].sum())


def _is_filtered(low: float, middle: float, by_zone: npt.NDArray[np.float32] | None) -> bool:
    """Returns True if a filter made the gain of a copy in these bands; ``by_zone`` as ``zone_gains``."""
    if not _LEAST_SLOPE * low <= middle <= min(_MOST_GAIN, _MOST_SLOPE * low):
        return False
    if by_zone is None:
        return middle >= _LEAST_GAIN_OF_SIZES
    third = len(by_zone) // 3
    rise = by_zone[-third:].mean() - by_zone[:third].mean() if third else -np.inf
    return bool(middle >= _LEAST_GAIN and rise >= _LEAST_RISE and np.median(by_zone) >= _LEAST_ZONE_GAIN)
