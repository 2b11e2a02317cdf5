"""A clip as a few small pictures, by which a copy that is suspected is looked at again."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

SIDE_PX = 24
MAX_FRAMES = 32
"""Frames of a clip that is looked at whole: of a longer one every second, or fourth, and so on."""

LEAST_FRAMES = 3
"""Frames at the same instants by which two shots differ."""

SOURCE_BYTES = 8
"""Of a sketch, that name its video."""

Pictures = npt.NDArray[np.float32]

_MAX_STEP = 128
_HEAD_BYTES = 2
_EITHER_WAY, _HAS_DETAIL, _HAS_EDGES, _HAS_ZONES, _HAS_SOURCE = 0x80, 0x40, 0x20, 0x10, 0x08
_FLAGS = _EITHER_WAY | _HAS_DETAIL | _HAS_EDGES | _HAS_ZONES | _HAS_SOURCE
_NUM_BANDS, _NUM_ZONES = 32, 48
_NUM_SIZES = 5
_SHARE = 1000  # blockiness is kept in thousandths
_EDGES = 2  # edges in half levels
_LEVELS, _LOWEST = 16, -7  # levels of a band for each factor of e, and the logarithm of the first one


@dataclass(frozen=True)
class Detail:
    """How sharp the frames of a sketch are at the source's size, as ``clipmill.scores.detail`` measures it.

    ``picture_px`` is (width, height) between the bars, ``frame_px`` with them. ``blockiness`` is 1 without
    blocks. ``levels`` is uint8 ``(T, 32)``: of each band the logarithm of its variance, 0 where the pixels
    cannot show it; ``zones`` the same of the mean of each zone over time, ``(48,)``, or none ``(0,)``.
    """

    picture_px: tuple[int, int]
    frame_px: tuple[int, int]
    blockiness: float
    levels: npt.NDArray[np.uint8]
    zones: npt.NDArray[np.uint8]

    @property
    def num_bands(self) -> int:
        """Bands that the pixels of some frame can show."""
        return int((self.levels > 0).any(axis=0).sum())

    def variances(self) -> npt.NDArray[np.float32]:
        """Squared levels ``(T, 32)`` in each band."""
        return _variances(self.levels)

    def zone_variances(self) -> npt.NDArray[np.float32]:
        """Squared levels ``(48,)`` in each zone."""
        return _variances(self.zones)


@dataclass(frozen=True)
class Sketch:
    """Luma of a clip over time, uint8 ``(V, T, 24, 24)``; every ``step``-th of the sampled frames.

    The first view has its bars off. Where there were any, a second one has them on: what is dark along an
    edge may be part of the picture, and a logo on it makes it one. ``either_way`` asks for its mirror image
    to be a copy as well. ``detail`` tells copies apart, and so do ``edges``, uint8 ``(24, 24)``: how much of
    the edges of the last view stands still, in half levels. Sketches of before they were measured have none.
    ``source`` are eight bytes that clips of one video share, empty where that is not known.
    """

    views: npt.NDArray[np.uint8]
    step: int
    either_way: bool = False
    detail: Detail | None = None
    edges: npt.NDArray[np.uint8] | None = None
    source: bytes = b""

    def __post_init__(self) -> None:
        shape = self.views.shape
        is_sketch = len(shape) == 4 and shape[0] in (1, 2) and shape[2:] == (SIDE_PX, SIDE_PX)
        if not is_sketch or shape[1] < LEAST_FRAMES:
            raise ValueError(f"a sketch must be (1 or 2, 3 or more, {SIDE_PX}, {SIDE_PX}), got {shape}")
        if not (0 < self.step < 256 and self.step & (self.step - 1) == 0):
            raise ValueError(f"the step of a sketch must be a power of two below 256, got {self.step}")
        if self.detail is not None and len(self.detail.levels) != shape[1]:
            raise ValueError(f"{len(self.detail.levels)} frames have detail, {shape[1]} have pictures")

    def thinned(self, step: int) -> npt.NDArray[np.uint8]:
        """The views at a ``step`` that is at least its own, also a power of two."""
        return self.views[:, :: step // self.step]


def sketch_of(views: Pictures, edges: Pictures | None = None) -> Sketch | None:
    """The sketch of sampled pictures ``(V, T, 24, 24)``, 0..255; None where T is too few to verify by.

    ``edges`` is ``(24, 24)``, in levels.
    """
    if views.shape[1] < LEAST_FRAMES:
        return None
    step = step_for(views.shape[1])
    still = None if edges is None else _rounded(edges * _EDGES)
    return Sketch(_rounded(views[:, ::step][:, :MAX_FRAMES]), step, edges=still)


def step_for(num_frames: int) -> int:
    """Every how manieth of sampled frames a sketch holds."""
    step = 1
    while -(-num_frames // step) > MAX_FRAMES and step < _MAX_STEP:
        step *= 2
    return step


def _rounded(values: Pictures) -> npt.NDArray[np.uint8]:
    return np.rint(values).clip(0, 255).astype(np.uint8)


def with_detail(data: bytes, measures: npt.NDArray[np.float32], *, num_frames: int) -> bytes:
    """Returns the encoded sketch of ``num_frames`` sampled frames with their detail.

    ``measures`` is ``(M, 85)``, of the instants from which frames were thinned out evenly. The sketch stays
    as it is where they are not of these frames.
    """
    sketch = decode(data)
    thinning = -(-len(measures) // max(num_frames, 1))
    rows = measures[:: max(thinning, 1)]
    if len(rows) != num_frames:
        return data
    own = rows[:: sketch.step][: sketch.views.shape[1]].astype(np.float64)
    width, height, full_width, full_height, _ = (int(number) for number in own[:, :_NUM_SIZES].max(axis=0))
    bands, zones = np.split(own[:, _NUM_SIZES:], [_NUM_BANDS], axis=1)
    blocks = float(own[:, _NUM_SIZES - 1].mean())
    detail = Detail(
        (width, height), (full_width, full_height), blocks, _levels(bands), _levels(zones.mean(axis=0))
    )
    return encode(replace(sketch, detail=detail))


def source_of(video_id: str) -> bytes:
    """Returns the eight bytes that the sketches of a video's clips share."""
    return hashlib.blake2b(video_id.encode(), digest_size=SOURCE_BYTES).digest()


