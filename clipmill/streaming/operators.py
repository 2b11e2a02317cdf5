"""What every physical operator is: parcels in, parcels out."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from clipmill.records import ClipReason
from clipmill.streaming.parcel import Parcel
from clipmill.video import Clip, Video


class Operator(Protocol):
    """One step of the physical graph; ``name`` is also where custom stages say they come after."""

    name: str

    def __call__(self, parcels: Sequence[Parcel]) -> Iterator[Parcel]:
        """Work on a batch; give parcels on as soon as they are ready."""
        ...


def reject_clip(video: Video, clip: Clip, reason: ClipReason, *, stage: str, message: str) -> None:
    """Move a clip that a stage could do nothing with to the filtered ones, with why."""
    clip.errors[stage] = message
    filter_clip(video, clip, reason)


def filter_clip(video: Video, clip: Clip, reason: ClipReason) -> None:
    """Move a clip to the filtered ones."""
    clip.reason = reason
    video.clips = [other for other in video.clips if other is not clip]
    video.filtered_clips.append(clip)
