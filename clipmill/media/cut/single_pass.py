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
from functools import partial

import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from clipmill import identity
from clipmill.errors import ClipmillError
from clipmill.limits import LimitsSpec
from clipmill.media.cut.clip_facts import read_clip
from clipmill.media.decode.pixel_shape import PixelShape
from clipmill.media.encode.availability import keeps_hdr
from clipmill.media.encode.clip_encoder import ClipEncoder, SourceEncoding, source_encoding
from clipmill.media.frames.orient_filter import Upright
from clipmill.media.io.probe import quarter_turns_deg
from clipmill.media.io.source import CountingReader
from clipmill.media.scan.scan import scan
from clipmill.media.sound.clip_sound import ClipAudio
from clipmill.media.sound.source import AudioSource
from clipmill.media.types import ScanFacts, ScanPlan
from clipmill.records import ClipSpan, CutClip, FrameSpan, SourceFile
from clipmill.sandbox.malloc import keep_large_blocks_apart
from clipmill.shots.clip_splitter import ClipSplitter, ClipState, ClipUpdate
from clipmill.stages.decoder import Deinterlace
from clipmill.stages.encode_options import EncodeOptions

RING_BYTES = 330 << 20
"""What the content detector needs of 720p to be sure of dissolves, at up to 36 frames a second."""


@dataclass(frozen=True)
class SamePass:
    """What clips are cut with while their video is scanned."""

    video_id: str
    splitter: ClipSplitter
    options: EncodeOptions
    out_dir: str
    ring_bytes: int = RING_BYTES
    deinterlace: Deinterlace = "auto"


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

    def __init__(self, first: _Seen) -> None:
        self.first = first
        self.waiting: list[_Seen] = []
        self.encoder: ClipEncoder | None = None


def scan_and_cut(
    source: SourceFile | str,
    plan: ScanPlan,
    spool_dir: str,
    wanted: SamePass | None,
    *,
    limits: LimitsSpec,
) -> tuple[ScanFacts, SamePassClips]:
    """``scan``, and the clips that could be cut on the way; those of a damaged video get a pass of their own.

    Errors are those of ``scan``: what fails at a clip is tried again by who cuts the clips that are missing.
    """
    if wanted is None:
        return scan(source, plan, spool_dir, limits=limits), SamePassClips(())
    with closing(SamePassCutter(wanted)) as cutter:
        facts = scan(source, plan, spool_dir, limits=limits, consumer=cutter)
        if facts.is_partial:
            return facts, SamePassClips((), "the video is damaged")
        if facts.clock_jumps:
            return facts, SamePassClips((), "the clock of the video jumps")
        return facts, SamePassClips(tuple(cutter.clips), cutter.gave_up)


