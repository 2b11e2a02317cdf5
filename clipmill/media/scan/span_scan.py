"""Some spans of a video scanned by themselves: decoded from the key picture before each, as in one pass."""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from av.video.frame import VideoFrame

from clipmill.errors import ClipmillError
from clipmill.media.decode.limits import Bounds
from clipmill.media.decode.seek import ClipSource
from clipmill.media.io.container import store_first
from clipmill.media.io.source import open_source
from clipmill.media.scan.collector import Collector
from clipmill.media.scan.scan import collector_of, load_arrays
from clipmill.media.scan.spool import Spool
from clipmill.media.scan.tracks import rows_of, tracks_in, with_tracks
from clipmill.media.types import ScanArrays, ScanPlan
from clipmill.records import ClipSpan, FrameSpan, SourceFile, SourceLimits
from clipmill.sandbox.heartbeat import beat


class SpanFault(ClipmillError):
    """A span does not decode to the frames that one pass found in it: the video needs a whole pass."""


@dataclass(frozen=True)
class SourceSpan:
    """Frames of a source between two times, in ticks of the stream."""

    frames: FrameSpan
    start_pts: int
    end_pts: int


def merged_spans(clips: Iterable[ClipSpan]) -> list[SourceSpan]:
    """Returns the spans that clips cover, ascending; clips that touch or overlap share one."""
    merged: list[SourceSpan] = []
    for clip in sorted(clips, key=lambda clip: clip.frames):
        span = SourceSpan(clip.frames, clip.start_pts, clip.end_pts)
        if merged and span.frames.start_frame <= merged[-1].frames.end_frame:
            merged[-1] = _joined(merged[-1], span)
        else:
            merged.append(span)
    return merged


def _joined(first: SourceSpan, second: SourceSpan) -> SourceSpan:
    end_frame = max(first.frames.end_frame, second.frames.end_frame)
    return SourceSpan(
        FrameSpan(first.frames.start_frame, end_frame), first.start_pts, max(first.end_pts, second.end_pts)
    )


def scan_spans(
    source: SourceFile | str,
    plan: ScanPlan,
    spans: Sequence[SourceSpan],
    first_pts: int,
    spool_dir: str,
    *,
    limits: SourceLimits,
) -> float:
    """Scans each span of a video into a folder of its own; returns the CPU seconds.

    ``first_pts`` is the time of the video's first frame, from which the grids of samples count. SpanFault
    where a span has other frames than one pass found.
    """
    started_s = time.process_time()
    with open_source(source, max_bytes=limits.max_size_bytes) as reader, store_first(reader):
        video = ClipSource(reader, quality=plan.quality)
        try:
            frames: Iterator[VideoFrame] | None = None
            reached_pts = first_pts
            for number, span in enumerate(spans):
                if frames is None or video.saves_decoding(after_pts=reached_pts, before_pts=span.start_pts):
                    frames = video.frames_from(span.start_pts)
                _scan_span(video, frames, plan, span, first_pts, span_folder(spool_dir, number), limits)
                reached_pts = span.end_pts
        finally:
            video.close()
    return time.process_time() - started_s


def span_folder(spool_dir: str, number: int) -> str:
    """Returns the folder of a span's arrays."""
    return os.path.join(spool_dir, f"span-{number}")


def _scan_span(
    source: ClipSource,
    frames: Iterator[VideoFrame],
    plan: ScanPlan,
    span: SourceSpan,
    first_pts: int,
    folder: str,
    limits: SourceLimits,
) -> None:
    bounds = Bounds(source.uri, limits)
    collector: Collector | None = None
    with Spool(folder, plan.samples) as spool:
        for number, frame in enumerate(frames):
            beat(number)
            if frame.pts is None or frame.is_corrupt:
                raise SpanFault(f"a picture near {span.start_pts} is damaged or has no time")
            if frame.pts < span.start_pts:
                continue
            if collector is None:
                if frame.pts != span.start_pts:
                    raise SpanFault(f"no picture is shown from {span.start_pts} on")
                bounds.check_size(frame.width, frame.height)
                collector = collector_of(spool, plan, source.stream, frame)
                collector.begin_at(frame.pts, first_pts=first_pts)
            collector.take(frame, frame.pts, is_key=frame.key_frame)
            if collector.num_frames == span.frames.num_frames:
                break
        if collector is None or collector.num_frames != span.frames.num_frames:
            raise SpanFault(f"the span at {span.start_pts} has other frames than a whole pass found")
        collector.finish(span.end_pts)


def load_span(spool_dir: str, number: int, span: SourceSpan) -> ScanArrays:
    """Returns the arrays of a span, its frames numbered from the video's first."""
    arrays = load_arrays(span_folder(spool_dir, number))
    start = span.frames.start_frame
    shifted = {track: rows_of(taken, slice(None), shift=start) for track, taken in tracks_in(arrays).items()}
    return replace(with_tracks(arrays, shifted), first_frame=start)
