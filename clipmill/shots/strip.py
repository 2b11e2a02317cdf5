"""A stream of thumbnails: cut into blocks, and kept for as long as a stage may look back."""

from collections import deque
from collections.abc import Iterator

import numpy as np

BLOCK_FRAMES = 32
"""Frames are looked at so many at a time, counted from the first, so that pieces of a stream do not show."""

_NONE = np.empty((0, 27, 48, 3), np.uint8)


class Blocks:
    """Turns pieces of any length into blocks of ``BLOCK_FRAMES``."""

    def __init__(self) -> None:
        self._held = _NONE

    def feed(self, thumbnails: np.ndarray) -> Iterator[np.ndarray]:
        """Every block that the next frames complete; none may be left unread."""
        start = BLOCK_FRAMES - len(self._held) if len(self._held) else 0
        if start > len(thumbnails):
            self._held = np.concatenate([self._held, thumbnails])
            return
        if start:
            yield np.concatenate([self._held, thumbnails[:start]])
        end = start + (len(thumbnails) - start) // BLOCK_FRAMES * BLOCK_FRAMES
        for first in range(start, end, BLOCK_FRAMES):
            yield np.asarray(thumbnails[first : first + BLOCK_FRAMES])
        self._held = np.array(thumbnails[end:])

    def rest(self) -> np.ndarray:
        """The frames behind the last block, fewer than ``BLOCK_FRAMES``."""
        rest, self._held = self._held, _NONE
        return rest


class Strip:
    """The latest thumbnails, or what is known of each, by their number in the whole stream.

    ``none`` is such an array without frames.
    """

    def __init__(self, none: np.ndarray = _NONE) -> None:
        self._none = none
        self._pieces: deque[np.ndarray] = deque()
        self._first = 0
        self.num_frames = 0

    @property
    def num_held_frames(self) -> int:
        """Frames not dropped."""
        return self.num_frames - self._first

    def append(self, thumbnails: np.ndarray) -> None:
        """The next frames."""
        self._pieces.append(np.array(thumbnails))
        self.num_frames += len(thumbnails)

    def drop_before(self, frame: int) -> None:
        """Frames before ``frame`` are not looked at again."""
        while self._pieces and self._first < frame:
            piece = self._pieces.popleft()
            kept = piece[frame - self._first :]
            self._first += len(piece) - len(kept)
            if len(kept):
                self._pieces.appendleft(kept)

    def between(self, start: int, end: int) -> np.ndarray:
        """Frames ``[start, end)``; IndexError for such as were dropped or are still to come."""
        if start < self._first or end > self.num_frames:
            raise IndexError(f"[{start}, {end}) is not in [{self._first}, {self.num_frames})")
        parts = [self._none]
        first = self._first
        for piece in self._pieces:
            parts.append(piece[max(0, start - first) : max(0, end - first)])
            first += len(piece)
        return np.concatenate(parts)
