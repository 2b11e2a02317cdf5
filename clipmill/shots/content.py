"""The shot detector that needs no weights: pictures of 48x27 in, cuts out, as frames come."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from clipmill.records import Cuts, FrameSpan
from clipmill.shots.changes import MAX_LAG, check_thumbnails
from clipmill.shots.detector_frames import DetectorFrames
from clipmill.shots.gradual import SPANS
from clipmill.shots.hard_cuts.hard import HardCuts
from clipmill.shots.hard_cuts.steps import NEIGHBOURS
from clipmill.shots.mixed_frames import CONTEXT
from clipmill.shots.strip import BLOCK_FRAMES, Blocks
from clipmill.shots.transitions import REACH_FRAMES, GradualTransitions
from clipmill.stages.cut_finder import CutFinder

PIECE_FRAMES = 1024
"""Frames taken from a memory map at once."""


@dataclass(frozen=True)
class ContentOptions:
    """Thresholds of the content detector: probabilities above 0 and below 1.

    Of cuts fewer than ``min_shot_frames`` frames apart only the likeliest counts: frames of a film of 20 to
    36 a second, see ``clipmill.shots.detector_frames``.
    """

    threshold: float
    min_shot_frames: int
    find_gradual: bool
    gradual_threshold: float


class ContentCutFinder:
    """Finds the hard cuts and gradual transitions of a video in pieces of any length.

    The result is the same for any pieces, and memory does not grow with the length. ``num_final`` tells how
    far it is: no cut below that frame, and no range that starts below it, is still to come. It lies at most
    ``latency_frames`` frames that are compared behind the last frame fed, plus ``min_shot_frames``. It stands
    still at what looks like a transition until that ends, or for
    ``clipmill.shots.transitions.MAX_RUN_FRAMES`` where one follows the other; and at a range until its end
    and ``clipmill.shots.transitions.MAX_JOIN_FRAMES`` are past.
    """

    gradual_latency_frames: ClassVar[int] = BLOCK_FRAMES + max(SPANS) + REACH_FRAMES
    hard_latency_frames: ClassVar[int] = BLOCK_FRAMES + MAX_LAG + CONTEXT + NEIGHBOURS
    """``latency_frames`` where ``find_gradual`` is off."""

    def __init__(self, spec: ContentOptions) -> None:
        self._frames, self._blocks = DetectorFrames(), Blocks()
        self._times_s = np.empty(0)  # of chosen frames that are in no block yet
        self._hard = HardCuts(threshold=spec.threshold, min_shot_frames=spec.min_shot_frames)
        self._gradual = GradualTransitions(threshold=spec.gradual_threshold) if spec.find_gradual else None
        self.latency_frames = self.gradual_latency_frames if self._gradual else self.hard_latency_frames
        self.least_latency_frames = self.hard_latency_frames
        self._cuts: list[int] = []  # final, but perhaps within a range that is not; in chosen frames
        self.num_final = 0

    def feed(self, thumbnails: np.ndarray, times_s: np.ndarray | None = None) -> Cuts:
        """What the next frames, uint8 ``(n, 27, 48, 3)`` RGB in display order, make final.

        ``times_s`` ``(n,)`` in seconds; without it the film has ``NOMINAL_FPS``. ValueError for another
        shape.
        """
        check_thumbnails(thumbnails)
        gradual: list[FrameSpan] = []
        for start in range(0, len(thumbnails), PIECE_FRAMES):
            piece = slice(start, start + PIECE_FRAMES)
            times_of_piece = None if times_s is None else times_s[piece]
            chosen, chosen_s = self._frames.choose(thumbnails[piece], times_of_piece)
            self._times_s = np.concatenate([self._times_s, chosen_s])
            for block in self._blocks.feed(chosen):
                gradual += self._take(block)
        return self._final(gradual)

    def cuts_ahead(self) -> tuple[Cuts, int]:
        """See ``clipmill.stages.cut_finder.CutFinder``."""
        ranges = self._gradual.found_ahead if self._gradual else ()
        cuts = Cuts(tuple(map(self._frames.cut_at, self._cuts)), tuple(map(self._in_video, ranges)))
        return cuts, self._frames.frame_behind(self._hard.num_final)

    def no_cut_until(self, frame: int) -> int:
        """See ``clipmill.stages.cut_finder.CutFinder``; ``frame`` is at least ``num_final`` - 1."""
        cuts = (self._frames.cut_at(cut) for cut in self._cuts)
        later = (cut for cut in cuts if cut > frame)
        return min(later, default=self._frames.frame_behind(self._hard.num_final))

    def finish(self) -> Cuts:
        """What is left once the last frame was fed."""
        rest = self._blocks.rest()
        gradual = self._take(rest) if len(rest) else []
        cuts = self._hard.finish()
        self._cuts += cuts
        if self._gradual:
            gradual += self._gradual.finish(cuts)
        return self._final(gradual)

    def _take(self, block: np.ndarray) -> list[FrameSpan]:
        times_s, self._times_s = np.split(self._times_s, [len(block)])
        cuts = self._hard.feed(block, times_s)
        self._cuts += cuts
        if self._gradual is None:
            return []
        return self._gradual.feed(block, times_s, cuts, num_hard_final=self._hard.num_final)

    def _final(self, gradual: list[FrameSpan]) -> Cuts:
        """Hard cuts that no range can take in any more, without those inside a range; and the ranges."""
        num_final = self._hard.num_final
        if self._gradual:
            num_final = min(num_final, self._gradual.num_final)
        final = [cut for cut in self._cuts if cut < num_final]
        self._cuts = [cut for cut in self._cuts if cut >= num_final]
        outside = (
            cut for cut in final if not any(span.start_frame < cut < span.end_frame for span in gradual)
        )
        found = Cuts(tuple(map(self._frames.cut_at, outside)), tuple(map(self._in_video, gradual)))
        self.num_final = self._frames.frame_behind(num_final)
        self._frames.drop_before(num_final)
        return found

    def _in_video(self, span: FrameSpan) -> FrameSpan:
        """All frames between the last one before a range and the first one behind it."""
        return FrameSpan(self._frames.frame_behind(span.start_frame), self._frames.frame_of(span.end_frame))


def find_cuts(thumbnails: np.ndarray, spec: ContentOptions, times_s: np.ndarray | None = None) -> Cuts:
    """Find the hard cuts and gradual transitions of a video.

    ``thumbnails`` is uint8 ``(N, 27, 48, 3)`` RGB, every frame in display order, and may be a memory map: it
    is read in blocks. ``times_s`` ``(N,)`` as for ``ContentCutFinder``. A hard cut in the midst of a gradual
    transition is dropped. Raises ValueError for another shape.
    """
    return all_cuts(ContentCutFinder(spec), thumbnails, times_s)


def all_cuts(finder: CutFinder, thumbnails: np.ndarray, times_s: np.ndarray | None = None) -> Cuts:
    """Returns the cuts of a whole video, by any finder."""
    early, late = finder.feed(thumbnails, times_s), finder.finish()
    return Cuts(early.hard + late.hard, early.gradual + late.gradual)
