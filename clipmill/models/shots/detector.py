"""Cuts as frames come, by a shot network."""

from collections.abc import Iterable

import numpy as np

from clipmill.models.shots.base import ShotNetwork, ShotNetworkOptions
from clipmill.records import Cuts
from clipmill.shots.windows import (
    STRIDE,
    WINDOW_FRAMES,
    CandidateWindows,
    GridWindows,
    MarkedRuns,
    Window,
    WindowReader,
)


class NetworkCutFinder:
    """Finds the transitions of a video in pieces of any length; memory does not grow with the length.

    ``num_final`` tells how far it is: no range that starts below that frame is still to come. ``num_windows``
    counts the windows that the network looked at. ``num_final`` stands still at a range until its end, and at
    a window until a batch is full.
    """

    def __init__(self, network: ShotNetwork, spec: ShotNetworkOptions) -> None:
        places = CandidateWindows(threshold=spec.cascade_threshold) if spec.cascade else GridWindows()
        self._network = network
        self._reader = WindowReader(places)
        self._runs = MarkedRuns(threshold=spec.threshold)
        self._waiting: list[Window] = []
        self.latency_frames = WINDOW_FRAMES + network.batch_windows * STRIDE
        self.num_final = 0
        self.num_windows = 0

    def feed(self, thumbnails: np.ndarray, times_s: np.ndarray | None = None) -> Cuts:
        """What the next frames, uint8 ``(n, 27, 48, 3)`` RGB in display order, make final.

        Only frames count, not their times. ValueError for another shape.
        """
        del times_s
        self._take(self._reader.feed(thumbnails))
        decided = self._waiting[0].place.kept.start_frame if self._waiting else self._reader.num_decided
        return self._told(decided)

    def no_cut_until(self, frame: int) -> int:
        """Where ``num_final`` is: the network marks ranges only."""
        return max(frame + 1, self.num_final)

    def finish(self) -> Cuts:
        self._take(self._reader.finish())
        self._look()
        return self._told(self._reader.num_decided + 1)

    def _take(self, windows: Iterable[Window]) -> None:
        for window in windows:
            self._waiting.append(window)
            if len(self._waiting) >= self._network.batch_windows:
                self._look()

    def _look(self) -> None:
        if self._waiting:
            answers = self._network.predict(np.stack([window.frames for window in self._waiting]))
            for window, answer in zip(self._waiting, answers, strict=True):
                self._runs.add(window.place.kept, window.answer(answer))
        self.num_windows += len(self._waiting)
        self._waiting = []

    def _told(self, num_decided: int) -> Cuts:
        settled = self._runs.settled(num_decided)
        self.num_final = num_decided if self._runs.open_frame is None else self._runs.open_frame
        return settled
