"""The arrays of a video that come in pieces, kept for as long as a clip may need them."""

from collections import deque
from tempfile import TemporaryFile

import numpy as np

from clipmill.media.scan.tracks import Track, tracks_in, with_tracks
from clipmill.media.types import Samples, ScanArrays


class TimesFile:
    """An array ``(N,)`` that grows. Of what is looked at the system keeps in memory what it has room for.

    ``values`` is mapped read-only and goes on to be right after an ``append``, which replaces it by a longer
    one. The file has no name: it goes with the last who holds one of them.
    """

    def __init__(self, dtype: type[np.generic]) -> None:
        self._file = TemporaryFile(prefix="clipmill-times-")  # noqa: SIM115 - open for as long as this is
        self._dtype = dtype
        self.values = np.empty(0, dtype)

    def append(self, values: np.ndarray) -> None:
        """The next ones."""
        if not len(values):
            return
        self._file.write(np.asarray(values, self._dtype).tobytes())
        self._file.flush()
        self.values = np.asarray(np.memmap(self._file, self._dtype, "r"))


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


class _Track:
    """What was taken on one track, by the number of its rows in the whole of it."""

    def __init__(self, taken: Samples) -> None:
        self._frames = _Rows()
        self._values = [_Rows() for _ in taken.values]

    def append(self, taken: Samples) -> None:
        self._frames.append(taken.frames)
        for rows, value in zip(self._values, taken.values, strict=True):
            rows.append(value)

    def first_without_value(self) -> int | None:
        """The first frame of which a value is still to come."""
        num_rows = min((rows.num_rows for rows in self._values), default=self._frames.num_rows)
        if num_rows == self._frames.num_rows:
            return None
        return int(self._frames.between(num_rows, num_rows + 1)[0])

    def drop_before(self, frame: int) -> None:
        row = self._frames.first_at_least(frame)
        for rows in (self._frames, *self._values):
            rows.drop_before(row)

    def part(self, start_frame: int, end_frame: int) -> Samples:
        rows = [self._frames.first_at_least(frame) for frame in (start_frame, end_frame)]
        return Samples(self._frames.between(*rows), tuple(each.between(*rows) for each in self._values))


class FrameBuffer:
    """Takes the pieces of one pass in order. ``pts`` and ``times_s`` stay whole, on disk."""

    def __init__(self) -> None:
        self._is_key, self._thumbnails = _Rows(), _Rows()
        self._tracks: dict[Track, _Track] = {}
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
        return self._is_key.num_rows

    @property
    def num_complete(self) -> int:
        """Frames of which everything is there, up to the next piece; the last frame's end is still open."""
        waiting = (track.first_without_value() for track in self._tracks.values())
        complete = [self.num_frames - 1, *(frame for frame in waiting if frame is not None)]
        return max(0, min(complete))

    def append(self, piece: ScanArrays) -> None:
        """The next piece."""
        self._is_key.append(piece.is_key)
        self._thumbnails.append(piece.thumbnails)
        for track, taken in tracks_in(piece).items():
            self._tracks.setdefault(track, _Track(taken)).append(taken)
        self._pts.append(piece.pts)
        self._times_s.append(piece.times_s)

    def drop_before(self, frame: int) -> None:
        """Frames before ``frame`` are not asked for again."""
        for each in (self._is_key, self._thumbnails, *self._tracks.values()):
            each.drop_before(frame)

    def part(self, start_frame: int, end_frame: int) -> ScanArrays:
        """The arrays of frames ``[start_frame, end_frame)``, none of them dropped; views where possible."""
        arrays = ScanArrays(
            self.pts[start_frame : end_frame + 1],
            self.times_s[start_frame : end_frame + 1],
            self._is_key.between(start_frame, end_frame),
            self._thumbnails.between(start_frame, end_frame),
            first_frame=start_frame,
        )
        parts = {track: taken.part(start_frame, end_frame) for track, taken in self._tracks.items()}
        return with_tracks(arrays, parts)
