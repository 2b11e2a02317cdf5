"""What is measured at the instants of a fixed time grid, on the frame that is shown there."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from av.video.frame import VideoFrame

from clipmill.media.frames.deinterlace import WholePictures
from clipmill.media.frames.render import Renderer
from clipmill.media.frames.time_grid import Grid
from clipmill.media.scan.spool import Column, Columns
from clipmill.scores.camera import camera_and_object
from clipmill.scores.flow import block_flow
from clipmill.scores.motion import flow_lengths, motion_luma_size

PAIRS_AT_A_TIME = 4
"""More save little of the start of array operations, and lose it again to memory taken anew each time."""


@dataclass(frozen=True)
class Shown:
    """A frame on screen as it was decoded, its rank, its neighbours, and its thumbnail where one was made.

    ``earlier`` is the frame before the one before. ``whole`` makes whole pictures of interlaced frames; None
    takes frames as they are.
    """

    index: int
    frame: VideoFrame
    before: VideoFrame | None
    thumbnail: np.ndarray | None
    earlier: VideoFrame | None = None
    after: VideoFrame | None = None
    whole: WholePictures | None = None

    @property
    def picture(self) -> VideoFrame:
        """The frame as a whole picture."""
        if self.whole is None:
            return self.frame
        return self.whole.of(self.frame, before=self.before, after=self.after)

    @property
    def picture_before(self) -> VideoFrame | None:
        """The frame before as a whole picture; None for the first."""
        if self.whole is None or self.before is None:
            return self.before
        return self.whole.of(self.before, before=self.earlier, after=self.frame)


class Taker(Protocol):
    """Takes something of the frame on screen."""

    def take(self, shown: Shown, times: int) -> bool:
        """Adds so many equal rows; False where this frame has nothing to take."""
        ...


class Sampler:
    """Takes something of the frame that is shown at each instant of a grid, and notes the frame's number."""

    def __init__(self, grid: Grid, taker: Taker, *, frames: Column) -> None:
        self._grid = grid
        self._taker = taker
        self._frames = frames

    @property
    def due_ticks(self) -> int:
        """What is shown until then, in ticks after the first frame, has no instant that is still to come."""
        return self._grid.due_ticks

    def skip_until(self, ticks: int) -> None:
        """Leaves out what was shown before ``ticks`` after the first frame."""
        self._grid.take_before(ticks)

    def shown_until(self, shown: Shown, ticks: int) -> None:
        """``shown`` was on screen from where the frame before it ended until ``ticks``."""
        num_instants = self._grid.take_before(ticks)
        if num_instants and self._taker.take(shown, num_instants):
            for _ in range(num_instants):
                self._frames.append(shown.index)


class Rows:
    """Measures a frame once and adds its row."""

    def __init__(
        self, measure: Callable[[Shown], np.ndarray | None], append: Callable[[np.ndarray], object]
    ) -> None:
        self._measure = measure
        self._append = append

    def take(self, shown: Shown, times: int) -> bool:
        """Adds so many equal rows; False where this frame has nothing to measure."""
        row = self._measure(shown)
        if row is None:
            return False
        for _ in range(times):
            self._append(row)
        return True


class Pictures:
    """The pictures of one height, each once: all reads of that height take from here."""

    def __init__(self, renderer: Renderer, height_px: int, track: Columns) -> None:
        self._renderer = renderer
        self._height_px = height_px
        self._track = track
        self._last_frame = -1

    def take(self, shown: Shown, times: int) -> bool:
        """Adds the picture of a frame that has none yet, however many instants show it."""
        if shown.index != self._last_frame:
            self._last_frame = shown.index
            self._track.frames.append(shown.index)
            self._track.values[0].append(self._renderer.picture(shown.picture, self._height_px))
        return True


class LumaPairs:
    """A frame and the one before it as small luma, as coded (not turned). The first frame has none."""

    def __init__(self, renderer: Renderer, *, coded_size_px: tuple[int, int]) -> None:
        self._renderer = renderer
        self._size_px = motion_luma_size(*coded_size_px)

    def __call__(self, shown: Shown) -> np.ndarray | None:
        """Uint8 ``(2, h, w)``."""
        before = shown.picture_before
        if before is None:
            return None
        pictures = before, shown.picture
        return np.stack([self._renderer.small_luma(picture, self._size_px) for picture in pictures])


class BlockMotion:
    """Turns luma pairs into rows of motion, several at a time; ``flush`` writes those that still wait.

    With ``parts`` the motion of the camera is separated, one float32 row ``(2,)`` for each pair.
    """

    def __init__(self, rows: Column, parts: Column | None = None) -> None:
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
