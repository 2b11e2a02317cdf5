"""How a shot network reads a video of any length: in windows of 100 frames, which overlap.

A window's outer frames lack context, so that only its middle is believed: 100 frames every 50, of which the
middle 50 count, as documented. ``GridWindows`` are all of them, ``CandidateWindows`` the cascade's: those
whose middle holds a frame that may be part of a transition. Both lie on the same grid, since what a network
says of a frame depends on where in a window it lies. Before its first and after its last frame a video stands
still. Memory depends on a window's length, never on the video's.
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

CONTEXT = 25
"""Frames at either end of a window that are context only."""

STRIDE = WINDOW_FRAMES - 2 * CONTEXT
"""Frames that a window answers for, and from one window to the next."""

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
        return self._next_frame - CONTEXT

    def feed(self, thumbnails: np.ndarray) -> list[Place]:
        """The windows whose kept frames are all there."""
        return self.advance(len(thumbnails))

    def advance(self, num_frames: int) -> list[Place]:
        """The windows whose kept frames are among those so far and so many more."""
        self._num_frames += num_frames
        return list(self._due())

    def finish(self) -> list[Place]:
        """The last window, unless the video ends with one."""
        places = list(self._due())
        if self._next_frame < self._num_frames:
            places.append(_place(self._next_frame, self._num_frames))
            self._next_frame = self._num_frames
        return places

    def _due(self) -> Iterator[Place]:
        while self._next_frame + STRIDE <= self._num_frames:
            yield _place(self._next_frame, self._next_frame + STRIDE)
            self._next_frame += STRIDE


def _place(start_frame: int, end_frame: int) -> Place:
    """The window of the grid that answers for these frames."""
    return Place(start_frame - CONTEXT, FrameSpan(start_frame, end_frame))


class CandidateWindows:
    """Of the grid's windows those in whose middle the content detector gives a frame at least ``threshold``.

    Frames of the other windows count as no transition.
    """

    def __init__(self, *, threshold: float) -> None:
        self._grid = GridWindows()
        self._candidates = Candidates(threshold=threshold)
        self._first_frame = 0  # of the marks below
        self._marks = np.zeros(0, dtype=bool)

    @property
    def num_decided(self) -> int:
        """First frame about which is not yet known whether a window answers for it."""
        return self._grid.num_decided

    @property
    def earliest_frame(self) -> int:
        """Start of the window of the grid that answers for that frame."""
        return self._grid.earliest_frame

    def feed(self, thumbnails: np.ndarray) -> list[Place]:
        """The windows all of whose kept frames are marked or ruled out."""
        return self._chosen(self._marked(self._candidates.feed(thumbnails)))

    def finish(self) -> list[Place]:
        """The windows that are left."""
        return self._chosen([*self._marked(self._candidates.finish()), *self._grid.finish()])

    def _marked(self, marks: np.ndarray) -> list[Place]:
        """The windows of the grid that more marks reach."""
        self._marks = np.concatenate([self._marks, marks])
        return self._grid.advance(len(marks))

    def _chosen(self, places: list[Place]) -> list[Place]:
        chosen = [place for place in places if self._are_marked(place.kept).any()]
        self._marks = self._marks[self._grid.num_decided - self._first_frame :]
        self._first_frame = self._grid.num_decided
        return chosen

    def _are_marked(self, kept: FrameSpan) -> np.ndarray:
        return self._marks[kept.start_frame - self._first_frame : kept.end_frame - self._first_frame]


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

    def settled(self, num_decided: int) -> Cuts:
        """The runs that end before frame ``num_decided``, each once.

        All are ranges, one frame long at most hard cuts: as documented, their frames belong to no shot.
        """
        settled = [run for run in self._runs if run.end_frame < num_decided]
        self._runs = self._runs[len(settled) :]
        return Cuts(gradual=tuple(settled))
