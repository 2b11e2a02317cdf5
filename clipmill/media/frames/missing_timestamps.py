"""Streams whose container stores no presentation times, so that the demuxer makes them up.

For codecs whose pictures may be shown in another order than they are stored in, what it makes up counts in
storage order. Only a key picture's made-up time is that of its place on screen.
"""

from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

_STORE_NO_TIMES = frozenset({"avi", "h264", "hevc"})
_MADE_UP_WRONGLY = frozenset({"h264", "hevc"})


def has_made_up_times(container: InputContainer, stream: VideoStream) -> bool:
    """Whether only the times of key pictures are to be trusted."""
    return (
        container.format.name in _STORE_NO_TIMES
        and stream.codec_context.codec.canonical_name in _MADE_UP_WRONGLY
        and stream.codec_context.has_b_frames
    )


def stored_pts(frame: VideoFrame, *, is_made_up: bool) -> int | None:
    """The frame's pts; None where it was made up in storage order and has to follow the frame before."""
    return None if is_made_up and not frame.key_frame else frame.pts
