"""Decoded frames that wait until it is known of which clip they are, and the clips that take them."""

import os
from collections import deque
from dataclasses import dataclass, field

from av.video.frame import VideoFrame

from clipmill.media.encode.clip_encoder import ClipEncoder
from clipmill.records import CutClip, FrameSpan
from clipmill.shots.clip_splitter import ClipSplitter, ClipState, ClipUpdate


@dataclass(frozen=True)
class Seen:
    """A decoded frame with its number in the video, shown at ``pts``, ``time_s`` after the first one."""

    index: int
    frame: VideoFrame
    pts: int
    time_s: float


@dataclass
class GrowingClip:
    """A clip whose end is not known; ``waiting`` are its frames that no encoder has yet."""

    first: Seen
    waiting: list[Seen] = field(default_factory=list[Seen])
    encoder: ClipEncoder | None = None


class WaitingFrames:
    """The latest frames, in order; ``position`` is the first one that was not taken or let go."""

    def __init__(self) -> None:
        self._frames: deque[Seen] = deque()
        self._num_seen = 0

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def position(self) -> int:
        """Its number in the video; that of the next frame to come where none waits."""
        return self._frames[0].index if self._frames else self._num_seen

    @property
    def first(self) -> Seen | None:
        """The frame that waits longest."""
        return self._frames[0] if self._frames else None

    def add(self, frame: VideoFrame, pts: int, time_s: float) -> None:
        """Takes the next frame."""
        self._frames.append(Seen(self._num_seen, frame, pts, time_s))
        self._num_seen += 1

    def take(self, span: FrameSpan) -> list[Seen]:
        """Returns the frames of a span that wait, and lets go of those before it."""
        self.skip_to(span.start_frame)
        taken: list[Seen] = []
        while self._frames and self._frames[0].index < span.end_frame:
            taken.append(self._frames.popleft())
        return taken

    def skip_to(self, frame: int) -> None:
        """Lets go of the frames before ``frame``."""
        while self._frames and self._frames[0].index < frame:
            self._frames.popleft()

    def clear(self) -> None:
        """Lets go of all."""
        self._frames.clear()


class ClipsAhead:
    """Clips that were cut before the detector was sure of them, in order."""

    def __init__(self) -> None:
        self._made: deque[tuple[FrameSpan, CutClip]] = deque()
        self._known = 0

    def guess(self, splitter: ClipSplitter) -> tuple[list[ClipUpdate], int] | None:
        """Returns what ``look_ahead`` does; None where that would say what it said before."""
        known = splitter.num_known
        if known == self._known:
            return None
        self._known = known
        return splitter.look_ahead()

    def add(self, span: FrameSpan, made: CutClip) -> None:
        """Takes a clip that was cut."""
        self._made.append((span, made))

    def settle(self, update: ClipUpdate) -> CutClip | None:
        """Returns the clip of an update if it was cut; deletes those that turn out to be none."""
        self._drop_before(update.span.start_frame)
        is_over = update.state in (ClipState.KEPT, ClipState.DROPPED)
        if not is_over or not self._made or self._made[0][0].start_frame != update.span.start_frame:
            return None
        span, made = self._made.popleft()
        if span == update.span and update.state is ClipState.KEPT:
            return made
        os.unlink(made.path)
        return None

    def drop_rest(self) -> None:
        """Deletes what the end of the video leaves."""
        self._drop_before(None)

    def _drop_before(self, frame: int | None) -> None:
        while self._made and (frame is None or self._made[0][0].start_frame < frame):
            os.unlink(self._made.popleft()[1].path)
