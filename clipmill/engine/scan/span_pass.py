"""Which videos are decoded only where clips lack something, and the times that this takes. Pure."""

from clipmill.engine.work import Work
from clipmill.media.decode.backends import is_cpu
from clipmill.media.scan.span_scan import SourceSpan, merged_spans
from clipmill.media.types import ScanPlan
from clipmill.records import ClipSpan

PARTIAL, AGAIN = "partial decode of spans", "second decode of the whole video"
LEAD_S = 5.0
"""Decoded before each span, at a guess: from the key picture before it."""
WORTH = 0.8
"""Share of a video from which on it is decoded as a whole."""


def wanted_spans(work: Work, plan: ScanPlan) -> list[SourceSpan]:
    """Returns the spans to decode of a video that was split before; none where it is decoded as a whole.

    A video whose times were repaired, or that is damaged or unusual, is read from its beginning.
    """
    if work.clips is None or work.video_lacks or not work.is_plain or plan.reads_vectors:
        return []
    if not is_cpu(plan.decoder):
        return []
    spans = merged_spans(work.clips)
    decoded_s = sum(LEAD_S + _length_s(work, span) for span in spans)
    return spans if decoded_s < WORTH * work.facts.duration_s else []


def _length_s(work: Work, span: SourceSpan) -> float:
    return float((span.end_pts - span.start_pts) * work.facts.time_base)


def first_pts_of(work: Work) -> int:
    """Returns the time of a video's first frame, from the place of a clip: both count in ticks."""
    assert work.clips
    clip = work.clips[0]
    return clip.start_pts - round(clip.start_s / float(work.facts.time_base))


def is_inside(clip: ClipSpan, span: SourceSpan) -> bool:
    """Returns True if a span covers a clip."""
    return (
        span.frames.start_frame <= clip.frames.start_frame and clip.frames.end_frame <= span.frames.end_frame
    )
