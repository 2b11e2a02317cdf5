"""Clips of a video that are certain before its end was seen. Pure."""

from collections.abc import Iterator

import numpy as np

from clipmill.plan import Extractor
from clipmill.records import Cuts, FrameSpan, Shot
from clipmill.stages.video.clipping.clip_extraction_stages import FixedStrideExtractorStage
from clipmill.stages.video.clipping.content_extraction import ShotClipRules
from clipmill.timeline import (
    TIME_TOLERANCE_S,
    clips_from_shots,
    clips_of_open_shot,
    fixed_stride_clip,
    shots_from_cuts,
)

FoundClip = tuple[FrameSpan, int]
"""A clip, and the number of its shot; -1 without shots."""


class EarlyStrides:
    """Clips by the clock, as the clock goes on. No clip that was not told starts before ``needed_from``."""

    def __init__(self, spec: FixedStrideExtractorStage) -> None:
        self._spec = spec
        self._next_index = 0
        self._last: FrameSpan | None = None
        self._num_told = 0
        self.needed_from = 0

    def tell(self, cuts: Cuts, num_final: int, times_s: np.ndarray) -> list[FoundClip]:
        """The clips that end within the first ``num_final`` frames and were not told; ``cuts`` has none."""
        del cuts
        return [(clip, -1) for clip in self._new(times_s[: num_final + 1])]

    def _new(self, times_s: np.ndarray) -> Iterator[FrameSpan]:
        spec = self._spec
        while len(times_s) > 1:
            start_s = self._next_index * spec.clip_stride_s
            if start_s + spec.clip_len_s > times_s[-1]:
                self.needed_from = int(np.searchsorted(times_s, start_s - TIME_TOLERANCE_S))
                return
            clip = fixed_stride_clip(self._next_index, times_s, spec)
            self._next_index += 1
            if clip is None or clip == self._last or 0 < spec.limit_clips <= self._num_told:
                continue
            self._last = clip
            self._num_told += 1
            yield clip


class EarlyShots:
    """Clips of shots whose end is known, and of the beginning of a shot that is too long for one clip.

    No clip that was not told starts before ``needed_from``.
    """

    def __init__(self, rules: ShotClipRules) -> None:
        self._rules = rules
        self._start_frame = 0  # all clips before it were told
        self._shot_index = 0
        self._num_of_shot = 0  # clips told of the shot that starts there
        self._num_told = 0
        self.needed_from = 0

    def tell(self, cuts: Cuts, num_final: int, times_s: np.ndarray) -> list[FoundClip]:
        """The clips that are certain and were not told.

        ``cuts`` are all found so far; no cut below frame ``num_final`` is still to come.
        """
        times_s = times_s[: num_final + 1]
        if len(times_s) < 2:
            return []
        shots = self._shots(cuts, len(times_s) - 1)
        closed = [shot for shot in shots if shot.span.end_frame < len(times_s) - 1]
        found = self._of_closed(closed, times_s) + self._of_open(shots[len(closed) :], times_s)
        limit = self._rules.limit_clips
        found = found[: max(0, limit - self._num_told)] if limit > 0 else found
        self._num_told += len(found)
        return found

    def _shots(self, cuts: Cuts, num_frames: int) -> list[Shot]:
        """The shots that were not done with; the last one goes on where it ends at ``num_frames``."""
        hard = tuple(cut for cut in cuts.hard if self._start_frame <= cut < num_frames)
        gradual = tuple(span for span in cuts.gradual if span.end_frame >= self._start_frame)
        shots = shots_from_cuts(Cuts(hard, gradual), num_frames=num_frames)
        return [shot for shot in shots if shot.span.start_frame >= self._start_frame]

    def _of_closed(self, shots: list[Shot], times_s: np.ndarray) -> list[FoundClip]:
        if not shots:
            return []
        rules = self._rules.model_copy(update={"limit_clips": -1})
        split, shot_of_clip = clips_from_shots(shots, times_s, rules)
        found = [
            (clip, self._shot_index + index) for clip, index in zip(split.clips, shot_of_clip, strict=True)
        ]
        found = found[self._num_of_shot :]
        self._num_of_shot = 0
        self._shot_index += len(shots)
        self._start_frame = self.needed_from = shots[-1].span.end_frame
        return found

    def _of_open(self, shots: list[Shot], times_s: np.ndarray) -> list[FoundClip]:
        if not shots or (shots[0].span.start_frame == 0 and not self._rules.entire_scene_as_clip):
            return []
        clips = clips_of_open_shot(shots[0].span, times_s, self._rules)
        new = clips[self._num_of_shot :]
        self._num_of_shot += len(new)
        self.needed_from = max([self.needed_from, *(clip.end_frame for clip in new)])
        return [(clip, self._shot_index) for clip in new]


EarlyClips = EarlyStrides | EarlyShots


def early_clips(extractor: Extractor) -> EarlyClips:
    """What tells the clips of one video early."""
    if isinstance(extractor, FixedStrideExtractorStage):
        return EarlyStrides(extractor)
    return EarlyShots(extractor)
