"""The arrays of a pass by name: one track for each read, and one for the pictures of each height."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from fractions import Fraction
from typing import cast

import numpy as np

from clipmill.media.types import THUMBNAIL_HW, Samples, ScanArrays
from clipmill.stages.reads import Frames, Measure, Motion, Sample

Track = Sample | int
"""A read, or the height in pixels of pictures that reads share."""

RowType = tuple[str, tuple[int, ...]]
"""Type and shape of a row of an array; a 0 is known with the first row."""

PER_FRAME: Mapping[str, RowType] = {
    "pts": ("int64", ()),
    "times_s": ("float64", ()),
    "is_key": ("bool", ()),
    "thumbnails": ("uint8", (*THUMBNAIL_HW, 3)),
    "levels": ("float32", ()),
}
FRAME_NUMBER: RowType = ("int64", ())
_KINDS: Mapping[str, Callable[..., Sample]] = {kind.__name__: kind for kind in (Frames, Motion, Measure)}


def tracks_of(samples: Iterable[Sample]) -> tuple[Track, ...]:
    """Returns the tracks of a plan: each distinct read, then each distinct height of its frames."""
    reads = tuple(dict.fromkeys(samples))
    heights = sorted({read.height_px for read in reads if isinstance(read, Frames)})
    return (*reads, *heights)


def value_types(track: Track) -> tuple[RowType, ...]:
    """Returns the types of the arrays in ``Samples.values``."""
    match track:
        case int():
            return (("uint8", (0, 0, 3)),)
        case Frames():
            return ()
        case Motion():
            blocks: RowType = ("float32", (0, 0))
            return (blocks, ("float32", (2,))) if track.separate_camera else (blocks,)
        case Measure():
            return (("float32", track.shape),)


def array_types(tracks: Iterable[Track]) -> dict[str, RowType]:
    """Returns name -> type of every array of a pass with these tracks."""
    types = dict(PER_FRAME)
    for index, track in enumerate(tracks):
        names = array_names(index, track)
        types |= dict(zip(names, (FRAME_NUMBER, *value_types(track)), strict=True))
    return types


def array_names(index: int, track: Track) -> tuple[str, ...]:
    """Returns the names of a track's arrays, its frame numbers first; ``index`` is its place in the plan."""
    return (f"{index}-frames", *(f"{index}-{place}" for place, _ in enumerate(value_types(track))))


def with_arrays(tracks: Iterable[Track], arrays: Mapping[str, np.ndarray]) -> ScanArrays:
    """Returns the arrays, by name, of a pass with these tracks."""
    pts, times_s, is_key, thumbnails, levels = (arrays[name] for name in PER_FRAME)
    taken: dict[Track, Samples] = {}
    for index, track in enumerate(tracks):
        frames, *values = (arrays[name] for name in array_names(index, track))
        taken[track] = Samples(frames, tuple(values))
    return with_tracks(ScanArrays(pts, times_s, is_key, thumbnails, levels=levels), taken)


def named_arrays(arrays: ScanArrays) -> dict[str, np.ndarray]:
    """Returns name -> array, the inverse of ``with_arrays``."""
    named = {name: cast(np.ndarray, getattr(arrays, name)) for name in PER_FRAME}
    for index, (track, taken) in enumerate(tracks_in(arrays).items()):
        named |= dict(zip(array_names(index, track), (taken.frames, *taken.values), strict=True))
    return named


def tracks_in(arrays: ScanArrays) -> dict[Track, Samples]:
    """Returns the tracks of a pass with what was taken on them."""
    return {**arrays.samples, **arrays.pictures}


def with_tracks(arrays: ScanArrays, taken: Mapping[Track, Samples]) -> ScanArrays:
    """Returns the arrays with other tracks."""
    samples = {track: each for track, each in taken.items() if not isinstance(track, int)}
    pictures = {track: each for track, each in taken.items() if isinstance(track, int)}
    return replace(arrays, samples=samples, pictures=pictures)


def rows_of(taken: Samples, rows: slice, *, shift: int = 0) -> Samples:
    """Returns some rows of a track, their frame numbers raised by ``shift``."""
    frames = taken.frames[rows]
    return Samples(frames + shift if shift else frames, tuple(value[rows] for value in taken.values))


def track_to_json(track: Track) -> object:
    """Returns a track as values that JSON holds."""
    if isinstance(track, int):
        return track
    return {"kind": type(track).__name__, **asdict(track), "fps": str(track.fps)}


def track_from_json(value: object) -> Track:
    """Returns the track that ``track_to_json`` wrote."""
    if isinstance(value, int):
        return value
    fields = dict(cast("dict[str, object]", value))
    kind = _KINDS[str(fields.pop("kind"))]
    if "shape" in fields:
        fields["shape"] = tuple(cast("list[int]", fields["shape"]))
    return kind(**{**fields, "fps": Fraction(str(fields["fps"]))})
