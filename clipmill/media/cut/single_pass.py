"""Cuts clips in THE pass itself: frames wait until it is sure that they are a clip's, then go to its encoder.

Whether it will be long enough is not waited for, where nothing was seen that ends it before: one that turns
out too short leaves no file. Gives the bytes that ``cut_clips`` gives, without decoding anything again.
Waiting frames are bounded. Where those that the detector waits for would take more than ``ring_bytes``, clips
are cut as if no gradual transition came; those that one does change are left to ``cut_clips``. Where even
hard cuts need too much, this ends, and clips are cut as if it had never begun.
"""

import os
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
from clipmill.media.cut.clip_facts import read_clip
from clipmill.media.cut.reencode import said
from clipmill.media.cut.waiting_frames import ClipsAhead, GrowingClip, Seen, WaitingFrames
from clipmill.media.decode.pixel_shape import PixelShape
from clipmill.media.encode.availability import keeps_hdr
from clipmill.media.encode.clip_encoder import ClipEncoder, SourceEncoding, source_encoding
from clipmill.media.frames.fields import aspect_in
from clipmill.media.frames.orient_filter import Upright, upright_sar
from clipmill.media.io.container import pixel_aspect
from clipmill.media.io.probe import quarter_turns_deg
from clipmill.media.io.source import CountingReader
from clipmill.media.scan.scan import scan
from clipmill.media.sound.clip_sound import ClipAudio
from clipmill.media.sound.source import AudioSource
from clipmill.media.types import ScanFacts, ScanPlan
from clipmill.records import ClipSpan, CutClip, FrameSpan, SourceFile, SourceLimits
from clipmill.sandbox.os_settings import keep_large_blocks_apart
from clipmill.shots.clip_splitter import ClipSplitter, ClipState, ClipUpdate
from clipmill.shots.detector_frames import frames_a_step
from clipmill.stages.decoder import Deinterlace
from clipmill.stages.encode_options import EncodeOptions

RING_BYTES = 330 << 20
"""What the content detector needs of 720p to be sure of dissolves, at up to 36 frames a second."""
MOST_SHARE = 1.25
"""Of that, where hard cuts are waited for: what these need of 1080p at 60 frames a second."""


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


