"""From the arrays of one pass to the split of a video, with times. Pure."""

from typing import Protocol

import numpy as np

from clipmill import identity
from clipmill.media.contracts import ScanArrays, ScanFacts
from clipmill.models.shot_network import ShotNetwork
from clipmill.plan import Extractor
from clipmill.records import ClipSpan, Cuts, FrameSpan, Shot, Split, VideoReason
from clipmill.stages.video.clipping.clip_extraction_stages import FixedStrideExtractorStage
from clipmill.streaming.detecting import all_cuts, finder_of
from clipmill.streaming.early import early_clips
from clipmill.streaming.parcel import SplitOutcome, TimedDrop, TimedShot
from clipmill.streaming.reel import Reel
from clipmill.timeline import clips_from_shots, fixed_stride_clips, shots_from_cuts


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
    """Splits a video whose arrays come in pieces; says early which clips are certain.

    ``network`` is what a learned extractor looks with.
    """

    def __init__(self, video_id: str, extractor: Extractor, *, network: ShotNetwork | None = None) -> None:
        self._video_id = video_id
        self._extractor = extractor
        has_shots = not isinstance(extractor, FixedStrideExtractorStage)
        self._finder = finder_of(extractor, network) if has_shots else None
        self._early = early_clips(extractor)
        self._cuts = Cuts()
        self._told: list[ClipSpan] = []

    def take(self, piece: ScanArrays, reel: Reel) -> list[ClipSpan]:
        """The clips that the next piece, the last one on the reel, makes certain; ascending."""
        num_final = reel.num_complete
        if self._finder is not None:
            self._add(self._finder.feed(piece.thumbnails))
            num_final = min(num_final, self._finder.num_final)
        found = self._early.tell(self._cuts, num_final, reel.times_s)
        clips = [_clip_span(self._video_id, span, reel, shot_index) for span, shot_index in found]
        self._told += clips
        return clips

    def finish(self, facts: ScanFacts, reel: Reel) -> SplitOutcome:
        """The whole split, once the last piece was taken; it begins with the clips that were told."""
        if self._finder is not None:
            self._add(self._finder.finish())
        outcome = outcome_of(self._video_id, facts, reel, self._extractor, self._cuts)
        if list(outcome.clips[: len(self._told)]) != self._told:
            raise AssertionError(f"clips of {self._video_id} were told that are none")
        return outcome

    @property
    def num_told(self) -> int:
        """Clips that ``take`` gave so far."""
        return len(self._told)

    @property
    def needed_from(self) -> int:
        """No clip that was not told starts before this frame."""
        return self._early.needed_from

    def _add(self, found: Cuts) -> None:
        self._cuts = Cuts(self._cuts.hard + found.hard, self._cuts.gradual + found.gradual)


def split_video(
    video_id: str,
    facts: ScanFacts,
    arrays: ScanArrays,
    extractor: Extractor,
    *,
    network: ShotNetwork | None = None,
) -> SplitOutcome:
    """The shots and clips of a video whose arrays are there as a whole; ``network`` as in ``Splitting``."""
    has_shots = not isinstance(extractor, FixedStrideExtractorStage)
    cuts = all_cuts(finder_of(extractor, network), arrays.thumbnails) if has_shots else Cuts()
    return outcome_of(video_id, facts, arrays, extractor, cuts)


def outcome_of(
    video_id: str, facts: ScanFacts, times: FrameTimes, extractor: Extractor, cuts: Cuts
) -> SplitOutcome:
    """The shots and clips of a video; a video too short for one clip is rejected, and says so."""
    if isinstance(extractor, FixedStrideExtractorStage):
        shots: list[Shot] = []
        split, shot_of_clip = fixed_stride_clips(times.times_s, extractor), ()
    else:
        shots = shots_from_cuts(cuts, num_frames=facts.num_frames)
        split, shot_of_clip = clips_from_shots(shots, times.times_s, extractor)
    rejected = _too_short(split, facts, extractor)
    return SplitOutcome(
        facts=facts,
        reason=VideoReason.TOO_SHORT if rejected else None,
        message=rejected,
        detector=extractor.stage_name.removeprefix("split_"),
        shots=tuple(_timed_shot(shot, times) for shot in shots),
        clips=tuple(clip_spans(video_id, split, times, shot_of_clip)),
        dropped=tuple(TimedDrop(dropped, *_times(dropped.span, times.times_s)) for dropped in split.dropped),
    )


def clip_spans(
    video_id: str, split: Split, arrays: FrameTimes, shot_of_clip: tuple[int, ...] = ()
) -> list[ClipSpan]:
    """The clips of a split with their ids, pts and times."""
    shot_indices = shot_of_clip or (-1,) * len(split.clips)
    return [
        _clip_span(video_id, span, arrays, shot_index)
        for span, shot_index in zip(split.clips, shot_indices, strict=True)
    ]


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


def _too_short(split: Split, facts: ScanFacts, extractor: Extractor) -> str:
    """Why the video itself is too short for any clip; empty when it is not."""
    min_length_s = (
        extractor.min_clip_length_s
        if isinstance(extractor, FixedStrideExtractorStage)
        else extractor.min_length_s
    )
    if split.clips or min_length_s is None or facts.duration_s >= min_length_s:
        return ""
    return f"{facts.duration_s:.2f} s is less than the minimum clip length of {min_length_s:g} s"
