"""What a clip file holds, read back from it."""

import os
from contextlib import suppress

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from clipmill.media.frames.side_tags import is_dolby_only
from clipmill.media.frames.tone_mapping import high_range
from clipmill.records import CutClip, PictureFacts, SoundFacts


def read_clip(
    path: str,
    *,
    clip_id: str,
    clip_mode: str,
    mode_reason: str,
    file_start_s: float,
    sound: SoundFacts,
    pictures: PictureFacts | None = None,
) -> CutClip:
    """The record of a written clip; sizes, rate, counts and codec come from the file.

    ``pictures`` is what was done to encoded ones. Copied ones are looked at.
    """
    with av.open(path) as container:
        stream = container.streams.video[0]
        pictures = pictures or _copied_pictures(container, stream)
        return CutClip(
            clip_id=clip_id,
            path=path,
            clip_mode=clip_mode,
            mode_reason=mode_reason,
            file_start_s=file_start_s,
            width=stream.width,
            height=stream.height,
            framerate=float(stream.average_rate or 0),
            num_frames=stream.frames or sum(packet.size > 0 for packet in container.demux(stream)),
            num_bytes=os.path.getsize(path),
            video_codec=stream.codec_context.codec.canonical_name,
            has_audio=bool(container.streams.audio),
            sound=sound,
            pictures=pictures,
        )


def _copied_pictures(container: InputContainer, stream: VideoStream) -> PictureFacts:
    """What the first picture of a clip that nothing was done to is like."""
    stream.codec_context.thread_count = 1
    first: VideoFrame | None = None
    with suppress(FFmpegError):  # a reader will say so
        first = next(container.decode(stream), None)
    container.seek(0)
    if first is None:
        return PictureFacts()
    return PictureFacts(
        "copied" if high_range(first.color_trc) or is_dolby_only(first) else "none",
        "left" if first.interlaced_frame else "none",
    )