def scan_and_cut(
    source: SourceFile | str,
    plan: ScanPlan,
    spool_dir: str,
    wanted: SamePass | None,
    *,
    limits: SourceLimits,
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
        self._waiting, self._ahead = WaitingFrames(), ClipsAhead()
        self._waits_for_all, self._step = True, 1
        self._most_bytes = int(wanted.ring_bytes * MOST_SHARE)
        self._current: GrowingClip | None = None
        self._upright = Upright(lambda: keeps_hdr(wanted.options))
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
        self._step = frames_a_step(float(stream.average_rate or 0))
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
            self._plan_room(frame_bytes)  # before any of them waits
            if self.gave_up:
                return
            self._encoding = self._open(frame)
        if self._shape is not None and self._shape.see_packet(None):
            self._give_up("the shape of its pixels changes")
            return
        self._waiting.add(frame, pts, time_s)
        thumbnails = None if thumbnail is None else thumbnail[None]
        levels = None if level is None else np.array([level])
        splitter = self._wanted.splitter
        self._follow(splitter.feed(thumbnails, np.array([time_s]), levels), splitter.num_decided)
        self._make_room(frame_bytes)

    def end(self, pts: int, time_s: float) -> None:
        """The last frame ends at ``pts``, ``time_s`` after the first one began."""
        if self.gave_up:
            return
        self._end = pts, time_s
        splitter = self._wanted.splitter
        self._follow(splitter.finish(time_s), splitter.num_decided)
        self._ahead.drop_rest()

    def close(self) -> None:
        """Let go of everything; an unfinished clip leaves no file."""
        self._drop_current()
        self._waiting.clear()
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
        encoding = source_encoding(
            self._wanted.options,
            container,
            stream,
            size_bytes=reader.size_bytes,
            rotation_deg=rotation_deg,
            deinterlace=self._wanted.deinterlace,
        )
        sar = aspect_in(first, pixel_aspect(stream), stream.codec_context)
        return replace(encoding, sar=upright_sar(sar, rotation_deg))

    def _plan_room(self, frame_bytes: int) -> None:
        """Whether all the frames fit that the detector waits for; else those that it needs for hard cuts."""
        splitter = self._wanted.splitter
        needed = splitter.latency_frames * self._step
        self._waits_for_all = needed * frame_bytes <= self._wanted.ring_bytes
        least = splitter.least_latency_frames * self._step
        if least * frame_bytes > self._most_bytes:
            self._give_up(f"{least} frames wait, more than {self._most_bytes} bytes")

    def _make_room(self, frame_bytes: int) -> None:
        """Cut ahead of the detector where its frames do not fit."""
        if not self._waits_for_all or self._num_waiting * frame_bytes > self._wanted.ring_bytes:
            guessed = self._ahead.guess(self._wanted.splitter)
            if guessed is not None:
                self._follow(*guessed, is_guess=True)
                if self._current:
                    self._guarded(partial(self._flush, self._current))
        if self._num_waiting * frame_bytes > self._most_bytes:
            self._give_up(f"{self._num_waiting} frames wait, more than {self._most_bytes} bytes")

    @property
    def _num_waiting(self) -> int:
        return len(self._waiting) + (len(self._current.waiting) if self._current else 0)

    def _follow(self, updates: Iterable[ClipUpdate], num_decided: int, *, is_guess: bool = False) -> None:
        """Hand frames that wait longest to their clips, up to one that fails: then none wait any more."""
        for update in updates:
            made = None if is_guess else self._ahead.settle(update)
            if made is not None:
                self.clips.append(made)
            elif self._is_there(update):
                self._gather(update.span)
                self._guarded(partial(self._apply, update, is_guess))
            if self.gave_up:
                return
        self._waiting.skip_to(num_decided)

    def _is_there(self, update: ClipUpdate) -> bool:
        """Whether the clip can be cut here; not where its frames went to another clip, or to too many."""
        span, current, position = update.span, self._current, self._waiting.position
        if current is None:
            return span.start_frame >= position
        if current.first.index >= span.end_frame:
            return False
        is_the_same = current.first.index == span.start_frame
        has_too_many = update.state is ClipState.KEPT and span.end_frame < position
        if is_the_same and not has_too_many:
            return True
        self._drop_current()
        return not is_the_same and span.start_frame >= position

    def _gather(self, span: FrameSpan) -> None:
        """Hand the frames of a clip to it that it does not have yet."""
        frames = self._waiting.take(span)
        if frames:
            self._current = self._current or GrowingClip(frames[0])
            self._current.waiting += frames

    def _apply(self, update: ClipUpdate, is_guess: bool) -> None:
        if update.state is ClipState.DROPPED:
            self._drop_current()
            return
        assert self._current is not None
        if update.state is not ClipState.GROWING:
            self._flush(self._current)
        if update.state is ClipState.KEPT:
            made = self._finish(self._current, update.span.end_frame)
            self._current = None
            if is_guess:
                self._ahead.add(update.span, made)
            else:
                self.clips.append(made)

    def _flush(self, clip: GrowingClip) -> None:
        """Encode what waits."""
        clip.encoder = clip.encoder or self._encoder(clip.first)
        waiting, clip.waiting = clip.waiting, []
        for seen in waiting:
            clip.encoder.write(seen.frame, pts=seen.pts)

    def _encoder(self, first: Seen) -> ClipEncoder:
        assert self._encoding is not None
        path = os.path.join(self._wanted.out_dir, f"{first.index}.mp4")
        open_ended = self._span(first, first.index + 1, first.pts, first.time_s)
        return ClipEncoder(path, open_ended, self._encoding, upright=self._upright, audio=self._audio)

    def _finish(self, growing: GrowingClip, end_frame: int) -> CutClip:
        """End a clip before the frame that waits longest, or at the end of the video."""
        assert growing.encoder is not None
        encoder = growing.encoder
        behind = self._waiting.first
        end_pts, end_s = (behind.pts, behind.time_s) if behind else self._end
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
        return replace(record, crop=encoder.geometry and astuple(encoder.geometry.shown))

    def _span(self, first: Seen, end_frame: int, end_pts: int, end_s: float) -> ClipSpan:
        frames = FrameSpan(first.index, end_frame)
        clip_id = identity.clip_id(self._wanted.video_id, first.index, end_frame)
        return ClipSpan(clip_id, frames, first.pts, end_pts, first.time_s, end_s)

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (FFmpegError, ValueError, ClipmillError) as error:
            self._give_up(f"a clip failed: {said(error)}")

    def _give_up(self, reason: str) -> None:
        self.gave_up = reason
        self._drop_current()
        self._waiting.clear()

    def _drop_current(self) -> None:
        if self._current and self._current.encoder:
            self._current.encoder.abandon()
        self._current = None
