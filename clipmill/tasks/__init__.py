"""The documented data model, at its documented path: a view of what stages found."""

from clipmill.tasks.video import Clip, ClipStats, Video, VideoMetadata, VideoTask

__all__ = ["Clip", "ClipStats", "Video", "VideoMetadata", "VideoTask"]
