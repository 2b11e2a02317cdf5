"""How a shot network reads a video of any length: in windows of 100 frames, which overlap.

A window's outer frames lack context, so that only its middle is believed. ``GridWindows`` are the documented
ones: 100 frames every 50, of which the middle 50 count. ``PlacedWindows`` are the cascade's: only where
something may have changed, one window for all frames in doubt that fit into its middle 80, and that middle
over them, so that a lone cut sees more context than on the grid. Before its first and after its last frame a
video stands still. Memory depends on a window's length, never on the video's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from clipmill.records import Cuts, FrameSpan
from clipmill.shots.candidates import Candidates
from clipmill.shots.changes import check_thumbnails
from clipmill.shots.strip import Strip

WINDOW_FRAMES = 100
"""Length of the sequences that TransNetV2 was trained on."""

GRID_CONTEXT = 25
"""Frames at either end of a window of the grid that are context only."""

PLACED_CONTEXT = 10
"""The same for a window full of candidates; one with a single cut has the cut in its middle."""

PIECE_FRAMES = 256
"""What is looked at in one go: a memory map of hours is never in memory at once."""


@dataclass(frozen=True)
class Place:
    """Where a window starts, below 0 within the still before the video, and which frames it answers for."""

    start_frame: int
    kept: FrameSpan


@dataclass(frozen=True)
class Window:
    """A window with its frames, uint8 ``(100, 27, 48, 3)``."""

    place: Place
    frames: np.ndarray

    def answer(self, probabilities: np.ndarray) -> np.ndarray:
        """What a network's ``(100,)`` probabilities of this window say of the frames it answers for."""
        first = self.place.kept.start_frame - self.place.start_frame
        return probabilities[first : first + self.place.kept.num_frames]


class Places(Protocol):
    """Decides where windows lie while a video streams by."""

    @property
    def num_decided(self) -> int:
        """No window still to come answers for a frame before this one."""
        ...

    @property
    def earliest_frame(self) -> int:
        """... or starts before this one."""
        ...

    def feed(self, thumbnails: np.ndarray) -> list[Place]:
        """The places that more frames, uint8 ``(n, 27, 48, 3)``, settle; ascending."""
        ...

    def finish(self) -> list[Place]:
        """The places that the end settles."""
        ...


class GridWindows:
    """All of the video: a window every 50 frames."""

    def __init__(self) -> None:
        self._num_frames = 0
        self._next_frame = 0

    @property
    def num_decided(self) -> int:
        """First frame that the next window answers for."""
        return self._next_frame

    @property
    def earliest_frame(self) -> int:
        """Start of the next window."""
        return self._next_frame - GRID_CONTEXT

    def feed(self, thumbnails: np.ndarray) -> list[Place]:
        """The windows whose kept frames are all there."""
        self._num_frames += len(thumbnails)
        return list(self._due(self._num_frames))

    def finish(self) -> list[Place]:
        """The last window, unless the video ends with one."""
        places = list(self._due(self._num_frames))
        if self._next_frame < self._num_frames:
            kept = FrameSpan(self._next_frame, self._num_frames)
            places.append(Place(self.earliest_frame, kept))
            self._next_frame = self._num_frames
        return places

    def _due(self, num_frames: int) -> Iterator[Place]:
        stride = WINDOW_FRAMES - 2 * GRID_CONTEXT
        while self._next_frame + stride <= num_frames:
            yield Place(self.earliest_frame, FrameSpan(self._next_frame, self._next_frame + stride))
            self._next_frame += stride


