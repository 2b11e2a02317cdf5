"""Whether two clips show the same shot: laid over each other in time and place, then compared cell by cell.

Three measures, of which each alone is deceived by something:

- structure: correlation of fine detail, which no other place has, but any other shot of that place;
- motion: correlation of what changes over time, which no other shot has, but a still clip lacks;
- fit: what neither clip's neighbouring instants and cells explain (an interval of values instead of one, as
  in Birchfield and Tomasi, "A pixel dissimilarity measure that is insensitive to image sampling", 1998),
  beside what motion, coding noise and registration would excuse. The pose of a figure shows in it.

Logos and text lie near the edges: there, what differs much may count less. In the middle everything counts.
"""

import numpy as np
import numpy.typing as npt

from clipmill.dedup.copies.alignment import MIDDLE, AlignedPair, Moments, align, coarse
from clipmill.dedup.copies.fingerprints import Pictures, Sketch
from clipmill.dedup.copies.spatial_alignment import smoothed, widely_smoothed
from clipmill.dedup.vectors import Floats

_EXPONENT = 0.206  # brings the product of the measures to the scale on which 0.78 is the same shot
_DETAIL_NOISE = 0.1  # squared levels of detail that are noise
_MOTION_NOISE = 0.3  # squared levels of change over time that are noise
_FIT_NOISE = 0.3  # squared levels of detail that coding alone may leave unexplained
_FIT_DETAIL = 0.1  # share of the detail that registration and other levels may leave unexplained
_MAX_UNEXPLAINED = 60  # levels
_UNEXPLAINED_WEIGHT = 2.0
_STRICTER = 4.4  # within one video 0.95 stands where 0.78 does between two


def likeness(one: Sketch, other: Sketch) -> float:
    """How sure it is that two clips show the same shot, 0..1; from 0.78 they are copies of each other.

    Where ``one`` is the shorter clip, it may be any part of the ``other``: nothing is lost without it. Two
    clips of one video are copies where it shows the same pictures again, which then are equal but for the
    instants that were sampled. What is only alike is a camera that did not move, or the next slide.
    """
    step = max(one.step, other.step)
    is_part = one.thinned(step).shape[1] < other.thinned(step).shape[1]
    longer, shorter = sorted((one.thinned(step), other.thinned(step)), key=_size, reverse=True)
    ways = [longer, longer[..., ::-1]] if one.either_way and other.either_way else [longer]
    found = max(
        _likeness_of_view(way[-view:][0], shorter[-view:][0], is_part=is_part)
        for way in ways
        for view in range(max(len(longer), len(shorter)))
    )
    is_one_video = bool(one.source) and one.source == other.source
    return round(max(0.0, 1 - _STRICTER * (1 - found)), 6) if is_one_video else found


def _size(views: npt.NDArray[np.uint8]) -> tuple[int, bytes]:
    """Puts two clips in the same order, whichever comes first."""
    return views.shape[1], views.tobytes()


def _likeness_of_view(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8], *, is_part: bool) -> float:
    laid = align(one, other, is_part=is_part)
    if laid is None:
        return 0.0
    measures = (_structure(laid), _motion(laid), _fit(laid))
    return round(float(np.prod(np.maximum(measures, 0.0)) ** _EXPONENT), 6)


def _structure(laid: AlignedPair) -> float:
    """Correlation of detail, -1..1."""
    details = [_detail(smoothed(pictures)) for pictures in (laid.one_levelled[1], laid.other[1])]
    mean = [(detail * laid.counts).sum() / (laid.counts.sum() * len(detail) + 1e-6) for detail in details]
    return _correlation(details[0] - mean[0], details[1] - mean[1], laid.counts, noise=_DETAIL_NOISE)


def _motion(laid: AlignedPair) -> float:
    """Correlation of the deviations from the mean over time, at a third of the detail, -1..1."""
    share = np.maximum(coarse(laid.counts[None], 8), 0.1)
    moved = [
        coarse((pictures - pictures.mean(axis=0)) * laid.counts, 8) / share
        for pictures in (smoothed(laid.one_levelled[1]), smoothed(laid.other[1]))
    ]
    return _correlation(moved[0], moved[1], np.ones_like(share[0]), noise=_MOTION_NOISE)


def _correlation(one: Floats, other: Floats, counts: Floats, *, noise: float) -> float:
    """Of values ``(P, h, w)``, weighted; clips that hold nothing above the ``noise`` are alike."""
    least = noise * len(one) * counts.sum() + 1e-6
    products = (one * other * counts).sum() + least
    return float(
        products / np.sqrt(((one * one * counts).sum() + least) * ((other * other * counts).sum() + least))
    )


def _fit(laid: AlignedPair) -> float:
    """1 where the other clip explains the middle of each picture; 1/3 where it leaves as much as moves.

    What is as wide as an eighth of the picture is left out: another colour matrix or tone curve changes
    whole surfaces.
    """
    inside = MIDDLE & (laid.counts > 0)
    if not inside.any():
        return 0.0
    one, other = _narrow(laid.one_levelled), _narrow(laid.other)
    unexplained = np.minimum(
        _outside(other[1], one), laid.gain * _outside(_narrow(laid.one)[1], _narrow(laid.other_levelled))
    ).clip(max=_MAX_UNEXPLAINED)[:, inside]
    moves = np.mean([np.square(clip[2] - clip[0])[:, inside].mean() for clip in (one, other)])
    detail = np.mean([np.square(clip[1])[:, inside].mean() for clip in (one, other)])
    excused = moves + _FIT_NOISE + np.square(_FIT_DETAIL) * detail
    return float(1 / (1 + _UNEXPLAINED_WEIGHT * np.square(unexplained).mean() / excused))


def _detail(pictures: Pictures) -> Pictures:
    """What is finer than about four cells."""
    return pictures - smoothed(smoothed(pictures))


def _narrow(moments: Moments) -> Moments:
    before, now, after = (pictures - widely_smoothed(pictures) for pictures in moments)
    return before, now, after


def _outside(pictures: Pictures, others: Moments) -> Pictures:
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
