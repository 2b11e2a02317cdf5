"""Where the picture of a copy lies in that of its original: cropped a little, or with a little around it.

Scale and shift along both axes by Gauss-Newton steps on the squared difference (Lucas and Kanade, "An
iterative image registration technique", 1981), levels fitted along with them, and what differs by far more
than the rest, as a logo does, counted less (Hampel et al., "Robust Statistics", 1986).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clipmill.dedup.copies.fingerprints import SIDE_PX, Pictures

_MAX_SCALE = 0.15  # a crop by 5 % on each side is 0.11
_MAX_SHIFT = 0.09  # in half sides: a crop by 5 % on one side is 0.05
_STEPS = 5
_DAMPING = 1e-3
_HALF = SIDE_PX / 2
_CELL = 1 / np.float32(_HALF)
_ALONG = ((np.arange(SIDE_PX) + 0.5) / _HALF - 1).astype(np.float32)  # centres of cells, -1..1
_ACROSS, _DOWN = np.meshgrid(_ALONG, _ALONG)
_SMOOTHING = np.array([0.25, 0.5, 0.25], dtype=np.float32)


@dataclass(frozen=True)
class Place:
    """Where a picture's cells lie in another, in half sides from its middle: ``(1 + scale) * x + shift``."""

    scale_x: float = 0.0
    shift_x: float = 0.0
    scale_y: float = 0.0
    shift_y: float = 0.0

    def margins(self) -> npt.NDArray[np.float64]:
        """What the other picture has more, as shares ``(2, 2)``: left and right, above and below."""
        scales, shifts = np.array([self.scale_x, self.scale_y]), np.array([self.shift_x, self.shift_y])
        return np.stack([shifts - scales, -shifts - scales], axis=1) / 2

    def moved(self, step: npt.NDArray[np.float64]) -> "Place":
        """By ``step`` ``(4,)``, within what a copy may be cropped."""
        limits = (_MAX_SCALE, _MAX_SHIFT, _MAX_SCALE, _MAX_SHIFT)
        values = (self.scale_x, self.shift_x, self.scale_y, self.shift_y)
        return Place(
            *(
                float(np.clip(value + by, -most, most))
                for value, by, most in zip(values, step, limits, strict=True)
            )
        )


def warped(pictures: Pictures, place: Place) -> tuple[Pictures, npt.NDArray[np.bool_]]:
    """Pictures ``(T, 24, 24)`` as they are seen at ``place``, and which cells lie inside ``(24, 24)``."""
    across, inside_x = _interpolation(place.scale_x, place.shift_x)
    down, inside_y = _interpolation(place.scale_y, place.shift_y)
    return along_both(pictures, down, across), inside_y[:, None] & inside_x


def smoothed(pictures: Pictures) -> Pictures:
    """By binomial weights over three cells along both axes, edges repeated."""
    return along_both(pictures, _SMOOTH, _SMOOTH)


def widely_smoothed(pictures: Pictures) -> Pictures:
    """As ``smoothed``, sixteen times: with a deviation of 2.8 cells."""
    return along_both(pictures, _WIDE, _WIDE)


def along_both(pictures: Pictures, down: Pictures, across: Pictures) -> Pictures:
    """Each picture ``(T, h, w)`` by the rows of two matrices, ``(M, h)`` and ``(N, w)``: ``(T, M, N)``."""
    return (down @ pictures @ across.T).astype(np.float32, copy=False)


def find_place(
    one: Pictures, other: Pictures, *, start: Place = Place()
) -> tuple[Place, npt.NDArray[np.float32]]:
    """Where ``other`` ``(T, 24, 24)`` lies in ``one``, and how much each cell ``(24, 24)`` counts, 0..1."""
    place, counts = start, np.ones((SIDE_PX, SIDE_PX), dtype=np.float32)
    for _ in range(_STEPS):
        seen, inside = warped(one, place)
        terms = _terms(seen)
        weighted = terms * (counts * inside)
        flat = terms.reshape(len(terms), -1)
        products = (weighted.reshape(len(terms), -1) @ flat.T).astype(np.float64)
        products += np.diag([*(_DAMPING * np.diag(products)[:4] + 1), _DAMPING, _DAMPING])
        found = np.linalg.solve(products, weighted.reshape(len(terms), -1) @ other.ravel())
        place = place.moved(np.clip(found[:4] / max(found[4], 0.2), -0.1, 0.1))
        apart = np.abs(other - (found.astype(np.float32) @ flat).reshape(other.shape)).mean(axis=0)
        counts = 1 / (1 + np.square(apart / (2.5 * np.median(apart) + 0.5)))
    return place, counts


def _terms(seen: Pictures) -> Pictures:
    """What a small step of each unknown adds, ``(6, T, 24, 24)``: scale and shift twice, gain, offset."""
    down, across = _slopes(seen.swapaxes(1, 2)).swapaxes(1, 2), _slopes(seen)
    return np.stack([across * _ACROSS, across, down * _DOWN, down, seen, np.ones_like(seen)])


def _slopes(seen: Pictures) -> Pictures:
    """Along the last axis, for each half side, as ``np.gradient`` has them."""
    slopes = np.empty_like(seen)
    np.subtract(seen[..., 2:], seen[..., :-2], out=slopes[..., 1:-1])
    slopes[..., 1:-1] /= 2 * _CELL
    slopes[..., 0] = (seen[..., 1] - seen[..., 0]) / _CELL
    slopes[..., -1] = (seen[..., -1] - seen[..., -2]) / _CELL
    return slopes


def _interpolation(scale: float, shift: float) -> tuple[Pictures, npt.NDArray[np.bool_]]:
    """Linear weights ``(24, 24)`` along one axis, and which cells lie inside."""
    at = ((1 + scale) * _ALONG + shift + 1) * _HALF - 0.5
    inside = (at >= -0.5) & (at <= SIDE_PX - 0.5)
    at = at.clip(0, SIDE_PX - 1)
    weights = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(SIDE_PX)))
    return weights.astype(np.float32), inside


def _smoothing() -> Pictures:
    """The matrix ``(24, 24)`` of ``smoothed`` along one axis."""
    weights = np.zeros((SIDE_PX, SIDE_PX + 2), dtype=np.float32)
    for row in range(SIDE_PX):
        weights[row, row : row + 3] = _SMOOTHING
    weights[0, 1] += weights[0, 0]
    weights[-1, -2] += weights[-1, -1]
    return weights[:, 1:-1]


_SMOOTH = _smoothing()
_WIDE = np.linalg.matrix_power(_SMOOTH, 16)
