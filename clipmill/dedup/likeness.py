"""Whether two clips show the same shot: laid over each other in time and place, then compared cell by cell.

Three measures, of which each alone is deceived by something:

- structure: correlation of fine detail, which no other place has, but any other shot of that place;
- motion: correlation of what changes over time, which no other shot has, but a still clip lacks;
- fit: what neither clip's neighbouring instants and cells explain (an interval of values instead of one, as
  in Birchfield and Tomasi, "A pixel dissimilarity measure that is insensitive to image sampling", 1998),
  beside what motion, coding noise and registration would excuse. The pose of a figure shows in it.

Logos and text lie near the edges: there, what differs much may count less. In the middle everything counts.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clipmill.dedup.registration import Place, find_place, smoothed, warped
from clipmill.dedup.sketches import SIDE_PX, Pictures, Sketch
from clipmill.dedup.timing import Timing, find_timing, half_steps
from clipmill.dedup.vectors import Floats

_EXPONENT = 0.18  # brings the product of the measures to the scale on which 0.78 is the same shot
_EDGE_ROWS, _EDGE_COLUMNS = 4, 2  # cells from each edge where logos and text lie
_DARK, _BRIGHT = 10, 245  # levels beyond which brightening leaves nothing to compare
_DETAIL_NOISE = 0.1  # squared levels of detail that are noise
_MOTION_NOISE = 0.3  # squared levels of change over time that are noise
_FIT_NOISE = 1.0  # squared levels that coding alone may leave unexplained
_FIT_DETAIL = 0.03  # share of the picture's deviation that registration may leave unexplained
_MAX_UNEXPLAINED = 60  # levels
_UNEXPLAINED_WEIGHT = 2.0


def likeness(one: Sketch, other: Sketch) -> float:
    """How sure it is that two clips show the same shot, 0..1; from 0.78 they are copies of each other."""
    step = max(one.step, other.step)
    longer, shorter = sorted((one.thinned(step), other.thinned(step)), key=_size, reverse=True)
    ways = [longer, longer[..., ::-1]] if one.either_way and other.either_way else [longer]
    return max(
        _likeness_of_view(way[-view:][0], shorter[-view:][0])
        for way in ways
        for view in range(max(len(longer), len(shorter)))
    )


def _size(views: npt.NDArray[np.uint8]) -> tuple[int, bytes]:
    """Puts two clips in the same order, whichever comes first."""
    return views.shape[1], views.tobytes()


def _likeness_of_view(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> float:
    laid = _laid_over(one.astype(np.float32), other.astype(np.float32))
    if laid is None:
        return 0.0
    measures = (_structure(laid), _motion(laid), _fit(laid))
    return round(float(np.prod(np.maximum(measures, 0.0)) ** _EXPONENT), 6)


@dataclass(frozen=True)
class _Laid:
    """Pictures ``(P, 24, 24)`` of two clips at the same instants, one in the place and levels of the other.

    ``one`` and ``other`` are also given half a step before and after; ``counts`` ``(24, 24)``, 0..1, says how
    much each cell says, and ``is_clear`` ``(P, 24, 24)`` which are neither black nor white.
    """

    one: tuple[Pictures, Pictures, Pictures]
    other: tuple[Pictures, Pictures, Pictures]
    counts: Pictures
    is_clear: npt.NDArray[np.bool_]


def _laid_over(one: Pictures, other: Pictures) -> _Laid | None:
    """None where no overlap of the two is long enough."""
    timing = find_timing(_coarse(_evened(smoothed(one)), 8), _coarse(_evened(smoothed(other)), 8))
    if timing is None:
        return None
    place, counts = _placed(one, other, timing, Place())
    again = _timed_in_place(one, other, place)
    if again is not None and not _same(again, timing):
        timing = again
        place, counts = _placed(one, other, timing, place)
    return _in_levels(one, other, timing, place, counts)


def _placed(one: Pictures, other: Pictures, timing: Timing, start: Place) -> tuple[Place, Pictures]:
    return find_place(
        smoothed(half_steps(one)[timing.half_steps]), smoothed(other[timing.frames]), start=start
    )


def _timed_in_place(one: Pictures, other: Pictures, place: Place) -> Timing | None:
    seen, inside = warped(smoothed(one), place)
    return find_timing(_coarse(_evened(seen) * inside, 12), _coarse(_evened(smoothed(other)) * inside, 12))


def _same(one: Timing, other: Timing) -> bool:
    return np.array_equal(one.half_steps, other.half_steps) and np.array_equal(one.frames, other.frames)


def _in_levels(one: Pictures, other: Pictures, timing: Timing, place: Place, counts: Pictures) -> _Laid:
    seen, inside = warped(half_steps(one), place)
    counts = np.where(_MIDDLE, 1, counts) * inside
    ours, theirs = _around(seen, timing.half_steps), _around(half_steps(other), 2 * timing.frames)
    is_clear = _is_clear(smoothed(ours[1])) & _is_clear(smoothed(theirs[1]))
    gain, offset = _levels(smoothed(ours[1]), smoothed(theirs[1]), counts * is_clear)
    first, middle, last = (gain * pictures + offset for pictures in ours)
    return _Laid((first, middle, last), theirs, counts, is_clear)


def _around(doubled: Pictures, places: npt.NDArray[np.intp]) -> tuple[Pictures, Pictures, Pictures]:
    before, after = np.maximum(places - 1, 0), np.minimum(places + 1, len(doubled) - 1)
    return doubled[before], doubled[places], doubled[after]


def _is_clear(pictures: Pictures) -> npt.NDArray[np.bool_]:
    return (pictures > _DARK) & (pictures < _BRIGHT)


def _levels(one: Pictures, other: Pictures, counts: Pictures) -> tuple[np.float32, np.float32]:
    """Gain and offset that bring ``one`` nearest to ``other``."""
    total = counts.sum() + 1e-6
    mean, target = (one * counts).sum() / total, (other * counts).sum() / total
    spread = (np.square(one - mean) * counts).sum()
    gain = ((one - mean) * (other - target) * counts).sum() / max(spread, 1e-6)
    gain = np.float32(np.clip(gain, 0.4, 2.5))
    return gain, target - gain * mean


def _structure(laid: _Laid) -> float:
    """Correlation of what is finer than about four cells, -1..1."""
    details = [
        pictures - smoothed(smoothed(pictures))
        for pictures in (smoothed(laid.one[1]), smoothed(laid.other[1]))
    ]
    mean = [(detail * laid.counts).sum() / (laid.counts.sum() * len(detail) + 1e-6) for detail in details]
    return _correlation(details[0] - mean[0], details[1] - mean[1], laid.counts, noise=_DETAIL_NOISE)


def _motion(laid: _Laid) -> float:
    """Correlation of the deviations from the mean over time, at a third of the detail, -1..1."""
    share = np.maximum(_coarse(laid.counts[None], 8), 0.1)
    moved = [
        _coarse((pictures - pictures.mean(axis=0)) * laid.counts, 8) / share
        for pictures in (smoothed(laid.one[1]), smoothed(laid.other[1]))
    ]
    return _correlation(moved[0], moved[1], np.ones_like(share[0]), noise=_MOTION_NOISE)


def _correlation(one: Floats, other: Floats, counts: Floats, *, noise: float) -> float:
    """Of values ``(P, h, w)``, weighted; clips that hold nothing above the ``noise`` are alike."""
    least = noise * len(one) * counts.sum() + 1e-6
    products = (one * other * counts).sum() + least
    return float(
        products / np.sqrt(((one * one * counts).sum() + least) * ((other * other * counts).sum() + least))
    )


def _fit(laid: _Laid) -> float:
    """1 where the other clip explains the middle of each picture; 1/3 where it leaves as much as moves."""
    inside = _MIDDLE & (laid.counts > 0)
    if not inside.any():
        return 0.0
    unexplained = np.minimum(_outside(laid.other[1], laid.one), _outside(laid.one[1], laid.other))
    unexplained = np.where(laid.is_clear, np.minimum(unexplained, _MAX_UNEXPLAINED), 0)[:, inside]
    moves = np.mean([np.square(clip[2] - clip[0])[:, inside].mean() for clip in (laid.one, laid.other)])
    detail = np.square(_FIT_DETAIL) * _variance(smoothed(laid.other[1]), laid.counts * laid.is_clear)
    excused = moves + _FIT_NOISE + detail
    return float(1 / (1 + _UNEXPLAINED_WEIGHT * np.square(unexplained).mean() / excused))


def _variance(pictures: Pictures, counts: Pictures) -> float:
    total = counts.sum() + 1e-6
    mean = (pictures * counts).sum() / total
    return float((np.square(pictures - mean) * counts).sum() / total)


def _outside(pictures: Pictures, others: tuple[Pictures, Pictures, Pictures]) -> Pictures:
    """How far each cell lies outside what others show there within half a step and half a cell."""
    bounds = [_bounds(other) for other in others]
    low = np.minimum.reduce([bound[0] for bound in bounds])
    high = np.maximum.reduce([bound[1] for bound in bounds])
    return np.maximum(0, np.maximum(low - pictures, pictures - high))


def _bounds(pictures: Pictures) -> tuple[Pictures, Pictures]:
    """Least and greatest value within half a cell up, down, left and right, between cells linearly."""
    padded = np.pad(pictures, ((0, 0), (1, 1), (1, 1)), mode="edge")
    centre = padded[:, 1:-1, 1:-1]
    sides = (padded[:, :-2, 1:-1], padded[:, 2:, 1:-1], padded[:, 1:-1, :-2], padded[:, 1:-1, 2:])
    low, high = np.minimum.reduce(sides), np.maximum.reduce(sides)
    return np.minimum(centre, (centre + low) / 2), np.maximum(centre, (centre + high) / 2)


def _evened(pictures: Pictures) -> Pictures:
    """With mean 0 and deviation 1 over the whole clip; of a flat one less."""
    return (pictures - pictures.mean()) / max(float(pictures.std()), 2.0)


def _coarse(pictures: Pictures, side: int) -> Pictures:
    """Means of equal squares, ``(T, side, side)``."""
    size = SIDE_PX // side
    return pictures.reshape(len(pictures), side, size, side, size).mean(axis=(2, 4))


def _middle() -> npt.NDArray[np.bool_]:
    middle = np.zeros((SIDE_PX, SIDE_PX), dtype=bool)
    middle[_EDGE_ROWS:-_EDGE_ROWS, _EDGE_COLUMNS:-_EDGE_COLUMNS] = True
    return middle


_MIDDLE = _middle()
