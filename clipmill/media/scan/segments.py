"""One segment of a video scanned by itself, and segments put together as if they were one pass.

A segment begins at a real key picture, IDR or CRA. It decodes past its end until it has every frame shown
before that end, for pictures of an open GOP are stored behind the key picture that they are shown before; and
it drops what it decodes that is shown before its start, for those need pictures that it does not have.
"""

import time
from collections import Counter
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from clipmill.errors import ClipmillError
from clipmill.media.bitstream.random_access import startable
from clipmill.media.decode.limits import Bounds
from clipmill.media.frames.anomalies import Oddities
from clipmill.media.frames.timestamps import Timeline, median_step, vary
from clipmill.media.io.container import demuxed, opened
from clipmill.media.scan.collector import Collector
from clipmill.media.scan.packet_index import PacketIndex, Segment
from clipmill.media.scan.scan import (
    collector_of,
    nominal_duration,
    opened_stream,
    sound_levels,
    time_base_of,
    traits_of,
)
from clipmill.media.scan.sound_levels import SoundLevels
from clipmill.media.scan.spool import Spool
from clipmill.media.scan.tracks import Track, rows_of, tracks_in, with_tracks
from clipmill.media.types import Samples, ScanArrays, ScanFacts, ScanPlan
from clipmill.records import ShownAs, SourceFile, SourceLimits
from clipmill.sandbox.heartbeat import beat
from clipmill.stages.reads import Measure


class SegmentFault(ClipmillError):
    """A segment is not what its packets promised: the video needs one pass."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


@dataclass(frozen=True)
class SegmentFacts:
    """What the scan of one segment counted.

    ``steps`` are those between its frames and to the next one, ``end_step`` is for how long the last frame of
    all was taken to be shown where it does not say so; ``look`` is its size, how it is turned, and
    its oddities, the same in every segment of a video that can be put together.
    """

    num_frames: int
    steps: Counter[int]
    end_step: int | None
    end_s: float
    look: str
    traits: tuple[str, ...]
    time_base: Fraction
    bytes_read: int
    cpu_s: float
    failed_measures: Mapping[Measure, str] = field(default_factory=dict[Measure, str])
    shown: ShownAs = field(default_factory=ShownAs)


def scan_segment(
    source: SourceFile | str,
    plan: ScanPlan,
    segment: Segment,
    first_pts: int,
    spool_dir: str,
    *,
    limits: SourceLimits,
) -> SegmentFacts:
    """Scan one segment of a video, whose first frame is at ``first_pts``, into ``spool_dir``.

    Frames are numbered from the segment's first. What compares the next segment's first frame with the last
    one here is here. SegmentFault where anything is unusual; else the errors of ``scan``.
    """
    start_s = time.process_time()
    with opened(source, max_bytes=limits.max_size_bytes) as (reader, container):
        stream = opened_stream(container, plan, Bounds(reader.uri, limits))
        timeline, oddities = Timeline(time_base_of(stream)), Oddities(container, stream)
        if segment.start_pts != first_pts:
            _seek(container, stream, segment.start_pts)
        frames = _frames(container, stream, segment)
        with Spool(spool_dir, plan.samples) as spool, sound_levels(reader, plan, stream) as levels:
            collector = _collect(spool, plan, stream, frames, segment, first_pts, timeline, oddities, levels)
        if timeline.repairs:
            raise SegmentFault(f"its times need repair: {timeline.repairs}")
        if collector.num_frames != segment.num_frames:
            raise SegmentFault(
                f"{segment.num_frames} packets from {segment.start_pts} on gave {collector.num_frames} frames"
            )
        return SegmentFacts(
            num_frames=collector.num_frames,
            steps=timeline.steps,
            end_step=None if timeline.knows_end else median_step(timeline.steps),
            end_s=collector.time_s,
            look=f"{stream.width}x{stream.height} {oddities}",
            traits=traits_of(oddities, stream),
            time_base=time_base_of(stream),
            bytes_read=reader.bytes_read,
            cpu_s=time.process_time() - start_s,
            failed_measures=spool.failed_measures,
            shown=oddities.shown,
        )


def _seek(container: InputContainer, stream: VideoStream, pts: int) -> None:
    try:
        container.seek(pts, stream=stream)
    except FFmpegError as error:
        raise SegmentFault(f"cannot go to {pts}: {error.strerror}") from error


def _collect(
    spool: Spool,
    plan: ScanPlan,
    stream: VideoStream,
    frames: Generator[tuple[VideoFrame, bool]],
    segment: Segment,
    first_pts: int,
    timeline: Timeline,
    oddities: Oddities,
    levels: SoundLevels | None,
) -> Collector:
    collector: Collector | None = None
    for frame, is_key in frames:
        pts = timeline.place(frame.pts, frame.duration)
        if segment.end_pts is not None and pts >= segment.end_pts:
            return _finished_before(frame, pts, frames, collector, timeline)
        oddities.see(frame)
        are_fields = frame.interlaced_frame and stream.codec_context.codec.canonical_name == "hevc"
        if are_fields or (frame.interlaced_frame and plan.deinterlace == "auto"):
            raise SegmentFault("its pictures are interlaced")
        if collector is None:
            collector = collector_of(spool, plan, stream, frame)
            collector.begin_at(pts, first_pts=first_pts)
        collector.take(frame, pts, is_key=is_key, level=levels and levels.at(pts))
    if collector is None or segment.end_pts is not None:
        raise SegmentFault(f"its frames from {segment.start_pts} on end too early")
    collector.finish(timeline.end(nominal_duration(stream)))
    return collector


def _finished_before(
    following: VideoFrame,
    pts: int,
    frames: Generator[tuple[VideoFrame, bool]],
    collector: Collector | None,
    timeline: Timeline,
) -> Collector:
    """End a segment before its successor's first frame."""
    behind = next(frames, None)
    if collector is None or (behind is None and not timeline.knows_end):
        raise SegmentFault(f"no frame before {pts}, or none behind it")
    end_pts = behind[0].pts if behind is not None else timeline.end(1)
    assert end_pts is not None
    collector.finish_before(following, pts, end_pts=end_pts)
    return collector


