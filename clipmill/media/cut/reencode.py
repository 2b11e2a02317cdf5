"""Encodes many clips of one video, exact to the frame, from one decode wherever they lie close together."""

import errno
import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Protocol

from av.error import FFmpegError
from av.video.frame import VideoFrame

from clipmill.errors import DISK_ERRNOS, ScratchFault
from clipmill.media.decode.seek import ClipSource
from clipmill.media.encode.clip_encoder import ClipEncoder, SourceEncoding
from clipmill.media.frames.missing_timestamps import stored_pts, true_times
from clipmill.media.frames.orient_filter import Upright, upright_sar
from clipmill.media.frames.timestamps import Timeline
from clipmill.media.sound.clip_sound import ClipAudio
from clipmill.media.sound.clock_walk import LAG_S
from clipmill.records import ClipSpan

DISK_FAULTS = DISK_ERRNOS | {errno.EACCES, errno.ENOENT, errno.EIO}
"""What is wrong with the place written to, not with a clip."""


class FrameSink(Protocol):
    """Takes the frames of one clip, or of a part of one, in order."""

    clip: ClipSpan
    num_frames: int

    def write(self, frame: VideoFrame, *, pts: int) -> None:
        """A frame as it was decoded, shown at ``pts`` of the source's clock."""
        ...

    def finish(self) -> None:
        """All frames were written."""
        ...

    def abandon(self) -> None:
        """No more will come: leave nothing behind."""
        ...


@dataclass(frozen=True)
class CutJob:
    """One source and what its clips are cut with; ``progress`` is called for every frame decoded.

    ``begin`` opens the sink of a clip, by default an encoder into ``out_dir``, for which ``upright`` readies
    frames.

    ``repaired_times`` is what ``ScanFacts`` says: where the scan gave frames other times than the file does,
    the file's times are not sought, and the repair is repeated from the first frame on.
    """

    source: ClipSource
    audio: ClipAudio | None
    encoding: SourceEncoding
    out_dir: str
    progress: Callable[[], None]
    repaired_times: str = ""
    upright: Upright = field(default_factory=Upright)
    begin: Callable[[ClipSpan], FrameSink] | None = None

    @property
    def follows_clock(self) -> bool:
        """Whether sound needs the repair of the pictures beside it, and so some pictures behind a clip."""
        return bool(self.repaired_times) and self.audio is not None

    def sink(self, clip: ClipSpan) -> FrameSink:
        """Where the frames of ``clip`` go."""
        if self.begin is not None:
            return self.begin(clip)
        path = encoded_path(self.out_dir, clip)
        return ClipEncoder(path, clip, self.encoding_now, upright=self.upright, audio=self.audio)

    @property
    def encoding_now(self) -> SourceEncoding:
        """How a clip is encoded that begins with the frame decoded last."""
        return replace(self.encoding, sar=upright_sar(self.source.shape.aspect, self.encoding.rotation_deg))


@dataclass(frozen=True)
class Outcome:
    """Why a clip was not written (``message``), and whether because frames were missing."""

    message: str = ""
    lacks_frames: bool = False

    @property
    def may_be_its_sound(self) -> bool:
        """Whether a clip without its sound may succeed."""
        return bool(self.message) and not self.lacks_frames


def encoded_path(out_dir: str, clip: ClipSpan) -> str:
    """Where an encoded clip goes."""
    return os.path.join(out_dir, f"{clip.clip_id}.mp4")


def cut_exactly(job: CutJob, clips: Sequence[ClipSpan]) -> dict[str, Outcome]:
    """Encode ``clips``, ascending by start; the outcome by clip id.

    Clips that lack frames (a stream that cannot be entered where its container says) are tried once more, all
    in one pass from the video's beginning.
    """
    if job.repaired_times:
        return _encode(job, clips, job.source.frames_from_beginning())
    outcomes: dict[str, Outcome] = {}
    for run in shared_runs(clips, job.source.saves_decoding):
        outcomes |= _encode(job, run, job.source.frames_of(run))
    again = [clip for clip in clips if outcomes[clip.clip_id].lacks_frames]
    if again:
        outcomes |= _encode(job, again, job.source.frames_from_beginning())
    return outcomes


