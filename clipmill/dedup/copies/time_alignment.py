"""Where in one clip the frames of its copy lie: a trim, another sampling grid, another speed.

Every offset and a few speeds are tried, as lines through the table of distances between all frames of both,
as in diagonal voting (Douze et al., "An image-based approach to video copy detection with spatio-temporal
post-filtering", 2010).
"""

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clipmill.dedup.copies.fingerprints import LEAST_FRAMES, Pictures
from clipmill.dedup.vectors import Indices

_SPEEDS = (1.0, 0.95, 1.05, 0.9, 1.1)  # steps that drift by less than a sample within ten seconds
LEAST_SHARE = 0.45  # as ``best_copy.PART``; of the longer clip: trimmed by a fifth at both ends and sped up
_LEAST_OF_PART = 0.8  # of a clip that another one contains
_LEAST_FRAMES_OF_PART = 4  # three frames of ten seconds are found too easily
_FLOOR = 0.02  # distance, in squared deviations, that says nothing about the offset


@dataclass(frozen=True)
class Timing:
    """Pairs of frames at the same instants: half-steps ``(P,)`` of one clip, frames ``(P,)`` of the other.

    ``distance`` is the mean squared distance of their pictures.
    """

    half_steps: Indices
    frames: Indices
    distance: float


def half_steps(pictures: Pictures) -> Pictures:
    """Pictures ``(2 T - 1, ...)``: those given and, between two, their mean."""
    doubled = np.repeat(pictures, 2, axis=0)[:-1]
    doubled[1::2] = (pictures[1:] + pictures[:-1]) / 2
    return doubled


def find_timing(one: Pictures, other: Pictures, *, is_part: bool = False) -> Timing | None:
    """The timing of the smallest distance between pictures ``(T, h, w)``; None where no overlap is enough.

    Both have mean 0 and deviation 1. Of about equal distances the longer overlap counts. An overlap is
    enough that is about half of the longer clip, or, where the ``other`` may be a part of the one, most of
    the other.
    """
    lines = _lines(len(one), len(other), is_part)
    if not len(lines.speed):
        return None
    doubled, own = half_steps(one).reshape(-1, one[0].size), other.reshape(len(other), -1)
    squares = np.vecdot(doubled, doubled)[:, None] + np.vecdot(own, own)
    distance = (squares - 2 * doubled @ own.T) / one[0].size
    along = (distance[lines.half_steps, np.arange(len(other))] * lines.overlaps).sum(axis=1)
    mean = along / lines.num_frames
    best = int(((mean + _FLOOR) / lines.share).argmin())
    frames = np.flatnonzero(lines.overlaps[best])
    return Timing(lines.half_steps[best, frames], frames, float(mean[best]))


def is_only_part(num_one: int, num_other: int) -> bool:
    """Returns True where no overlap of clips of so many frames is about half of the longer one."""
    return not len(_lines(num_one, num_other, False).speed)


@dataclass(frozen=True)
class _Lines:
    """Ways to lay one clip beside another, ``(L, T)`` and ``(L,)``; ``share`` is of the longer clip."""

    half_steps: Indices
    overlaps: npt.NDArray[np.float32]
    num_frames: npt.NDArray[np.intp]
    share: npt.NDArray[np.float64]
    speed: npt.NDArray[np.float64]


@functools.lru_cache(maxsize=1024)
def _lines(num_one: int, num_other: int, is_part: bool) -> _Lines:
    parts = [_lines_at(speed, num_one, num_other) for speed in _SPEEDS]
    times, speeds = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
    inside = (times >= -0.25) & (times <= num_one - 0.75)
    num_frames = inside.sum(axis=1)
    share = np.minimum(num_frames / num_other, num_frames * speeds / num_one)
    enough = (share >= LEAST_SHARE) & (num_frames >= LEAST_FRAMES)
    if is_part:
        enough |= (num_frames >= _LEAST_OF_PART * num_other) & (num_frames >= _LEAST_FRAMES_OF_PART)
    places = np.rint(2 * times).clip(0, 2 * (num_one - 1)).astype(np.intp)
    return _Lines(
        places[enough],
        inside[enough].astype(np.float32),
        num_frames[enough],
        np.minimum(share[enough], 1.0),
        speeds[enough],
    )


def _lines_at(
    speed: float, num_one: int, num_other: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Times ``(L, num_other)`` of the other clip's frames in the one, in its steps, and the speed of each."""
    offsets = np.arange(-np.floor(2 * num_other * speed), 2 * num_one) / 2
    return offsets[:, None] + speed * np.arange(num_other), np.full(len(offsets), speed)
