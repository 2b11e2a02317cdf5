"""THE one pass over a video: demuxed once, decoded once, all that stages need of its pixels taken on the way.

Runs in a codec process (``clipmill.sandbox.process``). Per-frame arrays grow on disk, so that memory does
not.
"""

import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import replace
from fractions import Fraction
from typing import Protocol

import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from clipmill.errors import UnreadableVideo
from clipmill.media.decode.backends import (
    CPU,
    NVDEC,
    decoder_of,
    has_loop_filter,
    in_place_of_nvdec,
    skip_loop_filter,
)
from clipmill.media.decode.decode_loop import DecodeLoop
from clipmill.media.decode.limits import Bounds
from clipmill.media.decode.nvdec import NvdecFault
from clipmill.media.frames.anomalies import Oddities
from clipmill.media.frames.fields import aspect_in
from clipmill.media.frames.missing_timestamps import stored_pts
from clipmill.media.frames.orientation import orientation
from clipmill.media.frames.render import Renderer
from clipmill.media.frames.time_marks import TimeMarks
from clipmill.media.frames.timestamps import Timeline
from clipmill.media.io.container import opened, pixel_aspect, video_stream
from clipmill.media.io.encryption import named_secret
from clipmill.media.io.source import CountingReader
from clipmill.media.scan.collector import Collector
from clipmill.media.scan.motion_vectors import export_vectors
from clipmill.media.scan.sound_levels import SoundLevels
from clipmill.media.scan.spool import Spool, load_arrays
from clipmill.media.types import WHOLE, ScanFacts, ScanPlan
from clipmill.records import SourceFile, SourceLimits, VideoReason

__all__ = ["load_arrays", "scan"]

_LIMITS = SourceLimits()


class FrameConsumer(Protocol):
    """Sees every frame of a pass as it was decoded; may set its times once it has seen it."""

    def begin(self, reader: CountingReader, container: InputContainer, stream: VideoStream) -> None:
        """A pass begins: forget what was seen before."""
        ...

    def see(
        self,
        frame: VideoFrame,
        pts: int,
        time_s: float,
        thumbnail: np.ndarray | None,
        level: float | None = None,
    ) -> None:
        """The next frame, shown at ``pts``, ``time_s`` after the first one; ``level`` is of its sound."""
        ...

    def end(self, pts: int, time_s: float) -> None:
        """The last frame ends at ``pts``, ``time_s`` after the first one began."""
        ...


def scan(
    source: SourceFile | str,
    plan: ScanPlan,
    spool_dir: str,
    *,
    limits: SourceLimits = _LIMITS,
    consumer: FrameConsumer | None = None,
) -> ScanFacts:
    """Walk through the video of ``source`` and leave its arrays in ``spool_dir`` (``load_arrays``).

    ``consumer`` sees every frame after its arrays were taken, and begins again where the pass does.
    UnreadableVideo when no frame can be had (``no_frames`` and the reasons of ``probe``) or when the video
    turns out larger or longer than ``limits`` allow (``over_limit``); StoreError when the store fails,
    SourceChanged when it is not what was listed, or is not there any more. Where NVDEC gives up in the middle
    of a video, FFmpeg's decoder begins it again.
    """
    try:
        return _scan(source, plan, spool_dir, limits, consumer)
    except NvdecFault as fault:
        facts = _scan(source, replace(plan, decoder=CPU), spool_dir, limits, consumer)
        return replace(facts, decoder=in_place_of_nvdec(fault))


def _scan(
    source: SourceFile | str,
    plan: ScanPlan,
    spool_dir: str,
    limits: SourceLimits,
    consumer: FrameConsumer | None,
) -> ScanFacts:
    start_s = time.process_time()
    with opened(source, max_bytes=limits.max_size_bytes) as (reader, container), named_secret(reader):
        bounds = Bounds(reader.uri, limits)
        stream = opened_stream(container, plan, bounds)
        decode, decoder = decoder_of(container, stream, plan)
        timeline, oddities = Timeline(time_base_of(stream)), Oddities(container, stream)
        marks = TimeMarks()

        def begin_part(part: VideoStream) -> None:
            set_up(part, plan, bounds)
            timeline.begin_part()
            oddities.begin_part()

        is_gpu = decoder == NVDEC
        walk = DecodeLoop(
            container, stream, decode=decode, begin_part=None if is_gpu else begin_part, reader=reader
        )
        timeline.begin_files(walk.num_files - 1)
        if consumer is not None:
            consumer.begin(reader, container, stream)
        with (
            Spool(
                spool_dir, plan.samples, piece_frames=plan.piece_frames, repairs=lambda: timeline.repairs
            ) as spool,
            sound_levels(reader, plan, stream) as levels,
        ):
            collector = _collect(spool, plan, walk, timeline, oddities, marks, bounds, levels, consumer)
            is_missed = not is_whole(plan) and levels and levels.has_track and timeline.has_jumped
        return ScanFacts(
            num_frames=collector.num_frames,
            duration_s=collector.time_s,
            time_base=time_base_of(stream),
            is_vfr=timeline.is_vfr,
            is_partial=bool(walk.damage),
            partial_reason=str(walk.damage),
            content_digest=walk.content_digest,
            audio_digest=walk.sound.digest,
            bytes_read=reader.bytes_read,
            cpu_s=time.process_time() - start_s,
            repaired_times=timeline.repairs,
            oddities="; ".join(
                filter(None, (str(oddities), _of_source(reader), NO_PAUSES if is_missed else ""))
            ),
            traits=traits_of(oddities, stream),
            decoder=decoder,
            failed_measures=spool.failed_measures,
            clock_jumps=timeline.has_jumped or walk.stream != stream or walk.num_files > 1,
            damaged=walk.damage.frames,
            shown=replace(
                oddities.shown,
                other_sound=walk.sound.other_digest,
                every=marks.every,
                times_s=marks.times_s(time_base_of(stream)),
            ),
        )


