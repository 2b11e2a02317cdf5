"""Which frames a shot network has to look at: those where the content detector rules no transition out."""

import numpy as np

from clipmill.shots.detector_frames import NOMINAL_FPS
from clipmill.shots.gradual import Candidate, Mixtures, shrink
from clipmill.shots.hard_cuts.hard import HardCuts
from clipmill.shots.strip import Blocks

BEFORE_CUT, FROM_CUT = 3, 2
"""Frames in doubt before a possible cut, and from it on: a network marks the last frame of a shot, or two."""

MIN_MIXTURE = 0.15
"""Less than the content detector asks of a dissolve: more is in doubt than it would call one."""


class Candidates:
    """Marks the frames of a stream that are in doubt.

    ``threshold`` is the content detector's probability of a cut above which a frame is; and so is all of
    whatever looks like a dissolve or fade.
    """

    def __init__(self, *, threshold: float) -> None:
        self._blocks = Blocks()
        self._hard = HardCuts(threshold=threshold, min_shot_frames=1)
        self._mixtures = Mixtures(threshold=MIN_MIXTURE)
        self._first_frame = 0
        self._marks = np.zeros(0, dtype=bool)  # of the frames fed, from _first_frame on

    def feed(self, thumbnails: np.ndarray) -> np.ndarray:
        """Marks of the frames behind those marked before, bool ``(m,)``, some 100 frames behind.

        ``thumbnails`` are the next frames, uint8 ``(n, 27, 48, 3)``.
        """
        for block in self._blocks.feed(thumbnails):
            self._mark(block)
        return self._told(min(self._hard.num_final - BEFORE_CUT, self._mixtures.num_scanned))

    def finish(self) -> np.ndarray:
        """Marks of the frames that are left."""
        self._mark(self._blocks.rest())
        self._mark_cuts(self._hard.finish())
        self._mark_spans(_spans(self._mixtures.finish()))
        return self._told(self._first_frame + len(self._marks))

    def _mark(self, block: np.ndarray) -> None:
        first = self._first_frame + len(self._marks)
        times_s = np.arange(first, first + len(block)) / NOMINAL_FPS  # a network counts frames
        self._marks = np.concatenate([self._marks, np.zeros(len(block), dtype=bool)])
        self._mark_cuts(self._hard.feed(block, times_s))
        self._mark_spans(_spans(self._mixtures.feed(shrink(block), times_s)))

    def _mark_cuts(self, cuts: list[int]) -> None:
        self._mark_spans([(cut - BEFORE_CUT, cut + FROM_CUT) for cut in cuts])

    def _mark_spans(self, spans: list[tuple[int, int]]) -> None:
        for start, end in spans:
            self._marks[max(0, start - self._first_frame) : end - self._first_frame] = True

    def _told(self, num_final: int) -> np.ndarray:
        settled, self._marks = np.split(self._marks, [max(0, num_final - self._first_frame)])
        self._first_frame += len(settled)
        return settled


def _spans(candidates: list[Candidate]) -> list[tuple[int, int]]:
    return [(candidate.start_frame, candidate.end_frame) for candidate in candidates]
