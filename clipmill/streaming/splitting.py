"""From the arrays of one pass to the split of a video, with times. Pure."""

import numpy as np

from clipmill import identity
from clipmill.media.contracts import ScanArrays, ScanFacts
from clipmill.models.shot_network import ShotNetwork
from clipmill.plan import Extractor
from clipmill.records import ClipSpan, FrameSpan, Shot, Split, VideoReason
from clipmill.stages.video.clipping.clip_extraction_stages import FixedStrideExtractorStage
from clipmill.streaming.detecting import all_cuts, finder_of
from clipmill.streaming.parcel import SplitOutcome, TimedDrop, TimedShot
from clipmill.timeline import clips_from_shots, fixed_stride_clips, shots_from_cuts


def split_video(
    video_id: str,
    facts: ScanFacts,
    arrays: ScanArrays,
    extractor: Extractor,
    *,
    network: ShotNetwork | None = None,
) -> SplitOutcome:
    """The shots and clips of a video; a video too short for one clip is rejected, and says so.

    ``network`` is what a learned extractor looks with.
    """
    if isinstance(extractor, FixedStrideExtractorStage):
        shots: list[Shot] = []
        split, shot_of_clip = fixed_stride_clips(arrays.times_s, extractor), ()
    else:
        cuts = all_cuts(finder_of(extractor, network), arrays.thumbnails)
        shots = shots_from_cuts(cuts, num_frames=facts.num_frames)
        split, shot_of_clip = clips_from_shots(shots, arrays.times_s, extractor)
    rejected = _too_short(split, facts, extractor)
    return SplitOutcome(
        facts=facts,
        reason=VideoReason.TOO_SHORT if rejected else None,
        message=rejected,
        detector=extractor.stage_name.removeprefix("split_"),
        shots=tuple(_timed_shot(shot, arrays) for shot in shots),
        clips=tuple(clip_spans(video_id, split, arrays, shot_of_clip)),
        dropped=tuple(TimedDrop(dropped, *_times(dropped.span, arrays.times_s)) for dropped in split.dropped),
    )


def clip_spans(
    video_id: str, split: Split, arrays: ScanArrays, shot_of_clip: tuple[int, ...] = ()
) -> list[ClipSpan]:
    """The clips of a split with their ids, pts and times."""
    shot_indices = shot_of_clip or (-1,) * len(split.clips)
    return [
        _clip_span(video_id, span, arrays, shot_index)
        for span, shot_index in zip(split.clips, shot_indices, strict=True)
    ]


def _clip_span(video_id: str, span: FrameSpan, arrays: ScanArrays, shot_index: int) -> ClipSpan:
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


def _timed_shot(shot: Shot, arrays: ScanArrays) -> TimedShot:
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
