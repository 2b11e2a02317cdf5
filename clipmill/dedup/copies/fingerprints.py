"""A clip as a few small pictures, by which a copy that is suspected is looked at again."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SIDE_PX = 24
MAX_FRAMES = 32
"""Frames of a clip that is looked at whole: of a longer one every second, or fourth, and so on."""

LEAST_FRAMES = 3
"""Frames at the same instants by which two shots differ."""

Pictures = npt.NDArray[np.float32]

_MAX_STEP = 128
_HEAD_BYTES = 2
_EITHER_WAY = 0x80


@dataclass(frozen=True)
class Sketch:
    """Luma of a clip over time, uint8 ``(V, T, 24, 24)``; every ``step``-th of the sampled frames.

    The first view has its bars off. Where there were any, a second one has them on: what is dark along an
    edge may be part of the picture, and a logo on it makes it one. ``either_way`` asks for its mirror image
    to be a copy as well.
    """

    views: npt.NDArray[np.uint8]
    step: int
    either_way: bool = False

    def __post_init__(self) -> None:
        shape = self.views.shape
        is_sketch = len(shape) == 4 and shape[0] in (1, 2) and shape[2:] == (SIDE_PX, SIDE_PX)
        if not is_sketch or shape[1] < LEAST_FRAMES:
            raise ValueError(f"a sketch must be (1 or 2, 3 or more, {SIDE_PX}, {SIDE_PX}), got {shape}")
        if not (0 < self.step < 256 and self.step & (self.step - 1) == 0):
            raise ValueError(f"the step of a sketch must be a power of two below 256, got {self.step}")

    def thinned(self, step: int) -> npt.NDArray[np.uint8]:
        """The views at a ``step`` that is at least its own, also a power of two."""
        return self.views[:, :: step // self.step]


def sketch_of(views: Pictures) -> Sketch | None:
    """The sketch of sampled pictures ``(V, T, 24, 24)``, 0..255; None where T is too few to verify by."""
    if views.shape[1] < LEAST_FRAMES:
        return None
    step = 1
    while -(-views.shape[1] // step) > MAX_FRAMES and step < _MAX_STEP:
        step *= 2
    return Sketch(np.rint(views[:, ::step][:, :MAX_FRAMES]).clip(0, 255).astype(np.uint8), step)


def encode(sketch: Sketch) -> bytes:
    """The step, and the number of views with a flag for ``either_way``, in a byte each, then the views."""
    return bytes([sketch.step, len(sketch.views) | _EITHER_WAY * sketch.either_way]) + sketch.views.tobytes()


def decode(data: bytes) -> Sketch:
    """What ``encode`` made; ValueError for anything else."""
    flags = data[1] if len(data) > _HEAD_BYTES else 0
    num_views = flags & ~_EITHER_WAY
    frames = np.frombuffer(data, dtype=np.uint8, offset=min(_HEAD_BYTES, len(data)))
    if not num_views or len(frames) % (num_views * SIDE_PX**2):
        raise ValueError(f"holds {len(data)} bytes that are no sketch")
    return Sketch(frames.reshape(num_views, -1, SIDE_PX, SIDE_PX), data[0], bool(flags & _EITHER_WAY))


def faulty_sketch(rows: Iterable[bytes | None]) -> tuple[int, str] | None:
    """The first row that is neither None nor a sketch, and what is wrong with it; None if all are sound."""
    for row, data in enumerate(rows):
        try:
            _ = None if data is None else decode(data)
        except ValueError as error:
            return row, str(error)
    return None
