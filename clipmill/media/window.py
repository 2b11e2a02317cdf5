"""The mp4 of one window of a clip, for readers that take files rather than frames."""

import tempfile
from contextlib import ExitStack, closing
from pathlib import Path

from clipmill.errors import EncodeFailed
from clipmill.media.clip_frames import ClipSource, nominal_rate
from clipmill.media.container import pixel_aspect
from clipmill.media.cut_exact import CutJob, cut_exactly, encoded_path
from clipmill.media.encode import EncodeOptions
from clipmill.media.source import open_source
from clipmill.records import ClipSpan, FrameSpan
from clipmill.stages.video.clipping.clip_extraction_stages import ClipTranscodingStage


def window_mp4(clip_path: str, start_frame: int, end_frame: int) -> bytes:
    """An mp4 of frames ``[start_frame, end_frame)`` of a clip, soundless; a whole clip is its own bytes.

    ValueError when the clip has fewer frames, EncodeFailed when they cannot be encoded.
    """
    with ExitStack() as stack:
        source = stack.enter_context(closing(ClipSource(stack.enter_context(open_source(clip_path)))))
        times = _times(source)
        if not 0 <= start_frame < end_frame < len(times):
            raise ValueError(
                f"{clip_path} has {len(times) - 1} frames, asked for are {start_frame} to {end_frame}"
            )
        if (start_frame, end_frame) == (0, len(times) - 1):
            return Path(clip_path).read_bytes()
        return _encoded(source, times, start_frame, end_frame)


def _encoded(source: ClipSource, times: list[int], start_frame: int, end_frame: int) -> bytes:
    span = FrameSpan(start_frame, end_frame)
    start_pts, end_pts = times[start_frame], times[end_frame]
    start_s, end_s = (float((pts - times[0]) * source.time_base) for pts in (start_pts, end_pts))
    clip = ClipSpan("window", span, start_pts, end_pts, start_s, end_s)
    sar, rate = pixel_aspect(source.stream), nominal_rate(source.stream)
    options = EncodeOptions(ClipTranscodingStage(), source.time_base, sar, rate)
    with tempfile.TemporaryDirectory() as directory:
        job = CutJob(source, None, options, directory, lambda: None)
        message = cut_exactly(job, [clip])[clip.clip_id].message
        if message:
            raise EncodeFailed(f"frames {start_frame} to {end_frame} of {source.uri}: {message}")
        return Path(encoded_path(directory, clip)).read_bytes()


def _times(source: ClipSource) -> list[int]:
    """When each frame of a clip of ours is shown, in its time base, and the end of the last."""
    shown = {packet.pts: packet.duration or 1 for packet in source.packets_from(0) if packet.pts is not None}
    times = sorted(shown)
    return [*times, times[-1] + shown[times[-1]]] if times else [0]
