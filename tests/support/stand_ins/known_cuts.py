"""Cuts that are known beforehand, in place of a detector."""

from typing import ClassVar

import numpy as np

from clipmill.records import Cuts, Split
from clipmill.shots.clip_splitter import ClipSplitter, split_whole
from clipmill.stages.base import StageContext
from clipmill.stages.cut_finder import CutFinder
from clipmill.stages.roles import ExtractorStage
from clipmill.stages.video.clipping.content_extraction import ShotClipRules


class ShotRules(ShotClipRules):
    """The rules from shots to clips, of an extractor without a detector."""

    name: ClassVar[str] = "shot_rules"

    def finder(self, context: StageContext | None) -> CutFinder:
        raise NotImplementedError


HARD_LATENCY_FRAMES = 3


class KnownCuts:
    """Tells each cut ``latency_frames`` after it came; at a gradual transition it waits for the end."""

    def __init__(self, cuts: Cuts, *, latency_frames: int = 7) -> None:
        self.latency_frames = latency_frames
        self.num_final = 0
        self._cuts, self._num_fed = cuts, 0

    @property
    def least_latency_frames(self) -> int:
        return min(self.latency_frames, HARD_LATENCY_FRAMES)

    def cuts_ahead(self) -> tuple[Cuts, int]:
        final = max(self.num_final, self._num_fed - self.least_latency_frames)
        return Cuts(tuple(cut for cut in self._cuts.hard if self.num_final <= cut < final), ()), final

    def no_cut_until(self, frame: int) -> int:
        return min((cut for cut in self._cuts.hard if cut > frame), default=self._num_fed)

    def feed(self, thumbnails: np.ndarray, times_s: np.ndarray | None = None) -> Cuts:
        assert times_s is None or len(times_s) == len(thumbnails)
        self._num_fed += len(thumbnails)
        final = max(0, self._num_fed - self.latency_frames)
        for span in sorted(self._cuts.gradual):
            if span.start_frame < final < span.end_frame + self.latency_frames:
                final = span.start_frame
        return self._until(final)

    def finish(self) -> Cuts:
        return self._until(1 << 30)

    def _until(self, final: int) -> Cuts:
        before, self.num_final = self.num_final, max(final, self.num_final)
        hard = (cut for cut in self._cuts.hard if before <= cut < self.num_final)
        gradual = (span for span in self._cuts.gradual if before <= span.start_frame < self.num_final)
        return Cuts(tuple(hard), tuple(gradual))


def thumbnails(num_frames: int) -> np.ndarray:
    """Pictures that only count."""
    return np.zeros((num_frames, 27, 48, 3), np.uint8)


def splitter_of(extractor: ExtractorStage, finder: CutFinder | None = None) -> ClipSplitter:
    """A splitter by an extractor's rules, with any finder of cuts."""
    return ClipSplitter(extractor.clip_rules(), finder)


def split_of(extractor: ExtractorStage, times_s: np.ndarray, cuts: Cuts | None = None) -> Split:
    """The split of a whole video by known cuts; None for clips by the clock."""
    splitter = splitter_of(extractor, None if cuts is None else KnownCuts(cuts))
    return split_whole(splitter, thumbnails(max(0, len(times_s) - 1)), times_s, levels_at(times_s[:-1]))


def levels_at(times_s: np.ndarray) -> np.ndarray:
    """Sound of about half a second between pauses of as long, in dB; it is not known for the fifth minute."""
    levels = np.where(np.sin(times_s * 6.1) > 0, -12.0, -70.0)
    levels[(times_s >= 240) & (times_s < 300)] = np.nan
    return levels
