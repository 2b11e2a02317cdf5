"""Two clips laid over each other: the frames of one at the instants, place and levels of the other's."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from clipmill.dedup.copies.fingerprints import SIDE_PX, Pictures
from clipmill.dedup.copies.spatial_alignment import Place, find_place, smoothed, warped
from clipmill.dedup.copies.time_alignment import Timing, find_timing, half_steps, is_only_part
from clipmill.dedup.vectors import Indices

_DARK, _BRIGHT = 10, 245  # levels beyond which brightening leaves nothing to compare
_EDGE_ROWS, _EDGE_COLUMNS = 4, 2  # cells from each edge where logos and text lie
# Squared deviations: of candidates of real films those that are at least 0.6 alike reach 0.58, and 76 % of
# the others, which are most of the cost, are beyond.
_MAX_DISTANCE = 1.0
_COARSE, _FINER = 8, 12  # cells along a side by which timing is found, before and after registration


Moments = tuple[Pictures, Pictures, Pictures]
"""The same pictures half a step before, at and half a step after some instants."""


@dataclass(frozen=True)
class AlignedPair:
    """Pictures ``(P, 24, 24)`` of two clips at the same instants, ``one`` in the place of the ``other``.

    Both are also given half a step before and after; ``counts`` ``(24, 24)``, 0..1, says how much each cell
    says. ``gain`` times a level of ``one``, plus ``offset``, is that of the ``other``.
    """

    one: Moments
    other: Moments
    counts: Pictures
    gain: float
    offset: float

    @property
    def one_levelled(self) -> Moments:
        """``one`` in the levels of the ``other``; what that cannot show is black or white in it."""
        return _each(self.one, lambda pictures: (self.gain * pictures + self.offset).clip(0, 255))

    @property
    def other_levelled(self) -> Moments:
        """The ``other`` in the levels of ``one``."""
        return _each(self.other, lambda pictures: ((pictures - self.offset) / self.gain).clip(0, 255))


def align(ours: npt.NDArray[np.uint8], theirs: npt.NDArray[np.uint8], *, is_part: bool) -> AlignedPair | None:
    """None where no overlap of the two is long enough, or none looks alike; ``is_part`` as ``find_timing``.

    Both are views of sketches, uint8 ``(T, 24, 24)``. Of a clip that can only be a part of the other one, the
    rest of which may look otherwise, each picture is evened by itself.
    """
    evened = _each_evened if is_part and is_only_part(len(ours), len(theirs)) else _evened
    timing = find_timing(*(_coarse_view(each.tobytes(), evened) for each in (ours, theirs)), is_part=is_part)
    if timing is None or timing.distance > _MAX_DISTANCE:
        return None
    one, other = ours.astype(np.float32), theirs.astype(np.float32)
    place, counts = _placed(one, other, timing, Place())
    again = _timed_in_place(one, other, place, evened, is_part=is_part)
    if again is not None and not _same(again, timing):
        timing = again
        place, counts = _placed(one, other, timing, place)
    return _in_levels(one, other, timing, place, counts)


@lru_cache(maxsize=1024)  # a clip meets up to twenty others
def _coarse_view(data: bytes, evened: Callable[[Pictures], Pictures]) -> Pictures:
    view = np.frombuffer(data, np.uint8).reshape(-1, SIDE_PX, SIDE_PX).astype(np.float32)
    return coarse(evened(smoothed(view)), _COARSE)


def _placed(one: Pictures, other: Pictures, timing: Timing, start: Place) -> tuple[Place, Pictures]:
    return find_place(
        smoothed(half_steps(one)[timing.half_steps]), smoothed(other[timing.frames]), start=start
    )


def _timed_in_place(
    one: Pictures, other: Pictures, place: Place, evened: Callable[[Pictures], Pictures], *, is_part: bool
) -> Timing | None:
    seen, inside = warped(smoothed(one), place)
    return find_timing(
        coarse(evened(seen) * inside, _FINER),
        coarse(evened(smoothed(other)) * inside, _FINER),
        is_part=is_part,
    )


def _same(one: Timing, other: Timing) -> bool:
    return np.array_equal(one.half_steps, other.half_steps) and np.array_equal(one.frames, other.frames)


def _in_levels(one: Pictures, other: Pictures, timing: Timing, place: Place, counts: Pictures) -> AlignedPair:
    seen, inside = warped(half_steps(one), place)
    counts = np.where(MIDDLE, 1, counts) * inside
    ours, theirs = _around(seen, timing.half_steps), _around(half_steps(other), 2 * timing.frames)
    gain, offset = levels_between(smoothed(ours[1]), smoothed(theirs[1]), counts)
    return AlignedPair(ours, theirs, counts, gain, offset)


def _each(moments: Moments, change: Callable[[Pictures], Pictures]) -> Moments:
    before, now, after = moments
    return change(before), change(now), change(after)


def _around(doubled: Pictures, places: Indices) -> Moments:
    before, after = np.maximum(places - 1, 0), np.minimum(places + 1, len(doubled) - 1)
    return doubled[before], doubled[places], doubled[after]


def _is_clear(pictures: Pictures) -> npt.NDArray[np.bool_]:
    return (pictures > _DARK) & (pictures < _BRIGHT)


def levels_between(one: Pictures, other: Pictures, counts: Pictures) -> tuple[float, float]:
    """Gain and offset that bring ``one`` nearest to ``other``, where both can show it if that is anywhere."""
    counts = counts * np.maximum(_is_clear(one) & _is_clear(other), np.float32(1e-3))
    total = counts.sum() + 1e-6
    mean, target = (one * counts).sum() / total, (other * counts).sum() / total
    spread = (np.square(one - mean) * counts).sum()
    gain = ((one - mean) * (other - target) * counts).sum() / max(spread, 1e-6)
    gain = float(np.clip(gain, 0.4, 2.5))
    return gain, float(target - gain * mean)


def evened_coarse(pictures: Pictures) -> Pictures:
    """The pictures ``(T, 8, 8)`` by which timing is found before registration."""
    return coarse(_evened(smoothed(pictures)), _COARSE)


def _evened(pictures: Pictures) -> Pictures:
    """With mean 0 and deviation 1 over the whole clip; of a flat one less."""
    return (pictures - pictures.mean()) / max(float(pictures.std()), 2.0)


def _each_evened(pictures: Pictures) -> Pictures:
    """Each picture with mean 0 and deviation 1; a flat one with less."""
    centred = pictures - pictures.mean(axis=(1, 2), keepdims=True)
    return centred / np.maximum(pictures.std(axis=(1, 2), keepdims=True), np.float32(2.0))


def looks_of(pictures: npt.NDArray[np.uint8]) -> Pictures:
    """Each picture ``(T, 24, 24)`` as a vector of length 1, ``(T, 64)``: products say how alike two are.

    Without what is as wide as a quarter of it: dark surroundings and a bright middle are in many pictures.
    """
    clear = smoothed(pictures.astype(np.float32))
    looks = coarse(_each_evened(clear - _far_smoothed(clear)), _COARSE).reshape(len(pictures), -1)
    looks -= looks.mean(axis=1, keepdims=True)
    return looks / np.maximum(np.linalg.norm(looks, axis=1, keepdims=True), np.float32(1e-6))


def _far_smoothed(pictures: Pictures) -> Pictures:
    return smoothed(smoothed(smoothed(smoothed(pictures))))


def coarse(pictures: Pictures, side: int) -> Pictures:
    """Means of equal squares, ``(T, side, side)``."""
    size = SIDE_PX // side
    return pictures.reshape(len(pictures), side, size, side, size).mean(axis=(2, 4))


def _middle() -> npt.NDArray[np.bool_]:
    middle = np.zeros((SIDE_PX, SIDE_PX), dtype=bool)
    middle[_EDGE_ROWS:-_EDGE_ROWS, _EDGE_COLUMNS:-_EDGE_COLUMNS] = True
    return middle


MIDDLE = _middle()
"""Cells ``(24, 24)`` in which neither logos nor text lie."""
