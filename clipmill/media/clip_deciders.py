"""Which clip each frame is in, said while frames come: the rules of ``clipmill.timeline``."""

from array import array
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import floor
from typing import Protocol

import numpy as np

from clipmill.records import Cuts
from clipmill.shots.streaming import CutFinder
from clipmill.stages.video.clipping.clip_extraction_stages import FixedStrideExtractorStage
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage
from clipmill.timeline import TIME_TOLERANCE_S


class ClipDecider(Protocol):
    """Says which clip a frame is in, in the order of frames, as soon as that is known.

    Clips are numbered upwards; None is between two. Those shorter than ``min_length_s`` are none, and beyond
    the first ``limit_clips`` (where positive) there are none. What is told of a frame waits for at least
    ``latency_frames`` more.
    """

    min_length_s: float
    limit_clips: int
    latency_frames: int

    @property
    def expected_end_s(self) -> float:
        """How long, from the video's first frame on, the clip of the frame told last will probably go on.

        Nothing was seen before that ends it.
        """
        ...

    def take(self, time_s: float, thumbnail: np.ndarray | None) -> Sequence[int | None]:
        """One frame more, ``time_s`` after the first: what is known now of frames of which nothing was."""
        ...

    def finish(self, end_s: float) -> Sequence[int | None]:
        """The last frame ends at ``end_s``: the clips of all frames that are left."""
        ...


class StrideDecider:
    """Clips by the clock; they must not overlap."""

    def __init__(self, spec: FixedStrideExtractorStage) -> None:
        self.min_length_s = spec.min_clip_length_s
        self.limit_clips = spec.limit_clips
        self.latency_frames = 0
        self._spec = spec
        self._number = 0

    @property
    def expected_end_s(self) -> float:
        """As the clock has it; the video may end before."""
        return self._number * self._spec.clip_stride_s + self._spec.clip_len_s

    def take(self, time_s: float, thumbnail: np.ndarray | None) -> Sequence[int | None]:
        """The clip of this frame: nothing that comes later changes it."""
        number = self._number = floor((time_s + TIME_TOLERANCE_S) / self._spec.clip_stride_s)
        is_inside = time_s + TIME_TOLERANCE_S - number * self._spec.clip_stride_s < self._spec.clip_len_s
        return (number if is_inside else None,)

    def finish(self, end_s: float) -> Sequence[int | None]:
        """Nothing is left."""
        return ()


@dataclass
class _OpenShot:
    """A shot from frame ``start`` on; ``end`` is None until it is known, ``core_s`` until a clip begins."""

    start: int
    end: int | None = None
    core_s: float | None = None


class ContentDecider:
    """Clips of shots found by content; what is told of a frame waits for ``CutFinder``."""

    def __init__(self, spec: ContentClipExtractionStage) -> None:
        self.min_length_s = spec.min_length_s or 0.0
        self.limit_clips = max(0, spec.limit_clips)
        self._spec = spec
        self._crop_s = spec.crop_s or 0.0
        self._finder = finder = CutFinder(spec)
        self.latency_frames = finder.latency_frames if spec.find_gradual else finder.hard_latency_frames
        self._times_s = array("d")
        self._shots: deque[_OpenShot] = deque([_OpenShot(0)])
        self._num_told = 0
        self._last_piece: tuple[int, int] | None = None
        self._number = -1

    @property
    def expected_end_s(self) -> float:
        """Where a hard cut was seen, or none up to there: a gradual transition may come before."""
        frame = min(self._finder.no_cut_until(self._num_told - 1), len(self._times_s) - 1)
        return self._times_s[frame] - self._crop_s

    def take(self, time_s: float, thumbnail: np.ndarray | None) -> Sequence[int | None]:
        """Frames up to the crop before the last one that no cut can come before any more."""
        assert thumbnail is not None
        self._times_s.append(time_s)
        self._note(self._finder.feed(thumbnail[None]))
        final = min(self._finder.num_final, len(self._times_s) - 1)
        return self._told(known_until=final, end_s=self._times_s[final])

    def finish(self, end_s: float) -> Sequence[int | None]:
        """All that are left."""
        num_frames = len(self._times_s)
        self._times_s.append(end_s)
        self._note(self._finder.finish())
        self._shots[-1].end = num_frames
        return self._told(known_until=num_frames, end_s=end_s)

    def _note(self, cuts: Cuts) -> None:
        """New edges of shots: a cut ends one and begins the next, within a range there is none."""
        ranges = [(span.start_frame, span.end_frame) for span in cuts.gradual]
        for end, start in sorted([*ranges, *((cut, cut) for cut in cuts.hard)]):
            if end > self._shots[-1].start:
                self._shots[-1].end = end
                self._shots.append(_OpenShot(start))
            else:  # a range that touches what ended the shot before
                self._shots[-1].start = max(start, self._shots[-1].start)

    def _told(self, *, known_until: int, end_s: float) -> list[int | None]:
        told: list[int | None] = []
        while self._num_told < known_until:
            shot = self._shot_of(self._num_told)
            if shot is None:
                told.append(None)
            else:
                shot_end_s = end_s if shot.end is None else self._times_s[shot.end]
                clip = self._clip_of(shot, self._num_told, shot_end_s)
                if clip is None and shot.end is None and self._may_be_inside(shot, self._num_told):
                    break
                told.append(clip)
            self._num_told += 1
        return told

    def _may_be_inside(self, shot: _OpenShot, frame: int) -> bool:
        """Whether a frame of a shot without end is in no clip only because it may be near the end."""
        is_cropped = self._times_s[frame] < self._times_s[shot.start] + self._crop_s - TIME_TOLERANCE_S
        is_truncated = self._spec.max_length_mode == "truncate" and self._piece(shot, frame) > 0
        return not is_cropped and not is_truncated

    def _piece(self, shot: _OpenShot, frame: int) -> int:
        """Which of the consecutive clips of a shot a frame is in."""
        if shot.core_s is None or not self._spec.max_length_s:
            return 0
        return floor((self._times_s[frame] + TIME_TOLERANCE_S - shot.core_s) / self._spec.max_length_s)

    def _shot_of(self, frame: int) -> _OpenShot | None:
        """The shot of a frame; None within a transition."""
        while self._shots[0].end is not None and frame >= self._shots[0].end and len(self._shots) > 1:
            self._shots.popleft()
        shot = self._shots[0]
        return shot if shot.start <= frame and (shot.end is None or frame < shot.end) else None

    def _clip_of(self, shot: _OpenShot, frame: int, shot_end_s: float) -> int | None:
        """The number of the clip of a frame of a shot; None where the shot is cropped or truncated."""
        time_s, slack_s = self._times_s[frame], TIME_TOLERANCE_S
        core_s = self._times_s[shot.start] + self._crop_s
        if not core_s - slack_s <= time_s < shot_end_s - self._crop_s - slack_s:
            return None
        if shot.core_s is None:
            shot.core_s = time_s
        piece = self._piece(shot, frame)
        if piece and self._spec.max_length_mode == "truncate":
            return None
        if (shot.start, piece) != self._last_piece:
            self._last_piece = shot.start, piece
            self._number += 1
        return self._number
