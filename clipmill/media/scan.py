"""THE one pass over a video: demuxed once, decoded once, all that stages need of its pixels taken on the way.

Runs in a codec process (``clipmill.media.child``). Per-frame arrays grow on disk, so that memory does not.
"""

import time
from collections.abc import Generator
from contextlib import contextmanager
from fractions import Fraction

from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from clipmill.errors import UnreadableVideo
from clipmill.media.collecting import Collector
from clipmill.media.container import open_container, pixel_aspect, video_stream
from clipmill.media.contracts import ScanFacts, ScanPlan
from clipmill.media.decoding import Walk
from clipmill.media.probe import quarter_turns_deg
from clipmill.media.rendering import Renderer
from clipmill.media.source import CountingReader, open_source
from clipmill.media.spool import Spool, load_arrays
from clipmill.media.timestamps import Timeline
from clipmill.media.vectors import export_vectors
from clipmill.records import VideoReason
from clipmill.specs import LimitsSpec

__all__ = ["load_arrays", "scan"]

_LIMITS = LimitsSpec()


def scan(uri: str, plan: ScanPlan, spool_dir: str, *, limits: LimitsSpec = _LIMITS) -> ScanFacts:
    """Walk through the video at ``uri`` and leave its arrays in ``spool_dir`` (``load_arrays``).

    UnreadableVideo when no frame can be had (``no_frames`` and the reasons of ``probe``) or when the video
    turns out larger or longer than ``limits`` allow (``over_limit``); StoreError when the store fails.
    """
    start_s = time.process_time()
    with open_source(uri) as reader, open_container(reader) as container, _store_first(reader):
        stream = _opened_stream(container, uri, plan)
        walk, timeline = Walk(container, stream), Timeline(_time_base(stream))
        with Spool(spool_dir) as spool:
            collector = _collect(spool, plan, stream, walk, timeline, _Guard(uri, limits))
        return ScanFacts(
            num_frames=collector.num_frames,
            duration_s=collector.time_s,
            time_base=_time_base(stream),
            is_vfr=timeline.is_vfr,
            is_partial=bool(walk.damage),
            partial_reason=str(walk.damage),
            content_digest=walk.content_digest,
            audio_digest=walk.audio_digest,
            bytes_read=reader.bytes_read,
            cpu_s=time.process_time() - start_s,
            repaired_times=timeline.repairs,
        )


class _Guard:
    """Stops a video whose frames are larger, or last longer, than its headers said and the limits allow."""

    def __init__(self, uri: str, limits: LimitsSpec) -> None:
        self.uri = uri
        self._limits = limits

    def check_frame(self, frame: VideoFrame) -> None:
        if frame.width * frame.height > self._limits.max_pixels:
            size = f"{frame.width}x{frame.height} are more than {self._limits.max_pixels} pixels"
            raise UnreadableVideo(self.uri, VideoReason.OVER_LIMIT, size)

    def check_time(self, time_s: float) -> None:
        if time_s > self._limits.max_duration_s:
            length = f"its frames last more than {self._limits.max_duration_s:.1f} s"
            raise UnreadableVideo(self.uri, VideoReason.OVER_LIMIT, length)


def _collect(
    spool: Spool, plan: ScanPlan, stream: VideoStream, walk: Walk, timeline: Timeline, guard: _Guard
) -> Collector:
    collector: Collector | None = None
    for frame, is_key in walk.frames():
        guard.check_frame(frame)
        if collector is None:
            collector = _collector(spool, plan, stream, frame)
        pts = timeline.place(frame.pts, frame.duration)
        guard.check_time(collector.seconds_until(pts))
        collector.take(frame, pts, is_key=is_key)
    if collector is None:
        cause = f"no frame could be decoded: {walk.damage or 'its video stream is empty'}"
        raise UnreadableVideo(guard.uri, VideoReason.NO_FRAMES, cause)
    collector.finish(timeline.end(_nominal_duration(stream)))
    return collector


def _collector(spool: Spool, plan: ScanPlan, stream: VideoStream, first: VideoFrame) -> Collector:
    size_px = (first.width, first.height)
    renderer = Renderer(
        coded_size_px=size_px,
        rotation_deg=quarter_turns_deg(first.rotation),
        sar=pixel_aspect(stream),
        frames_height_px=plan.frames_height_px,
    )
    return Collector(spool, plan, renderer, coded_size_px=size_px, time_base=_time_base(stream))


def _opened_stream(container: InputContainer, uri: str, plan: ScanPlan) -> VideoStream:
    stream = video_stream(container, uri)
    stream.codec_context.thread_count = 1  # parallel across videos; more threads cost more CPU for one
    if plan.motion_fps is not None and plan.motion_source == "vectors":
        export_vectors(stream.codec_context)
    return stream


@contextmanager
def _store_first(reader: CountingReader) -> Generator[None]:
    """What fails inside because the store failed is the store's failure, not the end of the file."""
    try:
        yield
    except UnreadableVideo:
        if reader.failure is not None:
            raise reader.failure from None
        raise
    if reader.failure is not None:
        raise reader.failure


def _time_base(stream: VideoStream) -> Fraction:
    return stream.time_base or Fraction(1, 1000)


def _nominal_duration(stream: VideoStream) -> int:
    """Ticks of a frame by the headers' rate, for a single frame that does not say how long it lasts."""
    rate = stream.average_rate or stream.guessed_rate
    return max(1, round(1 / (rate * _time_base(stream)))) if rate else 1