def shared_runs(clips: Sequence[ClipSpan], saves_decoding: Callable[..., bool]) -> list[list[ClipSpan]]:
    """Runs of clips that one decode serves: a new one begins where a seek skips frames.

    ``saves_decoding(after_pts=, before_pts=)`` tells whether it would.
    """
    runs: list[list[ClipSpan]] = []
    decoded_to = 0
    for clip in clips:
        gap = not runs or clip.start_pts > decoded_to
        if not runs or (gap and saves_decoding(after_pts=decoded_to, before_pts=clip.start_pts)):
            runs.append([])
            decoded_to = clip.end_pts
        runs[-1].append(clip)
        decoded_to = max(decoded_to, clip.end_pts)
    return runs


def _encode(job: CutJob, run: Sequence[ClipSpan], frames: Iterable[VideoFrame]) -> dict[str, Outcome]:
    with closing(_Bench(job)) as bench:
        waiting, timeline = deque(run), Timeline(job.source.time_base)
        if job.follows_clock and job.audio:
            job.audio.source.follow(timeline, repaired_times=job.repaired_times)
        trusted = true_times(job.source.container, job.source.stream)
        for frame in frames:
            job.progress()
            pts = timeline.place(stored_pts(frame, trusted), frame.duration)
            while waiting and waiting[0].start_pts <= pts:
                bench.begin(waiting.popleft())
            bench.finish_until(pts)
            if not waiting and not bench.is_busy:
                break
            if bench.active:
                bench.write(frame, pts)
        for clip in waiting:
            bench.begin(clip)
        bench.finish_until(None)
        return bench.outcomes


class _Bench:
    """The clips being encoded at one moment. A fault of one is its outcome; the others go on.

    ``active`` take frames; those in ``_ended`` have them all and wait until their sound can be placed.
    """

    def __init__(self, job: CutJob) -> None:
        self.active: list[FrameSink] = []
        self.outcomes: dict[str, Outcome] = {}
        self._job = job
        self._ended: list[FrameSink] = []
        self._lag = int(LAG_S / job.source.time_base) if job.follows_clock else 0

    @property
    def is_busy(self) -> bool:
        """Whether any clip is not finished."""
        return bool(self.active or self._ended)

    def begin(self, clip: ClipSpan) -> None:
        self._guarded(clip, lambda: self.active.append(self._job.sink(clip)))

    def write(self, frame: VideoFrame, pts: int) -> None:
        for encoder in list(self.active):
            if not self._guarded(encoder.clip, lambda encoder=encoder: encoder.write(frame, pts=pts)):
                self._drop(encoder)

    def finish_until(self, pts: int | None) -> None:
        """Close the clips that end at or before ``pts``; None closes all."""
        for encoder in list(self.active):
            if pts is None or encoder.clip.end_pts <= pts:
                self.active.remove(encoder)
                self._ended.append(encoder)
        for encoder in list(self._ended):
            if pts is None or encoder.clip.end_pts + self._lag <= pts:
                self._finish(encoder)

    def close(self) -> None:
        """Leave no unfinished file behind."""
        for encoder in [*self.active, *self._ended]:
            self._drop(encoder)

    def _finish(self, encoder: FrameSink) -> None:
        found, wanted = encoder.num_frames, encoder.clip.frames.num_frames
        if found != wanted:
            message = f"{found} of {wanted} frames could be decoded"
            self.outcomes[encoder.clip.clip_id] = Outcome(message, lacks_frames=True)
            self._drop(encoder)
        elif self._guarded(encoder.clip, encoder.finish):
            self._ended.remove(encoder)
        else:
            self._drop(encoder)

    def _drop(self, encoder: FrameSink) -> None:
        for encoders in (self.active, self._ended):
            if encoder in encoders:
                encoders.remove(encoder)
        encoder.abandon()

    def _guarded(self, clip: ClipSpan, step: Callable[[], None]) -> bool:
        try:
            step()
        except (FFmpegError, ValueError) as error:
            raise_disk_fault(error, self._job.out_dir)
            self.outcomes[clip.clip_id] = Outcome(said(error))
            return False
        self.outcomes[clip.clip_id] = Outcome()
        return True


def said(error: Exception) -> str:
    """What went wrong, without the name of the unfinished file."""
    return (error.strerror or str(error)) if isinstance(error, FFmpegError) else str(error)


def raise_disk_fault(error: Exception, out_dir: str) -> None:
    """Raise ScratchFault for a fault of the place written to, MemoryError for memory that ran out.

    A clip's own fault passes.
    """
    if isinstance(error, MemoryError):
        raise MemoryError(str(error)) from error
    if isinstance(error, FFmpegError) and error.errno in DISK_FAULTS:
        raise ScratchFault(out_dir, str(error)) from error