def with_source(data: bytes, source: bytes) -> bytes:
    """Returns an encoded sketch, which has no source yet, with one."""
    return data[:1] + bytes([data[1] | _HAS_SOURCE]) + data[_HEAD_BYTES:] + source


def _levels(variances: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    levels = np.rint((np.log(np.maximum(variances, 1e-9)) - _LOWEST) * _LEVELS) + 1
    return np.where(variances < 0, 0, levels.clip(1, 255)).astype(np.uint8)


def _variances(levels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return np.exp((levels.astype(np.float32) - 1) / _LEVELS + _LOWEST)


def encode(sketch: Sketch) -> bytes:
    """The step, and the number of views with flags, in a byte each; the views; edges and detail where known.

    Detail is four sizes and the blockiness in thousandths, two bytes each, then the zones and the levels. The
    source is last.
    """
    detail, edges = sketch.detail, b"" if sketch.edges is None else sketch.edges.tobytes()
    flags = len(sketch.views) | _EITHER_WAY * sketch.either_way | _HAS_EDGES * bool(edges)
    flags |= _HAS_SOURCE * bool(sketch.source)
    if detail is not None:
        flags |= _HAS_DETAIL | _HAS_ZONES * bool(len(detail.zones))
    pictures = sketch.views.tobytes() + edges + _encoded_detail(detail)
    return bytes([sketch.step, flags]) + pictures + sketch.source


def _encoded_detail(detail: Detail | None) -> bytes:
    if detail is None:
        return b""
    sizes = np.array([*detail.picture_px, *detail.frame_px, round(detail.blockiness * _SHARE)])
    sizes = sizes.clip(0, (1 << 16) - 1).astype("<u2")
    return sizes.tobytes() + detail.zones.tobytes() + detail.levels.tobytes()


@lru_cache(maxsize=1024)
def decode(data: bytes) -> Sketch:
    """What ``encode`` made; ValueError for anything else."""
    flags = data[1] if len(data) > _HEAD_BYTES + SOURCE_BYTES else 0
    end = len(data) - SOURCE_BYTES * bool(flags & _HAS_SOURCE)
    data, source = data[:end], data[end:]
    has_detail, edges_bytes = bool(flags & _HAS_DETAIL), SIDE_PX**2 * bool(flags & _HAS_EDGES)
    num_views, num_zones = flags & ~_FLAGS, _NUM_ZONES * bool(flags & _HAS_ZONES)
    once_bytes = _HEAD_BYTES + edges_bytes + (2 * _NUM_SIZES + num_zones) * has_detail
    frame_bytes = num_views * SIDE_PX**2 + _NUM_BANDS * has_detail
    num_frames, rest = divmod(len(data) - once_bytes, max(frame_bytes, 1))
    if not num_views or rest or num_frames < 1:
        raise ValueError(f"holds {len(data)} bytes that are no sketch")
    end = _HEAD_BYTES + num_frames * num_views * SIDE_PX**2
    views = np.frombuffer(data[:end], np.uint8, offset=_HEAD_BYTES).reshape(num_views, -1, SIDE_PX, SIDE_PX)
    edges = np.frombuffer(data, np.uint8, edges_bytes, end).reshape(SIDE_PX, -1) if edges_bytes else None
    detail = _decoded_detail(data[end + edges_bytes :], num_zones) if has_detail else None
    return Sketch(views, data[0], bool(flags & _EITHER_WAY), detail, edges, source)


def _decoded_detail(data: bytes, num_zones: int) -> Detail:
    width, height, full_width, full_height, blocks = np.frombuffer(data, "<u2", _NUM_SIZES).tolist()
    zones, levels = np.split(np.frombuffer(data, np.uint8, offset=2 * _NUM_SIZES), [num_zones])
    levels = levels.reshape(-1, _NUM_BANDS)
    return Detail((width, height), (full_width, full_height), blocks / _SHARE, levels, zones)


def faulty_sketch(rows: Iterable[bytes | None]) -> tuple[int, str] | None:
    """The first row that is neither None nor a sketch, and what is wrong with it; None if all are sound."""
    for row, data in enumerate(rows):
        try:
            _ = None if data is None else decode(data)
        except ValueError as error:
            return row, str(error)
    return None
