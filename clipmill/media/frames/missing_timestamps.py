"""Streams whose container stores no presentation times, so that the demuxer makes them up.

For codecs whose pictures may be shown in another order than they are stored in, what it makes up counts in
storage order. Only a key picture's made-up time is that of its place on screen. Of MPEG-4 part 2 with two
pictures in one packet (packed B-frames) the demuxer's guess is wrong, and its storage times are those of the
pictures in the order in which they are shown. The same holds for asf, which has storage times only. An mxf
has an index that says in which order pictures are shown, or lacks it.
"""

from itertools import islice
from typing import Literal

from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

TrueTimes = Literal["all", "key pictures", "storage"]
"""Which times of frames are to be trusted: all, those of key pictures, or those of storage."""

_STORE_NO_TIMES = frozenset({"avi", "h264", "hevc"})
_MADE_UP_WRONGLY = frozenset({"h264", "hevc"})
FIRST_PACKETS = 16
"""Among so many packets of a stream with reordered pictures, one is shown at another place."""


def true_times(container: InputContainer, stream: VideoStream) -> TrueTimes:
    """Returns which times of a stream's frames are to be trusted."""
    codec = stream.codec_context.codec.canonical_name
    if container.format.name == "avi" and codec == "mpeg4":
        return "storage"
    if container.format.name == "asf" and stream.codec_context.has_b_frames:
        return "storage"
    if container.format.name == "mxf" and codec in _MADE_UP_WRONGLY:
        return "key pictures" if _has_storage_times_only(container, stream) else "all"
    makes_up = container.format.name in _STORE_NO_TIMES and stream.codec_context.has_b_frames
    return "key pictures" if makes_up and codec in _MADE_UP_WRONGLY else "all"


def _has_storage_times_only(container: InputContainer, stream: VideoStream) -> bool:
    """Whether the index of an mxf does not say that pictures are shown in another order; at its beginning."""
    if not stream.codec_context.has_b_frames:
        return False
    packets = list(islice(container.demux(stream), FIRST_PACKETS))
    container.seek(0)
    return all(packet.pts == packet.dts for packet in packets)


def stored_pts(frame: VideoFrame, trusted: TrueTimes) -> int | None:
    """Returns the frame's pts; None where it was made up and has to follow the frame before."""
    if trusted == "storage":
        return frame.dts  # the last picture has none
    return None if trusted == "key pictures" and not frame.key_frame else frame.pts