class SamePassCutter:
    """Takes every frame of a scan and encodes those of clips. ``clips`` holds the finished ones."""

    def __init__(self, wanted: SamePass) -> None:
        self.clips: list[CutClip] = []
        self.gave_up = ""
        self._wanted = wanted
        self._stack = ExitStack()
        self._ring: deque[_Seen] = deque()
        self._current: _Growing | None = None
        self._upright = Upright(lambda: keeps_hdr(wanted.options))
        self._num_seen = 0
        self._end = 0, 0.0  # of the video
        self._source: tuple[CountingReader, InputContainer, VideoStream] | None = None
        self._encoding: SourceEncoding | None = None
        self._shape: PixelShape | None = None
        self._audio: ClipAudio | None = None
        os.makedirs(wanted.out_dir, exist_ok=True)

    def begin(self, reader: CountingReader, container: InputContainer, stream: VideoStream) -> None:
        """A pass begins. Where one was begun before, its pictures were another decoder's."""
        if self._source is not None:
            self.clips.clear()
            self._give_up("the pass was begun again")
        self._source = reader, container, stream
        self._shape = PixelShape(container, stream)

    def see(
        self,
        frame: VideoFrame,
        pts: int,
        time_s: float,
        thumbnail: np.ndarray | None,
        level: float | None = None,
    ) -> None:
        """The next frame, shown at ``pts``, ``time_s`` after the first one."""
        if self.gave_up:
            return
        frame_bytes = sum(plane.buffer_size for plane in frame.planes)
        if self._encoding is None:
            self._check_room(self._wanted.splitter.latency_frames, frame_bytes)  # before any of them waits
            if self.gave_up:
                return
            self._encoding = self._open(frame)
        if self._shape is not None and self._shape.see_packet(None):
            self._give_up("the shape of its pixels changes")
            return
        self._ring.append(_Seen(self._num_seen, frame, pts, time_s))
        self._num_seen += 1
        thumbnails = None if thumbnail is None else thumbnail[None]
        levels = None if level is None else np.array([level])
        self._follow(self._wanted.splitter.feed(thumbnails, np.array([time_s]), levels))
        num_waiting = len(self._ring) + (len(self._current.waiting) if self._current else 0)
        self._check_room(num_waiting, frame_bytes)

    def end(self, pts: int, time_s: float) -> None:
        """The last frame ends at ``pts``, ``time_s`` after the first one began."""
        if self.gave_up:
            return
        self._end = pts, time_s
        self._follow(self._wanted.splitter.finish(time_s))

    def close(self) -> None:
        """Let go of everything; an unfinished clip leaves no file."""
        self._drop_current()
        self._ring.clear()
        self._stack.close()

    def _open(self, first: VideoFrame) -> SourceEncoding:
        """How clips are encoded. The sound is read behind the pictures, by a reader of its own."""
        assert self._source is not None
        keep_large_blocks_apart()
        reader, container, stream = self._source
        if not self._wanted.options.strip_audio:
            sound = self._stack.enter_context(reader.again())
            audio = self._stack.enter_context(closing(AudioSource(sound)))
            self._audio = ClipAudio(audio, self._wanted.options.audio)
        rotation_deg = quarter_turns_deg(first.rotation)
        return source_encoding(
            self._wanted.options,
            container,
            stream,
            size_bytes=reader.size_bytes,
            rotation_deg=rotation_deg,
            deinterlace=self._wanted.deinterlace,
        )

    def _follow(self, updates: Iterable[ClipUpdate]) -> None:
        """Hand frames that wait longest to their clips, up to one that fails: then none wait any more."""
        for update in updates:
            self._gather(update.span)
            self._guarded(partial(self._apply, update))
            if self.gave_up:
                return
        self._skip_to(self._wanted.splitter.num_decided)

    def _gather(self, span: FrameSpan) -> None:
        """Hand the frames of a clip to it that it does not have yet."""
        self._skip_to(span.start_frame)
        while self._ring and self._ring[0].index < span.end_frame:
            seen = self._ring.popleft()
            self._current = self._current or _Growing(seen)
            self._current.waiting.append(seen)

    def _skip_to(self, frame: int) -> None:
        """Let go of frames that are in no clip."""
        while self._ring and self._ring[0].index < frame:
            self._ring.popleft()

    def _apply(self, update: ClipUpdate) -> None:
        if update.state is ClipState.DROPPED:
            self._drop_current()
            return
        assert self._current is not None
        if update.state is not ClipState.GROWING:
            self._flush(self._current)
        if update.state is ClipState.KEPT:
            self._finish(self._current, update.span.end_frame)
            self._current = None

    def _flush(self, clip: _Growing) -> None:
        """Encode what waits."""
        clip.encoder = clip.encoder or self._encoder(clip.first)
        waiting, clip.waiting = clip.waiting, []
        for seen in waiting:
            clip.encoder.write(seen.frame, pts=seen.pts)

    def _encoder(self, first: _Seen) -> ClipEncoder:
        assert self._encoding is not None
        path = os.path.join(self._wanted.out_dir, f"{first.index}.mp4")
        open_ended = self._span(first, first.index + 1, first.pts, first.time_s)
        return ClipEncoder(path, open_ended, self._encoding, upright=self._upright, audio=self._audio)

    def _finish(self, growing: _Growing, end_frame: int) -> None:
        """End a clip before the frame that waits longest, or at the end of the video."""
        assert growing.encoder is not None
        encoder = growing.encoder
        end_pts, end_s = (self._ring[0].pts, self._ring[0].time_s) if self._ring else self._end
        clip = encoder.clip = self._span(growing.first, end_frame, end_pts, end_s)
        encoder.finish()
        record = read_clip(
            encoder.path,
            clip_id=clip.clip_id,
            clip_mode="encode",
            mode_reason="",
            file_start_s=clip.start_s,
            sound=encoder.sound,
            pictures=encoder.pictures,
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
