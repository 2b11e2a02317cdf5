"""Per-frame arrays of one pass as growing raw files, so that memory does not grow with the video's length."""

import json
import mmap
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

import numpy as np

from clipmill.media.scan.tracks import (
    Track,
    array_names,
    array_types,
    named_arrays,
    track_from_json,
    track_to_json,
    tracks_of,
    with_arrays,
)
from clipmill.media.types import ScanArrays
from clipmill.stages.reads import Measure, Sample

_INDEX = "arrays.json"  # written last: a spool without it is not whole
_BUFFER_BYTES = 1 << 16
_NUMBER = (int, float)  # made once: int | float would be made for every row
NUMBERS_AT_A_TIME = 256
"""Rows that are single numbers are written together: an array for each costs as much as its row."""


@dataclass(frozen=True)
class ScanSegment:
    """What a pass wrote since the piece before. The rest is of the pass so far, as in ScanFacts."""

    arrays: ScanArrays
    repaired_times: str
    failed_measures: Mapping[Measure, str] = field(default_factory=dict[Measure, str])


class Column:
    """One array on its way to disk, row by row; rows of one shape."""

    def __init__(self, path: Path, dtype: str, row_shape: tuple[int, ...]) -> None:
        self._file: BinaryIO = path.open("wb", buffering=_BUFFER_BYTES)
        self._dtype = np.dtype(dtype)
        self._row_shape = row_shape
        self._numbers: list[float] = []
        self._num_earlier = 0
        self.num_rows = 0

    def append(self, row: np.ndarray | int | float) -> None:
        """Add one row; ValueError when its shape is not that of the rows before."""
        if not self._row_shape and isinstance(row, _NUMBER):
            self._numbers.append(row)
            self.num_rows += 1
            if len(self._numbers) == NUMBERS_AT_A_TIME:
                self._write_numbers()
            return
        row = np.asarray(row, self._dtype)
        if row.shape != self._row_shape:
            if self.num_rows > 0 or len(row.shape) != len(self._row_shape):
                raise ValueError(f"a row of shape {row.shape} among rows of shape {self._row_shape}")
            self._row_shape = row.shape
        self._file.write(np.ascontiguousarray(row).data)
        self.num_rows += 1

    def _write_numbers(self) -> None:
        self._file.write(np.array(self._numbers, self._dtype).tobytes())
        self._numbers.clear()

    def turn(self, path: Path) -> tuple[int, ...]:
        """Go on in another file; the shape of the array in the one before."""
        shape = self.close()
        self._file = path.open("wb", buffering=_BUFFER_BYTES)
        self._num_earlier = self.num_rows
        return shape

    def close(self) -> tuple[int, ...]:
        """Finish the file; the shape of the array in it."""
        self._write_numbers()
        self._file.close()
        return (self.num_rows - self._num_earlier, *self._row_shape)


@dataclass(frozen=True)
class Columns:
    """The arrays of one track on their way to disk: see ``Samples``."""

    frames: Column
    values: tuple[Column, ...]


