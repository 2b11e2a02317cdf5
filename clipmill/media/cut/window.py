"""The mp4 of one window of a clip, for readers that take files rather than frames."""

from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from clipmill.errors import EncodeFailed
from clipmill.media.cut.reencode import CutJob, cut_exactly, encoded_path
from clipmill.media.decode.seek import ClipSource
from clipmill.media.encode.clip_encoder import SourceEncoding, source_encoding
from clipmill.media.io.source import open_source
from clipmill.records import ClipSpan, FrameSpan
from clipmill.scratch import ScratchFolder
from clipmill.stages.encode_options import DEFAULT_ENCODER, EncodeOptions


def window_mp4(clip_path: str, start_frame: int, end_frame: int, *, options: EncodeOptions) -> bytes:
    """An mp4 of frames ``[start_frame, end_frame)`` of a clip, soundless; a whole clip is its own bytes.

    Encoded as the clip was by ``options``; of a copied or spliced clip by the default encoder.
    ValueError when the clip has fewer frames, EncodeFailed when they cannot be encoded.
    """
    with ExitStack() as stack:
        source = stack.enter_context(closing(ClipSource(stack.enter_context(open_source(clip_path)))))
        times = frame_times(source)
        if not 0 <= start_frame < end_frame < len(times):
            raise ValueError(
                f"{clip_path} has {len(times) - 1} frames, asked for are {start_frame} to {end_frame}"
            )
        if (start_frame, end_frame) == (0, len(times) - 1):
            return Path(clip_path).read_bytes()
        size_bytes = Path(clip_path).stat().st_size
        encoding = source_encoding(
            of_window(options), source.container, source.stream, size_bytes=size_bytes, rotation_deg=0
        )
        return _encoded(source, FrameSpan(start_frame, end_frame), times, encoding)


def of_window(options: EncodeOptions) -> EncodeOptions:
    """Returns the options for a part of a clip, whose pictures have their size and rate already."""
    return replace(
        options,
        encoder=options.encoder if options.encodes else DEFAULT_ENCODER,
        crop_letterbox=False,
        max_height=None,
        multiple_of=None,
        target_fps=None,
        use_hwaccel=False,
        hdr="tone_map",
    )


def _encoded(source: ClipSource, span: FrameSpan, times: list[int], encoding: SourceEncoding) -> bytes:
    start_pts, end_pts = times[span.start_frame], times[span.end_frame]
    start_s, end_s = (float((pts - times[0]) * source.time_base) for pts in (start_pts, end_pts))
    clip = ClipSpan("window", span, start_pts, end_pts, start_s, end_s)
    with ScratchFolder("window-cut") as folder:
        job = CutJob(source, None, encoding, folder.path, lambda: None)
        message = cut_exactly(job, [clip])[clip.clip_id].message
        if message:
            raise EncodeFailed(f"frames {span.start_frame} to {span.end_frame} of {source.uri}: {message}")
        return Path(encoded_path(folder.path, clip)).read_bytes()


def frame_times(source: ClipSource) -> list[int]:
    """Returns when each frame of a clip of ours is shown, in its time base, and the end of the last."""
    shown = {packet.pts: packet.duration or 1 for packet in source.packets_from(0) if packet.pts is not None}
    times = sorted(shown)
    return [*times, times[-1] + shown[times[-1]]] if times else [0]
