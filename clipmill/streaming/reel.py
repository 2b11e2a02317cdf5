"""The arrays of a video that come in pieces, kept for as long as a clip may need them."""

from collections import deque
from dataclasses import fields

import numpy as np

from clipmill.media.contracts import ScanArrays
from clipmill.streaming.times_file import TimesFile

_SAMPLES = {
    "motion_frames": ("motion_blocks", "motion_parts"),
    "quality_frames": ("quality_measures",),
    "sampled_frames": ("frames",),
}
"""Each array of sampled frames' numbers, and the arrays with a row for each of them."""

_PER_FRAME = ("is_key", "thumbnails")


class _Rows:
    """One array in parts, by the number of its rows in the whole of it."""

    def __init__(self) -> None:
        self._parts: deque[np.ndarray] = deque()
        self._first = 0

    @property
    def num_rows(self) -> int:
        return self._first + sum(len(part) for part in self._parts)

    def append(self, part: np.ndarray) -> None:
        if not self.num_rows:
            self._parts.clear()  # an empty part may not know its rows' shape
        if len(part) or not self._parts:
            self._parts.append(part)

    def drop_before(self, row: int) -> None:
        """Let go of whole parts."""
        while len(self._parts) > 1 and self._first + len(self._parts[0]) <= row:
            self._first += len(self._parts.popleft())

    def first_at_least(self, value: int) -> int:
        """The first row of an ascending array that is not below ``value``, and not dropped."""
        row = self._first
        for part in self._parts:
            found = int(np.searchsorted(part, value))
            row += found
            if found < len(part):
                break
        return row

    def between(self, start: int, end: int) -> np.ndarray:
        """Rows ``[start, end)`` as far as there are any; a view where they lie in one part."""
        first, found = self._first, list[np.ndarray]()
        for part in self._parts:
            rows = part[max(0, start - first) : max(0, end - first)]
            if len(rows):
                found.append(rows)
            first += len(part)
        if not found:
            return self._parts[0][:0]
        return found[0] if len(found) == 1 else np.concatenate(found)


class Reel:
    """Takes the pieces of one pass in order. ``pts`` and ``times_s`` stay whole, on disk."""

    def __init__(self) -> None:
        self._columns = {field.name: _Rows() for field in fields(ScanArrays) if not field.kw_only}
        self._pts, self._times_s = TimesFile(np.int64), TimesFile(np.float64)

    @property
    def pts(self) -> np.ndarray:
        """Int64 ``(N + 1,)`` once all frames came, else ``(N,)``; read-only."""
        return self._pts.values

    @property
    def times_s(self) -> np.ndarray:
        """Float64, likewise."""
        return self._times_s.values

    @property
    def num_frames(self) -> int:
        """Frames so far, those dropped included."""
        return self._columns["is_key"].num_rows

    @property
    def num_complete(self) -> int:
        """Frames of which everything is there, up to the next piece; the last frame's end is still open."""
        complete = self.num_frames - 1
        for numbers, values in _SAMPLES.items():
            num_rows = self._columns[values[0]].num_rows
            if num_rows < self._columns[numbers].num_rows:
                complete = min(complete, int(self._columns[numbers].between(num_rows, num_rows + 1)[0]))
        return max(0, complete)

    def append(self, piece: ScanArrays) -> None:
        """The next piece."""
        for name, column in self._columns.items():
            if name not in ("pts", "times_s"):
                column.append(getattr(piece, name))
        self._pts.append(piece.pts)
        self._times_s.append(piece.times_s)

    def drop_before(self, frame: int) -> None:
        """Nobody will ask for frames before ``frame`` again."""
        for name in _PER_FRAME:
            self._columns[name].drop_before(frame)
        for numbers, values in _SAMPLES.items():
            row = self._columns[numbers].first_at_least(frame)
            for name in (numbers, *values):
                self._columns[name].drop_before(row)

    def part(self, start_frame: int, end_frame: int) -> ScanArrays:
        """The arrays of frames ``[start_frame, end_frame)``, none of them dropped; views where possible."""
        arrays = {name: self._columns[name].between(start_frame, end_frame) for name in _PER_FRAME}
        arrays["pts"] = self.pts[start_frame : end_frame + 1]
        arrays["times_s"] = self.times_s[start_frame : end_frame + 1]
        for numbers, values in _SAMPLES.items():
            rows = [self._columns[numbers].first_at_least(frame) for frame in (start_frame, end_frame)]
            for name in (numbers, *values):
                arrays[name] = self._columns[name].between(*rows)
        return ScanArrays(
            *(arrays[name] for name in self._columns),
            first_frame=start_frame,
            first_sample=self._columns["sampled_frames"].first_at_least(start_frame),
        )