class PlacedWindows:
    """Only where the content detector gives a frame at least ``threshold``; the rest counts as no cut."""

    def __init__(self, *, threshold: float) -> None:
        self._candidates = Candidates(threshold=threshold)
        self._first_frame = 0  # of the marks below
        self._marks = np.zeros(0, dtype=bool)

    @property
    def num_decided(self) -> int:
        """Frames about which is known whether a window answers for them."""
        return self._first_frame

    @property
    def earliest_frame(self) -> int:
        """Start of a window around the first of the other frames."""
        return self._first_frame - WINDOW_FRAMES // 2

    def feed(self, thumbnails: np.ndarray) -> list[Place]:
        """Windows over runs of candidates that no later frame can join."""
        self._marks = np.concatenate([self._marks, self._candidates.feed(thumbnails)])
        return list(self._closed(reach=WINDOW_FRAMES - 2 * PLACED_CONTEXT))

    def finish(self) -> list[Place]:
        """Windows over what is left."""
        self._marks = np.concatenate([self._marks, self._candidates.finish()])
        return list(self._closed(reach=0))

    def _closed(self, *, reach: int) -> Iterator[Place]:
        """Windows over candidates that have ``reach`` marks from the first one on."""
        longest = WINDOW_FRAMES - 2 * PLACED_CONTEXT
        while self._marks.any():
            first = int(np.argmax(self._marks))
            if first + reach > len(self._marks):
                self._drop(first)
                return
            length = int(np.flatnonzero(self._marks[first : first + longest])[-1]) + 1
            kept = FrameSpan(self._first_frame + first, self._first_frame + first + length)
            yield Place((kept.start_frame + kept.end_frame - WINDOW_FRAMES) // 2, kept)
            self._drop(first + length)
        self._drop(len(self._marks))

    def _drop(self, count: int) -> None:
        self._marks = self._marks[count:]
        self._first_frame += count


class WindowReader:
    """Feeds on a video's thumbnails in pieces of any length and gives its windows, in order."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._settled: list[Place] = []
        self._strip = Strip()

    @property
    def num_decided(self) -> int:
        """No window still to come answers for a frame before this one."""
        return self._settled[0].kept.start_frame if self._settled else self._places.num_decided

    def feed(self, thumbnails: np.ndarray) -> Iterator[Window]:
        """The windows that are complete with these frames, uint8 ``(n, 27, 48, 3)``.

        To be exhausted before the next call. ValueError for another shape.
        """
        check_thumbnails(thumbnails)
        for start in range(0, len(thumbnails), PIECE_FRAMES):
            piece = np.asarray(thumbnails[start : start + PIECE_FRAMES])
            self._strip.append(piece)
            self._settled += self._places.feed(piece)
            yield from self._windows(end_frame=self._strip.num_frames)
            self._forget()

    def finish(self) -> Iterator[Window]:
        """The windows that were waiting for frames; after the last one the video stands still."""
        self._settled += self._places.finish()
        while self._settled:
            yield self._window(self._settled.pop(0))

    def _windows(self, *, end_frame: int) -> Iterator[Window]:
        while self._settled and self._settled[0].start_frame + WINDOW_FRAMES <= end_frame:
            yield self._window(self._settled.pop(0))

    def _window(self, place: Place) -> Window:
        numbers = np.arange(place.start_frame, place.start_frame + WINDOW_FRAMES)
        shown = np.clip(numbers, 0, self._strip.num_frames - 1)
        frames = self._strip.between(int(shown[0]), int(shown[-1]) + 1)[shown - shown[0]]
        return Window(place, frames)

    def _forget(self) -> None:
        """Let go of frames that no window to come can reach; the last one may have to stand still."""
        starts = [self._places.earliest_frame, *(place.start_frame for place in self._settled)]
        self._strip.drop_before(min(*starts, self._strip.num_frames - 1))


class MarkedRuns:
    """Runs of frames over ``threshold``, from answers in the order of the video."""

    def __init__(self, *, threshold: float) -> None:
        self._threshold = threshold
        self._runs: list[FrameSpan] = []

    def add(self, kept: FrameSpan, probabilities: np.ndarray) -> None:
        """The probabilities of the frames ``kept``; what no answer covers is no transition.

        Rounded to 6 digits, so that another order of summation moves nothing across the threshold.
        """
        above = np.round(probabilities, 6) > self._threshold
        edges = np.flatnonzero(np.diff(np.concatenate([[False], above, [False]]))) + kept.start_frame
        for start, end in edges.reshape(-1, 2).tolist():
            touches = self._runs and self._runs[-1].end_frame == start
            self._runs.append(FrameSpan(self._runs.pop().start_frame if touches else start, end))

    @property
    def open_frame(self) -> int | None:
        """Where the last run starts, which an answer to come may lengthen; None without one."""
        return self._runs[-1].start_frame if self._runs else None

    def told(self, num_decided: int) -> Cuts:
        """The runs that end before frame ``num_decided``, each once.

        All are ranges, one frame long at most hard cuts: as documented, their frames belong to no shot.
        """
        told = [run for run in self._runs if run.end_frame < num_decided]
        self._runs = self._runs[len(told) :]
        return Cuts(gradual=tuple(told))
