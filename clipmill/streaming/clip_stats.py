"""What a video's clips amount to so far, counted afresh so that no stage has to keep count. Pure."""

from clipmill.records import ClipReason
from clipmill.video import Clip, ClipStats, Video


def clip_stats(video: Video) -> ClipStats:
    """The documents' counts over the clips this object holds; durations include those of filtered clips."""
    stats = ClipStats()
    for clip in (*video.clips, *video.filtered_clips):
        stats.combine(_of_clip(clip))
    return stats


def _of_clip(clip: Clip) -> ClipStats:
    return ClipStats(
        num_filtered_by_motion=int(clip.reason == ClipReason.LOW_MOTION),
        num_filtered_by_aesthetic=int(clip.reason == ClipReason.LOW_AESTHETIC),
        num_passed=int(clip.reason is None),
        num_transcoded=int(clip.file is not None),
        num_with_embeddings=int(clip.embedding is not None),
        num_with_caption=int(any(window.caption for window in clip.windows)),
        num_with_webp=int(any(window.has_preview or window.webp_bytes for window in clip.windows)),
        total_clip_duration=clip.duration,
        max_clip_duration=clip.duration,
    )