def _frames(
    container: InputContainer, stream: VideoStream, segment: Segment
) -> Generator[tuple[VideoFrame, bool]]:
    """Frames from the segment's start on and whether each is a real key picture, beyond its end as well."""
    codec = stream.codec_context
    is_real_key = startable(codec.codec.canonical_name, codec.extradata or b"")
    false_keys: set[int | None] = set()
    has_begun, num_packets = False, 0
    try:
        for packet in demuxed(container, [stream]):
            num_packets += 1
            beat(num_packets)
            has_begun = has_begun or (packet.is_keyframe and packet.pts == segment.start_pts)
            if not has_begun:
                continue
            if packet.size and packet.is_keyframe and is_real_key and not is_real_key(bytes(packet)):
                false_keys.add(packet.pts)
            for frame in stream.decode(packet if packet.size else None):
                if frame.pts is None or (frame.is_corrupt and frame.pts >= segment.start_pts):
                    raise SegmentFault(f"a picture behind {segment.start_pts} is damaged or has no time")
                if frame.pts >= segment.start_pts:
                    yield frame, frame.key_frame and frame.pts not in false_keys
    except FFmpegError as error:
        raise SegmentFault(f"behind {segment.start_pts}: {error.strerror}") from error


class Joining:
    """Puts the arrays of segments together, in their order."""

    def __init__(self) -> None:
        self.num_frames = 0
        self._facts: list[SegmentFacts] = []
        self._borders: dict[Track, Samples] = {}

    def add(self, arrays: ScanArrays, facts: SegmentFacts, *, is_last: bool) -> ScanArrays:
        """The arrays of the next segment, as one pass has them. SegmentFault where it looks other."""
        if self._facts and facts.look != self._facts[0].look:
            raise SegmentFault(f"it changes from {self._facts[0].look} to {facts.look}")
        self._facts.append(facts)
        if is_last and facts.end_step not in (None, median_step(self._steps())):
            raise SegmentFault("its last frame does not say for how long it is shown")
        joined = replace(
            with_tracks(arrays, {track: self._joined(track, arrays, facts) for track in tracks_in(arrays)}),
            pts=arrays.pts if is_last else arrays.pts[:-1],
            times_s=arrays.times_s if is_last else arrays.times_s[:-1],
        )
        self.num_frames += facts.num_frames
        return joined

    def _joined(self, track: Track, arrays: ScanArrays, facts: SegmentFacts) -> Samples:
        """The rows of a track, with the one that the segment before took of this one's first frame."""
        taken = tracks_in(arrays)[track]
        num_own = int(np.searchsorted(taken.frames, facts.num_frames))
        own = rows_of(taken, slice(num_own), shift=self.num_frames)
        border = self._borders.get(track)
        self._borders[track] = rows_of(taken, slice(num_own, None), shift=self.num_frames)
        return own if border is None or not len(border.frames) else _behind(border, own)

    def facts(self, index: PacketIndex) -> ScanFacts:
        """What the whole pass counted."""
        return ScanFacts(
            num_frames=self.num_frames,
            duration_s=self._facts[-1].end_s,
            time_base=self._facts[0].time_base,
            is_vfr=vary(self._steps()),
            is_partial=False,
            partial_reason="",
            content_digest=index.content_digest,
            audio_digest=index.audio_digest,
            bytes_read=index.bytes_read + sum(each.bytes_read for each in self._facts),
            cpu_s=index.cpu_s + sum(each.cpu_s for each in self._facts),
            oddities=self._facts[0].look.partition(" ")[2],
            traits=self._facts[0].traits,
            failed_measures=self.failed_measures,
            shown=replace(
                self._facts[0].shown,
                other_sound=index.shown.other_sound,
                every=index.shown.every,
                times_s=index.shown.times_s,
            ),
        )

    @property
    def failed_measures(self) -> dict[Measure, str]:
        """The first error of each Measure so far."""
        failed = [pair for facts in reversed(self._facts) for pair in facts.failed_measures.items()]
        return dict(failed)

    def _steps(self) -> Counter[int]:
        return sum((each.steps for each in self._facts), Counter[int]())


def _behind(border: Samples, own: Samples) -> Samples:
    values = tuple(_filled(*pair) for pair in zip(border.values, own.values, strict=True))
    return Samples(np.concatenate([border.frames, own.frames]), values)


def _filled(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """One behind the other; an empty one may not know its rows' shape."""
    if not len(first) or not len(second):
        return second if not len(first) else first
    return np.concatenate([first, second])
