"""The windows of many clips as columns. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from clipmill import identity
from clipmill.planning.plan import Plan
from clipmill.records import ClipSpan, FrameSpan

_COLUMNS = ("clip_id", "start_frame", "end_frame", "start_pts", "end_pts", "start_s", "end_s", "shot_index")


@dataclass(frozen=True)
class WindowPlaces:
    """The windows of clips, clip by clip.

    ``owners`` holds the place of each window's clip; frames ``(W,)`` count from the clip's first.
    """

    ids: pa.Array
    owners: np.ndarray
    start_frames: np.ndarray
    end_frames: np.ndarray

    def any_of_clip(self, flags: np.ndarray, num_clips: int) -> np.ndarray:
        """Returns bool ``(num_clips,)``: the clips with a window whose flag is set."""
        return np.bincount(self.owners[flags], minlength=num_clips) > 0


def window_places(plan: Plan, clips: pa.Table) -> WindowPlaces:
    """Returns the windows of the clips of a split, in their order."""
    ids: list[str] = []
    owners: list[int] = []
    frames: list[tuple[int, int]] = []
    for place, clip in enumerate(_spans(clips)):
        for span in plan.windows_of(clip):
            start, end = span.start_frame, span.end_frame
            ids.append(identity.window_id(clip.clip_id, start, end))
            owners.append(place)
            frames.append((start, end))
    both = np.array(frames, np.int64).reshape(-1, 2)
    return WindowPlaces(pa.array(ids, pa.string()), np.array(owners, np.int64), both[:, 0], both[:, 1])


def _spans(clips: pa.Table) -> Iterator[ClipSpan]:
    columns = (clips[name].to_pylist() for name in _COLUMNS)
    for clip_id, start, end, start_pts, end_pts, start_s, end_s, shot in zip(*columns, strict=True):
        yield ClipSpan(clip_id, FrameSpan(start, end), start_pts, end_pts, start_s, end_s, shot)
