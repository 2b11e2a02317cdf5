"""Counts of the clips of a video. Pure."""

from clipmill.tasks.video import Clip, ClipStats, Video

MOTION_REASON, AESTHETIC_REASON = "low_motion", "low_aesthetic"
"""Reasons that the documented counts tell apart."""


def clip_stats(video: Video) -> ClipStats:
    """Returns the documented counts over a video's clips; durations include those of filtered clips."""
    stats = ClipStats()
    for clip in (*video.clips, *video.filtered_clips):
        stats.combine(_of_clip(clip))
    return stats


def _of_clip(clip: Clip) -> ClipStats:
    return ClipStats(
        num_filtered_by_motion=int(clip.reason == MOTION_REASON),
        num_filtered_by_aesthetic=int(clip.reason == AESTHETIC_REASON),
        num_passed=int(clip.reason is None),
        num_transcoded=int(clip.file is not None),
        num_with_embeddings=int(clip.embedding is not None),
        num_with_caption=int(any(window.caption for window in clip.windows)),
        num_with_webp=int(any(window.preview_path or window.webp_bytes for window in clip.windows)),
        total_clip_duration=clip.duration,
        max_clip_duration=clip.duration,
    )