class Spool:
    """Writes the arrays of one pass into a directory of its own, made if missing.

    ``samples`` are the reads of the plan; each has a track, and so has each height of frames.

    With ``piece_frames`` a new piece begins after so many frames, in a folder of its own: a reader has
    them as soon as they are whole (``load_piece``). Columns are cut where they are then: what is measured of
    a frame may come a few frames after it. ``repairs`` says which times had to be made up so far.
    """

    def __init__(
        self,
        directory: str,
        samples: Iterable[Sample] = (),
        *,
        piece_frames: int | None = None,
        repairs: Callable[[], str] = str,
    ) -> None:
        self._tracks = tracks_of(samples)
        self._directory = Path(directory)
        self._directory.mkdir(parents=True, exist_ok=True)
        self._piece_frames = piece_frames
        self._repairs = repairs
        self._num_frames = 0
        self._num_pieces = 0
        self._columns: dict[str, Column] = {}
        self.failed_measures: dict[Measure, str] = {}

    def __enter__(self) -> Self:
        (self._directory / _INDEX).unlink(missing_ok=True)
        self._num_frames = self._num_pieces = 0
        folder = self._begin()
        for name, (dtype, row_shape) in array_types(self._tracks).items():
            self._columns[name] = Column(folder / name, dtype, row_shape)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shapes = {name: column.close() for name, column in self._columns.items()}
        if kind is None:
            self._end(self._num_pieces, shapes)

    def __getitem__(self, name: str) -> Column:
        return self._columns[name]

    def track(self, track: Track) -> Columns:
        """Returns the columns of a track of the plan."""
        frames, *values = (self[name] for name in array_names(self._tracks.index(track), track))
        return Columns(frames, tuple(values))

    def report_failure(self, read: Measure, message: str) -> None:
        """Notes the first error of a Measure."""
        self.failed_measures.setdefault(read, message)

    def next_frame(self) -> None:
        """All that is known of a frame at once was written."""
        self._num_frames += 1
        if self._piece_frames and self._num_frames % self._piece_frames == 0:
            ended = self._num_pieces
            self._num_pieces += 1
            folder = self._begin()
            self._end(ended, {name: column.turn(folder / name) for name, column in self._columns.items()})

    def _begin(self) -> Path:
        """The folder of the next piece, under a name that is never read."""
        if self._piece_frames is None:
            return self._directory
        folder = self._directory / f"{self._num_pieces}.part"
        folder.mkdir(exist_ok=True)
        return folder

    def _end(self, piece: int, shapes: dict[str, tuple[int, ...]]) -> None:
        """Show a piece that is whole; one that a pass before this one had shown stays, it is the same."""
        whole = _folder(self._directory, piece)
        begun = self._directory if self._piece_frames is None else self._directory / f"{piece}.part"
        (begun / _INDEX).write_text(json.dumps(self._index(shapes)))
        if self._piece_frames is None:
            return
        if whole.exists():
            shutil.rmtree(begun)
        else:
            begun.rename(whole)

    def _index(self, shapes: dict[str, tuple[int, ...]]) -> dict[str, object]:
        return {
            "tracks": [track_to_json(track) for track in self._tracks],
            "shapes": shapes,
            "repaired_times": self._repairs(),
            "failed_measures": [
                [self._tracks.index(read), message] for read, message in self.failed_measures.items()
            ],
        }


def load_arrays(spool_dir: str) -> ScanArrays:
    """The arrays that ``scan`` left in ``spool_dir`` as one piece, memory-mapped read-only."""
    return _load_folder(Path(spool_dir)).arrays


def load_piece(spool_dir: str, piece: int) -> ScanSegment | None:
    """The arrays of one piece, memory-mapped read-only; None while it is not whole."""
    folder = _folder(Path(spool_dir), piece)
    return _load_folder(folder) if folder.exists() else None


def drop_piece(spool_dir: str, piece: int) -> None:
    """Give back the disk of a piece."""
    folder = _folder(Path(spool_dir), piece)
    for path in folder.iterdir():
        if path.name != _INDEX:
            path.unlink()


def release_pages(arrays: ScanArrays) -> None:
    """Have what was looked at taken out of memory; a later look reads it from the file again."""
    for array in named_arrays(arrays).values():
        base: object = array
        while isinstance(base, np.ndarray):
            base = cast("object", base.base)
        if isinstance(base, mmap.mmap):
            base.madvise(mmap.MADV_DONTNEED)


def _folder(directory: Path, piece: int) -> Path:
    return directory / str(piece)


def _load_folder(directory: Path) -> ScanSegment:
    index = json.loads((directory / _INDEX).read_text())
    shapes: dict[str, list[int]] = index["shapes"]
    tracks = [track_from_json(track) for track in index["tracks"]]
    arrays = {
        name: _load(directory / name, dtype, tuple(shapes[name]))
        for name, (dtype, _) in array_types(tracks).items()
    }
    failed = {tracks[place]: message for place, message in index["failed_measures"]}
    return ScanSegment(with_arrays(tracks, arrays), index["repaired_times"], failed)


def _load(path: Path, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    if 0 in shape:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype=dtype, mode="r", shape=shape)
