"""Per-frame arrays of one pass as growing raw files, so that memory does not grow with the video's length."""

import json
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np

from clipmill.media.contracts import THUMBNAIL_HW, ScanArrays
from clipmill.scores.quality import FRAME_MEASURES

_INDEX = "arrays.json"  # written last: a spool without it is not whole
_BUFFER_BYTES = 1 << 20
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
"""Type and shape of a row of each field of ScanArrays; a 0 is known with the first row."""


class Column:
    """One array on its way to disk, row by row; rows of one shape."""

    def __init__(self, path: Path, dtype: str, row_shape: tuple[int, ...]) -> None:
        self._file: BinaryIO = path.open("wb", buffering=_BUFFER_BYTES)
        self._dtype = np.dtype(dtype)
        self._row_shape = row_shape
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

    def close(self) -> tuple[int, ...]:
        """Finish the file; the shape of the whole array."""
        self._file.close()
        return (self.num_rows, *self._row_shape)


class Spool:
    """Writes the arrays of one pass into a directory of its own, made if missing."""

    def __init__(self, directory: str) -> None:
        self._directory = Path(directory)
        self._directory.mkdir(parents=True, exist_ok=True)
        self._columns: dict[str, Column] = {}

    def __enter__(self) -> Self:
        (self._directory / _INDEX).unlink(missing_ok=True)
        for name, (dtype, row_shape) in _COLUMNS.items():
            self._columns[name] = Column(self._directory / name, dtype, row_shape)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shapes = {name: column.close() for name, column in self._columns.items()}
        if kind is None:
            (self._directory / _INDEX).write_text(json.dumps(shapes))

    def __getitem__(self, name: str) -> Column:
        return self._columns[name]


def load_arrays(spool_dir: str) -> ScanArrays:
    """The arrays that ``scan`` left in ``spool_dir``, memory-mapped read-only."""
    directory = Path(spool_dir)
    shapes: dict[str, list[int]] = json.loads((directory / _INDEX).read_text())
    names = [field.name for field in fields(ScanArrays)]
    return ScanArrays(**{name: _load(directory / name, tuple(shapes[name])) for name in names})


def time_s(pts: int, first_pts: int, time_base: Fraction) -> float:
    """Seconds from the first frame shown, from one exact division."""
    return (pts - first_pts) * time_base.numerator / time_base.denominator


def _load(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    dtype = np.dtype(_COLUMNS[path.name][0])
    if 0 in shape:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype=dtype, mode="r", shape=shape)
