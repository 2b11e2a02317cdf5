"""From the arrays of one pass to the split of a video, with times. Pure."""

from typing import Protocol

import numpy as np

from clipmill import identity
from clipmill.media.types import ScanArrays, ScanFacts
from clipmill.planning.nodes import Node
from clipmill.records import CLOCK_ROUNDING_S, ClipSpan, FrameSpan, Shot, Split, VideoReason
from clipmill.shots.clip_splitter import ClipSplitter, ClipState
from clipmill.stages.base import Failed, StageContext
from clipmill.stages.roles import ExtractorStage
from clipmill.state.split_outcome import SplitOutcome, TimedDamage, TimedDrop, TimedShot


class FrameTimes(Protocol):
    """When the frames of a whole video are shown: ``pts`` and ``times_s`` as in ScanArrays."""

    @property
    def pts(self) -> np.ndarray:
        """Int64 ``(N + 1,)``."""
        ...

    @property
    def times_s(self) -> np.ndarray:
        """Float64 ``(N + 1,)``."""
        ...


class Splitting:
    """Splits a video whose arrays come in pieces; says early which clips are certain."""

    def __init__(self, video_id: str, extractor: Node, context: StageContext | None) -> None:
        assert isinstance(extractor.stage, ExtractorStage)
        self._video_id = video_id
        self._extractor = extractor
        self._splitter = ClipSplitter(extractor.stage.clip_rules(), extractor.stage.finder(context))
        self.num_told = 0

    def take(self, piece: ScanArrays, times: FrameTimes) -> list[ClipSpan]:
        """The clips that the next piece makes certain, ascending; ``times`` are of all frames so far."""
        levels = piece.levels if len(piece.levels) else None
        updates = self._splitter.feed(piece.thumbnails, piece.times_s[: len(piece.is_key)], levels)
        kept = [update for update in updates if update.state is ClipState.KEPT]
        self.num_told += len(kept)
        return [_clip_span(self._video_id, clip.span, times, clip.shot_index) for clip in kept]

    def finish(self, facts: ScanFacts, times: FrameTimes) -> SplitOutcome:
        """The whole split, once the last piece was taken; it begins with the clips that were emitted."""
        self._splitter.finish(float(times.times_s[-1]))
        return outcome_of(self._video_id, facts, times, self._extractor, self._splitter.split())

    @property
    def needed_from(self) -> int:
        """No clip that is still to be emitted starts before this frame."""
        return self._splitter.needed_from


def outcome_of(
    video_id: str, facts: ScanFacts, times: FrameTimes, extractor: Node, split: Split
) -> SplitOutcome:
    """A split with times and ids; a video too short for one clip is rejected, and says so."""
    too_short = _too_short(split, facts, extractor)
    found = zip(split.clips, split.shot_of_clip, strict=True)
    return SplitOutcome(
        facts=facts,
        failed=Failed("final", VideoReason.TOO_SHORT, too_short) if too_short else None,
        detector=extractor.key,
        shots=tuple(_timed_shot(shot, times) for shot in split.shots),
        clips=tuple(_clip_span(video_id, span, times, shot_index) for span, shot_index in found),
        dropped=tuple(TimedDrop(dropped, *_times(dropped.span, times.times_s)) for dropped in split.dropped),
        damaged=tuple(TimedDamage(one, float(times.times_s[one.start_frame])) for one in facts.damaged),
    )


def _clip_span(video_id: str, span: FrameSpan, arrays: FrameTimes, shot_index: int) -> ClipSpan:
    start_s, end_s = _times(span, arrays.times_s)
    return ClipSpan(
        clip_id=identity.clip_id(video_id, span.start_frame, span.end_frame),
        frames=span,
        start_pts=int(arrays.pts[span.start_frame]),
        end_pts=int(arrays.pts[span.end_frame]),
        start_s=start_s,
        end_s=end_s,
        shot_index=shot_index,
    )


def _timed_shot(shot: Shot, arrays: FrameTimes) -> TimedShot:
    start_s, end_s = _times(shot.span, arrays.times_s)
    before = shot.gradual_before
    gradual_s = _times(before, arrays.times_s) if before else (None, None)
    return TimedShot(
        shot,
        int(arrays.pts[shot.span.start_frame]),
        int(arrays.pts[shot.span.end_frame]),
        start_s,
        end_s,
        *gradual_s,
    )


def _times(span: FrameSpan, times_s: np.ndarray) -> tuple[float, float]:
    return float(times_s[span.start_frame]), float(times_s[span.end_frame])


def _too_short(split: Split, facts: ScanFacts, extractor: Node) -> str:
    """Returns why the video itself is too short for any clip; empty when it is not."""
    assert isinstance(extractor.stage, ExtractorStage)
    min_length_s = extractor.stage.length_bounds()[0]
    if split.clips or min_length_s is None or facts.duration_s >= min_length_s - CLOCK_ROUNDING_S:
        return ""
    cause = f"; the file is damaged or cut off: {facts.partial_reason}" if facts.partial_reason else ""
    return f"{facts.duration_s:.3f} s is less than the minimum clip length of {min_length_s:g} s{cause}"