NO_PAUSES = "snap_to_silence is off behind the first jump of its clock"
"""Sound behind a jump is placed once the pictures beside it are known; pieces are handed out before."""


def is_whole(plan: ScanPlan) -> bool:
    """Whether the arrays of a pass are handed out once it has ended."""
    return plan.piece_frames in (None, WHOLE)


def traits_of(oddities: Oddities, stream: VideoStream) -> tuple[str, ...]:
    """What options depend on."""
    return (*oddities.traits, *(["loop_filter"] if has_loop_filter(stream) else []))


def _collect(
    spool: Spool,
    plan: ScanPlan,
    walk: DecodeLoop,
    timeline: Timeline,
    oddities: Oddities,
    marks: TimeMarks,
    bounds: Bounds,
    levels: SoundLevels | None,
    consumer: FrameConsumer | None,
) -> Collector:
    collector: Collector | None = None
    behind_jumps: list[int] = []
    for frame, is_key in walk.frames():
        bounds.check_size(frame.width, frame.height)
        oddities.see(frame)
        if collector is None:
            collector = collector_of(spool, plan, walk.stream, frame)
        pts = timeline.place(stored_pts(frame, walk.true_times), frame.duration)
        marks.see(pts)
        bounds.check_length(collector.num_frames, collector.seconds_until(pts))
        timeline.see_sound_jumps(walk.sound.num_jumps)
        has_jumped = timeline.has_jumped
        level = levels and (float("nan") if has_jumped else levels.at(pts))
        is_late = has_jumped and levels is not None and is_whole(plan)
        behind_jumps += [pts] if is_late else []
        collector.take(frame, pts, is_key=is_key, level=None if is_late else level)
        if consumer is not None:
            consumer.see(frame, pts, collector.time_s, collector.thumbnail, level)
    if collector is None:
        raise _no_frames(walk, bounds)
    timeline.see_sound_jumps(walk.sound.num_jumps)
    end_pts = timeline.end(nominal_duration(walk.stream))
    collector.finish(end_pts)
    if levels is not None and behind_jumps:
        levels.follow(timeline)
        for pts in behind_jumps:
            spool["levels"].append(levels.at(pts))
    if consumer is not None:
        consumer.end(end_pts, collector.time_s)
    return collector


@contextmanager
def sound_levels(
    reader: CountingReader, plan: ScanPlan, stream: VideoStream
) -> Generator[SoundLevels | None]:
    """The levels of the sound of a source, read by a reader of its own; None where the plan has none."""
    if not plan.sound_levels:
        yield None
        return
    with reader.again() as own, closing(SoundLevels(own, time_base_of(stream), plan.sound_track)) as levels:
        yield levels


def _of_source(reader: CountingReader) -> str:
    return "" if reader.is_verified else "its server tells no version, so it is unverified"


def _no_frames(walk: DecodeLoop, bounds: Bounds) -> UnreadableVideo:
    if walk.refused_size_px is not None:
        bounds.check_size(*walk.refused_size_px)
    cause = f"no frame could be decoded: {walk.damage or 'its video stream is empty'}"
    return UnreadableVideo(bounds.uri, VideoReason.NO_FRAMES, cause)


def collector_of(spool: Spool, plan: ScanPlan, stream: VideoStream, first: VideoFrame) -> Collector:
    """What collects the frames of a stream that looks like ``first``."""
    size_px = (first.width, first.height)
    renderer = Renderer(
        coded_size_px=size_px,
        orientation=orientation(first),
        sar=aspect_in(first, pixel_aspect(stream), stream.codec_context),
    )
    return Collector(spool, plan, renderer, coded_size_px=size_px, time_base=time_base_of(stream))


def opened_stream(container: InputContainer, plan: ScanPlan, bounds: Bounds) -> VideoStream:
    """The video of a container, its decoder set up. UnreadableVideo as ``video_stream`` and ``Bounds``."""
    stream = video_stream(container, bounds.uri)
    set_up(stream, plan, bounds)
    return stream


def set_up(stream: VideoStream, plan: ScanPlan, bounds: Bounds) -> None:
    """Set up the decoder of a video stream before its first packet."""
    bounds.impose(stream.codec_context)
    stream.codec_context.thread_count = 1  # parallel across videos; more threads cost more CPU for one
    if plan.reads_vectors:
        export_vectors(stream.codec_context)
    if plan.quality == "draft":
        skip_loop_filter(stream)


def time_base_of(stream: VideoStream) -> Fraction:
    """Seconds of a tick."""
    return stream.time_base or Fraction(1, 1000)


def nominal_duration(stream: VideoStream) -> int:
    """Ticks of a frame by the headers' rate, for a single frame that does not say how long it lasts."""
    rate = stream.average_rate or stream.guessed_rate
    return max(1, round(1 / (rate * time_base_of(stream)))) if rate else 1
