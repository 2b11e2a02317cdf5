"""First frames of clips that have no instant of a time grid: decoded by themselves once the clip is known."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

import numpy as np

from clipmill.engine.work import Work
from clipmill.errors import CodecChildDied, CodecChildTimeout, StoreError
from clipmill.media.scan.span_scan import SourceSpan, load_span, scan_spans
from clipmill.media.types import ScanArrays, ScanPlan
from clipmill.planning.plan import Plan
from clipmill.records import ClipSpan, FrameSpan
from clipmill.sandbox.runner import codec_runner
from clipmill.scratch import ScratchFolder
from clipmill.stages.reads import MAX_RATE, Frames

logger = logging.getLogger(__name__)

Pictures = Mapping[tuple[int, int], np.ndarray]
"""(number of a frame, height) -> the picture, uint8 ``(1, h, w, 3)``."""
_PASSING = (StoreError, CodecChildDied, CodecChildTimeout)
"""What another try of the video may mend."""


class FirstFrames:
    """Decodes first frames in a codec process of its own: a pass over the same video may go on meanwhile."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._child = codec_runner(plan.limits)

    @property
    def cpu_s(self) -> float:
        """CPU time of the codec process."""
        return self._child.cpu_s

    def of(
        self, work: Work, clips: Sequence[ClipSpan], heights_px: Sequence[int], arrays: ScanArrays
    ) -> Pictures:
        """Returns the first frame of each clip at each height; ``arrays`` cover the clips.

        There is none of a video whose times were repaired: its frames lie at other times in the file. The
        same holds where a frame is damaged.
        """
        if not clips or work.repaired_times:
            return {}
        spans = list({clip.frames.start_frame: _first_of(clip, arrays) for clip in clips}.values())
        spans.sort(key=lambda span: span.frames.start_frame)
        with ScratchFolder("first-frames") as spool:
            try:
                self._scan(work, spans, heights_px, spool.path)
            except _PASSING:
                raise
            except Exception as error:  # noqa: BLE001 - a demuxer may raise anything about a span
                logger.info("%s: no first frames of short clips: %s", work.source.uri, error)
                return {}
            return dict(_pictures(spool.path, spans, heights_px))

    def _scan(
        self, work: Work, spans: Sequence[SourceSpan], heights_px: Sequence[int], spool_dir: str
    ) -> None:
        limits, options = self._plan.limits, self._plan.source
        plan = ScanPlan(
            samples=tuple(Frames(Fraction(MAX_RATE), height) for height in heights_px),
            deinterlace=options.deinterlace,
            quality=options.decoder_quality,
        )
        self._child.run(
            scan_spans, work.source, plan, spans, spans[0].start_pts, spool_dir, limits=limits.of_source,
            timeout_s=limits.decode_timeout_s, stall_s=limits.decode_stall_s,
        )  # fmt: skip


def _first_of(clip: ClipSpan, arrays: ScanArrays) -> SourceSpan:
    start = clip.frames.start_frame
    end_pts = int(arrays.pts[start - arrays.first_frame + 1])
    return SourceSpan(FrameSpan(start, start + 1), clip.start_pts, end_pts)


def _pictures(
    spool_dir: str, spans: Sequence[SourceSpan], heights_px: Sequence[int]
) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
    for number, span in enumerate(spans):
        arrays = load_span(spool_dir, number, span)
        for height in heights_px:
            yield (span.frames.start_frame, height), np.array(arrays.pictures[height].values[0][:1])
