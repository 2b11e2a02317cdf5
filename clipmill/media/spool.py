"""Per-frame arrays of one pass as growing raw files, so that memory does not grow with the video's length."""

import json
import mmap
import shutil
from collections.abc import Callable
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

import numpy as np

from clipmill.media.contracts import THUMBNAIL_HW, ScanArrays
from clipmill.scores.quality import FRAME_MEASURES

_INDEX = "arrays.json"  # written last: a spool without it is not whole
_BUFFER_BYTES = 1 << 16
_COLUMNS: dict[str, tuple[str, tuple[int, ...]]] = {
    "pts": ("int64", ()),
    "times_s": ("float64", ()),
    "is_key": ("bool", ()),
    "thumbnails": ("uint8", (*THUMBNAIL_HW, 3)),
    "motion_frames": ("int64", ()),
    "motion_blocks": ("float32", (0, 0)),
    "motion_parts": ("float32", (2,)),
    "quality_frames": ("int64", ()),
    "quality_measures": ("float32", (len(FRAME_MEASURES),)),
    "sampled_frames": ("int64", ()),
    "frames": ("uint8", (0, 0, 3)),
}
"""Type and shape of a row of each array of ScanArrays, in their order; a 0 is known with the first row."""


@dataclass(frozen=True)
class Piece:
    """What a pass wrote since the piece before; ``repaired_times`` (see ScanFacts) is of the pass so far."""

    arrays: ScanArrays
    repaired_times: str


class Column:
    """One array on its way to disk, row by row; rows of one shape."""

    def __init__(self, path: Path, dtype: str, row_shape: tuple[int, ...]) -> None:
        self._file: BinaryIO = path.open("wb", buffering=_BUFFER_BYTES)
        self._dtype = np.dtype(dtype)
        self._row_shape = row_shape
        self._num_earlier = 0
        self.num_rows = 0

    def append(self, row: np.ndarray | int | float) -> None:
        """Add one row; ValueError when its shape is not that of the rows before."""
        row = np.asarray(row, self._dtype)
        if row.shape != self._row_shape:
            if self.num_rows > 0 or len(row.shape) != len(self._row_shape):
                raise ValueError(f"a row of shape {row.shape} among rows of shape {self._row_shape}")
            self._row_shape = row.shape
        self._file.write(row.tobytes())
        self.num_rows += 1

    def turn(self, path: Path) -> tuple[int, ...]:
        """Go on in another file; the shape of the array in the one before."""
        shape = self.close()
        self._file = path.open("wb", buffering=_BUFFER_BYTES)
        self._num_earlier = self.num_rows
        return shape

    def close(self) -> tuple[int, ...]:
        """Finish the file; the shape of the array in it."""
        self._file.close()
        return (self.num_rows - self._num_earlier, *self._row_shape)


class Spool:
    """Writes the arrays of one pass into a directory of its own, made if missing.

    With ``piece_frames`` a new piece begins after so many frames, in a folder of its own: whoever reads has
    them as soon as they are whole (``load_piece``). Columns are cut where they are then: what is measured of
    a frame may come a few frames after it. ``repairs`` says which times had to be made up so far.
    """

    def __init__(
        self, directory: str, *, piece_frames: int | None = None, repairs: Callable[[], str] = str
    ) -> None:
        self._directory = Path(directory)
        self._directory.mkdir(parents=True, exist_ok=True)
        self._piece_frames = piece_frames
        self._repairs = repairs
        self._num_frames = 0
        self._num_pieces = 0
        self._columns: dict[str, Column] = {}

    def __enter__(self) -> Self:
        (self._directory / _INDEX).unlink(missing_ok=True)
        self._num_frames = self._num_pieces = 0
        folder = self._begin()
        for name, (dtype, row_shape) in _COLUMNS.items():
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

    def next_frame(self) -> None:
        """All that is known of a frame at once was written."""
        self._num_frames += 1
        if self._piece_frames and self._num_frames % self._piece_frames == 0:
            ended = self._num_pieces
            self._num_pieces += 1
            folder = self._begin()
            self._end(ended, {name: column.turn(folder / name) for name, column in self._columns.items()})

    def _begin(self) -> Path:
        """The folder of the next piece, under a name that nobody reads."""
        if self._piece_frames is None:
            return self._directory
        folder = self._directory / f"{self._num_pieces}.part"
        folder.mkdir(exist_ok=True)
        return folder

    def _end(self, piece: int, shapes: dict[str, tuple[int, ...]]) -> None:
        """Show a piece that is whole; one that a pass before this one had shown stays, it is the same."""
        whole = _folder(self._directory, piece)
        begun = self._directory if self._piece_frames is None else self._directory / f"{piece}.part"
        (begun / _INDEX).write_text(json.dumps({"shapes": shapes, "repaired_times": self._repairs()}))
        if self._piece_frames is None:
            return
        if whole.exists():
            shutil.rmtree(begun)
        else:
            begun.rename(whole)


def load_arrays(spool_dir: str) -> ScanArrays:
    """The arrays that ``scan`` left in ``spool_dir`` as one piece, memory-mapped read-only."""
    return _load_folder(Path(spool_dir)).arrays


def load_piece(spool_dir: str, piece: int) -> Piece | None:
    """The arrays of one piece, memory-mapped read-only; None while it is not whole."""
    folder = _folder(Path(spool_dir), piece)
    return _load_folder(folder) if folder.exists() else None


def drop_piece(spool_dir: str, piece: int) -> None:
    """Give back the disk of a piece."""
    folder = _folder(Path(spool_dir), piece)
    for name in _COLUMNS:
        (folder / name).unlink(missing_ok=True)


def let_go(arrays: ScanArrays) -> None:
    """Have what was looked at taken out of memory; whoever looks again has it read from the file again."""
    for field in fields(arrays):
        base: object = getattr(arrays, field.name)
        while isinstance(base, np.ndarray):
            base = cast("object", base.base)
        if isinstance(base, mmap.mmap):
            base.madvise(mmap.MADV_DONTNEED)


def _folder(directory: Path, piece: int) -> Path:
    return directory / str(piece)


def _load_folder(directory: Path) -> Piece:
    index = json.loads((directory / _INDEX).read_text())
    shapes: dict[str, list[int]] = index["shapes"]
    arrays = ScanArrays(*(_load(directory / name, tuple(shapes[name])) for name in _COLUMNS))
    return Piece(arrays, index["repaired_times"])


def time_s(pts: int, first_pts: int, time_base: Fraction) -> float:
    """Seconds from the first frame shown, from one exact division."""
    return (pts - first_pts) * time_base.numerator / time_base.denominator


def _load(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    dtype = np.dtype(_COLUMNS[path.name][0])
    if 0 in shape:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype=dtype, mode="r", shape=shape)
