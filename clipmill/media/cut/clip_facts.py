"""What a clip file holds, read back from it."""

import os

import av

from clipmill.records import CutClip, SoundFacts


def read_clip(
    path: str, *, clip_id: str, clip_mode: str, mode_reason: str, file_start_s: float, sound: SoundFacts
) -> CutClip:
    """The record of a written clip; sizes, rate, counts and codec come from the file."""
    with av.open(path) as container:
        stream = container.streams.video[0]
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
        )
