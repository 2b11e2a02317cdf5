"""Cuts as frames come: the shot detector without weights, for videos that are never in memory as a whole."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from clipmill.records import Cuts, FrameSpan
from clipmill.shots.changes import MAX_LAG, check_thumbnails
from clipmill.shots.gradual import SPANS
from clipmill.shots.hard import NEIGHBOURS, HardCuts
from clipmill.shots.strip import BLOCK_FRAMES, Blocks
from clipmill.shots.transitions import MAX_JOIN_FRAMES, REACH_FRAMES, GradualTransitions


@dataclass(frozen=True)
class ContentOptions:
    """Thresholds of the content detector: probabilities above 0 and below 1.

    Of cuts fewer than ``min_shot_frames`` frames apart only the likeliest counts.
    """

    threshold: float
    min_shot_frames: int
    find_gradual: bool
    gradual_threshold: float


class ContentCutFinder:
    """Finds the hard cuts and gradual transitions of a video in pieces of any length.

    The result is the same for any pieces, and memory does not grow with the length. ``num_final`` tells how
    far it is: no cut below that frame, and no range that starts below it, is still to come. It lies at most
    ``latency_frames`` behind the last frame fed, plus ``min_shot_frames``. It stands still at what looks like
    a transition until that ends, or for ``clipmill.shots.transitions.MAX_RUN_FRAMES`` where one follows the
    other; and at a range until its end and ``join_frames`` are past.
    """

    gradual_latency_frames: ClassVar[int] = BLOCK_FRAMES + max(SPANS) + REACH_FRAMES
    hard_latency_frames: ClassVar[int] = BLOCK_FRAMES + MAX_LAG + NEIGHBOURS
    """``latency_frames`` where ``find_gradual`` is off."""
    join_frames: ClassVar[int] = MAX_JOIN_FRAMES
    """How much longer a range waits for another behind it."""

    def __init__(self, spec: ContentOptions) -> None:
        self._blocks = Blocks()
        self._hard = HardCuts(threshold=spec.threshold, min_shot_frames=spec.min_shot_frames)
        self._gradual = GradualTransitions(threshold=spec.gradual_threshold) if spec.find_gradual else None
        self.latency_frames = self.gradual_latency_frames if self._gradual else self.hard_latency_frames
        self._cuts: list[int] = []  # final, but perhaps within a range that is not
        self.num_final = 0

    def feed(self, thumbnails: np.ndarray, times_s: np.ndarray | None = None) -> Cuts:
        """What the next frames, uint8 ``(n, 27, 48, 3)`` RGB in display order, make final.

        Only frames count, not their times. ValueError for another shape.
        """
        del times_s
        check_thumbnails(thumbnails)
        gradual: list[FrameSpan] = []
        for block in self._blocks.feed(thumbnails):
            gradual += self._take(block)
        return self._told(gradual)

    def no_cut_until(self, frame: int) -> int:
        """See ``clipmill.shots.cut_finder.CutFinder``; ``frame`` is at least ``num_final`` - 1."""
        return min((cut for cut in self._cuts if cut > frame), default=self._hard.num_final)

    def finish(self) -> Cuts:
        """What is left once the last frame was fed."""
        rest = self._blocks.rest()
        gradual = self._take(rest) if len(rest) else []
        cuts = self._hard.finish()
        self._cuts += cuts
        if self._gradual:
            gradual += self._gradual.finish(cuts)
        return self._told(gradual)

    def _take(self, block: np.ndarray) -> list[FrameSpan]:
        cuts = self._hard.feed(block)
        self._cuts += cuts
        if self._gradual is None:
            return []
        return self._gradual.feed(block, cuts, num_hard_final=self._hard.num_final)

    def _told(self, gradual: list[FrameSpan]) -> Cuts:
        """Hard cuts are given when no range can take them in any more; those inside one are dropped."""
        self.num_final = self._hard.num_final
        if self._gradual:
            self.num_final = min(self.num_final, self._gradual.num_final)
        told = [cut for cut in self._cuts if cut < self.num_final]
        self._cuts = [cut for cut in self._cuts if cut >= self.num_final]
        outside = [
            cut for cut in told if not any(span.start_frame < cut < span.end_frame for span in gradual)
        ]
        return Cuts(tuple(outside), tuple(gradual))
