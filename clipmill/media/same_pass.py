"""Cuts clips in THE pass itself: frames wait until it is sure that they are a clip's, then go to its encoder.

Whether it will be long enough is not waited for, where nothing was seen that ends it before: one that turns
out too short leaves no file. Gives the bytes that ``cut_clips`` gives, without decoding anything again.
Waiting frames are bounded: where they would take more than ``ring_bytes``, this ends, and clips are cut as if
it had never begun.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from dataclasses import astuple, dataclass, replace

import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from clipmill import identity
from clipmill.errors import ClipmillError
from clipmill.media.clip_audio import AudioSource
from clipmill.media.clip_deciders import ClipDecider
from clipmill.media.clip_facts import read_clip
from clipmill.media.contracts import CutClip, ScanFacts, ScanPlan
from clipmill.media.encode import ClipEncoder, EncodeOptions, encode_options
from clipmill.media.heap import keep_large_blocks_apart
from clipmill.media.probe import quarter_turns_deg
from clipmill.media.scan import scan
from clipmill.media.source import CountingReader, open_source
from clipmill.media.upright import Upright
from clipmill.records import ClipSpan, FrameSpan
from clipmill.specs import LimitsSpec
from clipmill.stages.video.clipping.clip_extraction_stages import ClipTranscodingStage
from clipmill.timeline import TIME_TOLERANCE_S

RING_BYTES = 330 << 20
"""What the content detector needs of 720p to be sure of dissolves, at up to 60 frames a second."""


@dataclass(frozen=True)
class SamePass:
    """What clips are cut with while their video is scanned."""

    video_id: str
    decider: ClipDecider
    spec: ClipTranscodingStage
    out_dir: str
    ring_bytes: int = RING_BYTES


@dataclass(frozen=True)
class SamePassClips:
    """The clips that were cut in the pass; ``gave_up`` says why there are no more."""

    clips: tuple[CutClip, ...]
    gave_up: str = ""


@dataclass(frozen=True)
class _Seen:
    index: int
    frame: VideoFrame
    pts: int
    time_s: float


class _Growing:
    """A clip whose end is not known; its frames wait in ``waiting`` until it will probably be long enough."""

    def __init__(self, number: int, first: _Seen) -> None:
        self.number = number
        self.first = first
        self.waiting: list[_Seen] = []
        self.encoder: ClipEncoder | None = None


def scan_and_cut(
    uri: str, plan: ScanPlan, spool_dir: str, wanted: SamePass | None, *, limits: LimitsSpec
) -> tuple[ScanFacts, SamePassClips]:
    """``scan``, and the clips that could be cut on the way; those of a damaged video get a pass of their own.

    Errors are those of ``scan``: what fails at a clip is tried again by who cuts the clips that are missing.
    """
    if wanted is None:
        return scan(uri, plan, spool_dir, limits=limits), SamePassClips(())
    with closing(SamePassCutter(uri, wanted)) as cutter:
        facts = scan(uri, plan, spool_dir, limits=limits, consumer=cutter)
        if facts.is_partial:
            return facts, SamePassClips((), "the video is damaged")
        return facts, SamePassClips(tuple(cutter.clips), cutter.gave_up)


class SamePassCutter:
    """Takes every frame of a scan and encodes those of clips. ``clips`` holds the finished ones."""

    def __init__(self, uri: str, wanted: SamePass) -> None:
        self.clips: list[CutClip] = []
        self.gave_up = ""
        self._uri, self._wanted = uri, wanted
        self._stack = ExitStack()
        self._ring: deque[_Seen] = deque()
        self._current: _Growing | None = None
        self._upright = Upright()
        self._num_seen = self._num_begun = 0
        self._source: tuple[CountingReader, InputContainer, VideoStream] | None = None
        self._options: EncodeOptions | None = None
        self._audio: AudioSource | None = None
        os.makedirs(wanted.out_dir, exist_ok=True)

    def begin(self, reader: CountingReader, container: InputContainer, stream: VideoStream) -> None:
        """A pass begins. Where one was begun before, its pictures were another decoder's."""
        if self._source is not None:
            self.clips.clear()
            self._give_up("the pass was begun again")
        self._source = reader, container, stream

    def see(self, frame: VideoFrame, pts: int, time_s: float, thumbnail: np.ndarray | None) -> None:
        """The next frame, shown at ``pts``, ``time_s`` after the first one."""
        if self.gave_up:
            return
        frame_bytes = sum(plane.buffer_size for plane in frame.planes)
        if self._options is None:
            self._check_room(self._wanted.decider.latency_frames, frame_bytes)  # before any of them waits
            if self.gave_up:
                return
            self._options = self._open(frame)
        self._ring.append(_Seen(self._num_seen, frame, pts, time_s))
        self._num_seen += 1
        self._place_all(self._wanted.decider.take(time_s, thumbnail))
        num_waiting = len(self._ring) + (len(self._current.waiting) if self._current else 0)
        self._check_room(num_waiting, frame_bytes)

    def end(self, pts: int, time_s: float) -> None:
        """The last frame ends at ``pts``, ``time_s`` after the first one began."""
        if self.gave_up:
            return
        self._place_all(self._wanted.decider.finish(time_s))
        self._end_current(self._num_seen, pts, time_s)

    def close(self) -> None:
        """Let go of everything; an unfinished clip leaves no file."""
        self._drop_current()
        self._ring.clear()
        self._stack.close()

    def _open(self, first: VideoFrame) -> EncodeOptions:
        """How clips are encoded. The sound is read by a reader of its own, behind the pictures."""
        assert self._source is not None
        keep_large_blocks_apart()
        reader, container, stream = self._source
        if not self._wanted.spec.strip_audio:
            sound = self._stack.enter_context(open_source(self._uri))
            self._audio = self._stack.enter_context(closing(AudioSource(sound)))
        rotation_deg = quarter_turns_deg(first.rotation)
        return encode_options(
            self._wanted.spec, container, stream, size_bytes=reader.size_bytes, rotation_deg=rotation_deg
        )

    def _place_all(self, numbers: Iterable[int | None]) -> None:
        """Hand frames that wait longest to their clips, up to one that fails: then none wait any more."""
        for number in numbers:
            if self.gave_up:
                return
            self._place(self._ring.popleft(), number)
        if self._current:
            self._flush_if_long(self._current, until_s=self._wanted.decider.expected_end_s)

    def _place(self, seen: _Seen, number: int | None) -> None:
        if self._current and self._current.number != number:
            self._end_current(seen.index, seen.pts, seen.time_s)
        if number is None or self.gave_up:
            return
        self._current = self._current or _Growing(number, seen)
        self._current.waiting.append(seen)

    def _flush_if_long(self, clip: _Growing, *, until_s: float) -> None:
        """Encode what waits, if a clip up to there is long enough and not one too many."""
        limit = self._wanted.decider.limit_clips
        is_over = clip.encoder is None and 0 < limit <= self._num_begun
        if is_over:
            clip.waiting.clear()
        elif self._is_long(clip, until_s):
            self._guarded(lambda: self._flush(clip))

    def _is_long(self, clip: _Growing, until_s: float) -> bool:
        return until_s - clip.first.time_s >= self._wanted.decider.min_length_s - TIME_TOLERANCE_S

    def _flush(self, clip: _Growing) -> None:
        if clip.encoder is None:
            self._num_begun += 1
            clip.encoder = self._encoder(clip.first)
        waiting, clip.waiting = clip.waiting, []
        for seen in waiting:
            clip.encoder.write(self._upright(seen.frame), pts=seen.pts)

    def _encoder(self, first: _Seen) -> ClipEncoder:
        assert self._options is not None
        path = os.path.join(self._wanted.out_dir, f"{first.index}.mp4")
        open_ended = self._span(first, first.index + 1, first.pts, first.time_s)
        return ClipEncoder(path, open_ended, self._options, audio=self._audio)

    def _end_current(self, end_frame: int, end_pts: int, end_s: float) -> None:
        if self._current:
            self._flush_if_long(self._current, until_s=end_s)
        clip = self._current
        if clip and clip.encoder and not self._is_long(clip, end_s):
            self._num_begun -= 1
            self._drop_current()
        elif clip and clip.encoder:
            encoder = clip.encoder
            encoder.clip = self._span(clip.first, end_frame, end_pts, end_s)
            self._guarded(lambda: self._finish(encoder))
        self._current = None

    def _finish(self, encoder: ClipEncoder) -> None:
        encoder.finish()
        clip = encoder.clip
        record = read_clip(
            encoder.path, clip_id=clip.clip_id, clip_mode="encode", mode_reason="", file_start_s=clip.start_s
        )
        self.clips.append(replace(record, crop=encoder.geometry and astuple(encoder.geometry.shown)))

    def _span(self, first: _Seen, end_frame: int, end_pts: int, end_s: float) -> ClipSpan:
        frames = FrameSpan(first.index, end_frame)
        clip_id = identity.clip_id(self._wanted.video_id, first.index, end_frame)
        return ClipSpan(clip_id, frames, first.pts, end_pts, first.time_s, end_s)

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (FFmpegError, ValueError, ClipmillError) as error:
            self._give_up(f"a clip failed: {error}")

    def _check_room(self, num_waiting: int, frame_bytes: int) -> None:
        if num_waiting * frame_bytes > self._wanted.ring_bytes:
            self._give_up(f"{num_waiting} frames wait, more than {self._wanted.ring_bytes} bytes")

    def _give_up(self, reason: str) -> None:
        self.gave_up = reason
        self._drop_current()
        self._ring.clear()

    def _drop_current(self) -> None:
        if self._current and self._current.encoder:
            self._current.encoder.abandon()
        self._current = None
