"""A stream of thumbnails: cut into blocks, and kept for as long as somebody may look back."""

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
    """The latest thumbnails, by their number in the whole stream."""

    def __init__(self) -> None:
        self._frames = _NONE
        self._first = 0

    @property
    def num_frames(self) -> int:
        """Frames so far, those dropped included."""
        return self._first + len(self._frames)

    @property
    def num_held_frames(self) -> int:
        """Frames not dropped."""
        return len(self._frames)

    def append(self, thumbnails: np.ndarray) -> None:
        """The next frames."""
        self._frames = np.concatenate([self._frames, thumbnails])

    def drop_before(self, frame: int) -> None:
        """Nobody will look at frames before ``frame`` again."""
        if frame > self._first:
            self._frames = self._frames[frame - self._first :]
            self._first = frame

    def between(self, start: int, end: int) -> np.ndarray:
        """Frames ``[start, end)``; IndexError for such as were dropped or are still to come."""
        if start < self._first or end > self.num_frames:
            raise IndexError(f"[{start}, {end}) is not in [{self._first}, {self.num_frames})")
        return self._frames[start - self._first : max(start, end) - self._first]
