"""What is measured at the instants of a fixed time grid, on the frame that is shown there."""

from dataclasses import dataclass
from math import ceil
from typing import Protocol

import numpy as np
from av.video.frame import VideoFrame

from clipmill.media.rendering import Renderer
from clipmill.media.spool import Column
from clipmill.scores.camera import camera_and_object
from clipmill.scores.flow import block_flow
from clipmill.scores.motion import flow_lengths, motion_luma_size
from clipmill.scores.quality import frame_measures

PAIRS_AT_A_TIME = 4
"""More save little of the start of array operations, and lose it again to memory taken anew each time."""


@dataclass(frozen=True)
class Shown:
    """A frame on screen, its rank, the frame before it, and its thumbnail where one was made."""

    index: int
    frame: VideoFrame
    before: VideoFrame | None
    thumbnail: np.ndarray | None


class Measure(Protocol):
    """Something measured on a frame."""

    def __call__(self, shown: Shown) -> np.ndarray | None:
        """One row; None when this frame has nothing to measure."""
        ...


class Rows(Protocol):
    """Where the rows of a sampler go, in order."""

    def append(self, row: np.ndarray) -> None:
        """Take the next row."""
        ...


class Grid:
    """The instants ``k / fps``, k = 0, 1, ..., each handed out once.

    ``slack_s`` forgives timestamps that a container rounded up.
    """

    def __init__(self, fps: float, *, slack_s: float) -> None:
        self._fps = fps
        self._slack_s = slack_s
        self._num_taken = 0

    def take_before(self, time_s: float) -> int:
        """Number of instants before ``time_s`` that were not taken yet."""
        num_before = max(0, ceil((time_s - self._slack_s) * self._fps))
        num_new = max(0, num_before - self._num_taken)
        self._num_taken += num_new
        return num_new


class Sampler:
    """Writes a row per instant of a grid: the measure of the frame shown there. Measures a frame once."""

    def __init__(self, grid: Grid, measure: Measure, *, frames: Column, rows: Rows) -> None:
        self._grid = grid
        self._measure = measure
        self._frames = frames
        self._rows = rows

    def skip_until(self, time_s: float) -> None:
        """Leave out what was shown before ``time_s``."""
        self._grid.take_before(time_s)

    def shown_until(self, shown: Shown, time_s: float) -> None:
        """``shown`` was on screen from where the frame before it ended until ``time_s``."""
        num_instants = self._grid.take_before(time_s)
        if num_instants == 0:
            return
        row = self._measure(shown)
        if row is None:
            return
        for _ in range(num_instants):
            self._frames.append(shown.index)
            self._rows.append(row)


class Pictures:
    """Sampled frames."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def __call__(self, shown: Shown) -> np.ndarray:
        """Uint8 ``(h, w, 3)`` RGB."""
        return self._renderer.picture(shown.frame)


class Quality:
    """Technical measures of the full luma and the thumbnail."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def __call__(self, shown: Shown) -> np.ndarray:
        """Float32 ``(K,)`` in the order of ``FRAME_MEASURES``."""
        thumbnail = shown.thumbnail
        if thumbnail is None:
            thumbnail = self._renderer.thumbnail(shown.frame)
        return frame_measures(self._renderer.luma(shown.frame), thumbnail)


class LumaPairs:
    """A frame and the one before it as small luma, as coded (not turned). The first frame has none."""

    def __init__(self, renderer: Renderer, *, coded_size_px: tuple[int, int]) -> None:
        self._renderer = renderer
        self._size_px = motion_luma_size(*coded_size_px)

    def __call__(self, shown: Shown) -> np.ndarray | None:
        """Uint8 ``(2, h, w)``."""
        if shown.before is None:
            return None
        pictures = shown.before, shown.frame
        return np.stack([self._renderer.small_luma(picture, self._size_px) for picture in pictures])


class BlockMotion:
    """Turns luma pairs into rows of motion, several at a time; ``flush`` writes those that still wait.

    With ``parts`` the motion of the camera is told apart, one float32 row ``(2,)`` for each pair.
    """

    def __init__(self, rows: Column, *, parts: Column | None) -> None:
        self._rows = rows
        self._parts = parts
        self._pairs: list[np.ndarray] = []

    def append(self, row: np.ndarray) -> None:
        """The next pair, uint8 ``(2, h, w)``."""
        self._pairs.append(row)
        if len(self._pairs) == PAIRS_AT_A_TIME:
            self.flush()

    def flush(self) -> None:
        """Write a float32 row ``(By, Bx)``, flow lengths over (height + width), for each pair that waits."""
        if not self._pairs:
            return
        flow = block_flow(np.stack(self._pairs))
        for row in flow_lengths(flow):
            self._rows.append(row)
        if self._parts is not None:
            for row in camera_and_object(flow):
                self._parts.append(row)
        self._pairs.clear()
