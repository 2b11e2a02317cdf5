"""Stops a video that costs more than the limits allow, whatever its headers said."""

import re
from collections.abc import Callable
from contextlib import suppress

from av import logging as ffmpeg_log
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext

from clipmill.errors import UnreadableVideo
from clipmill.records import SourceLimits, VideoReason

FREE_FRAMES = 1000
"""Frames that a video may have however short it is: files whose times are broken are short in seconds."""
BLOCK_PX = 128
"""The largest block that a codec here pads pictures to: AV1's superblock."""
_REFUSED_SIZE = re.compile(r"Picture size (\d+)x(\d+)")


class Bounds:
    """The limits of one video. Checks raise UnreadableVideo, ``over_limit``, with both numbers."""

    def __init__(self, uri: str, limits: SourceLimits) -> None:
        self.uri = uri
        self._limits = limits

    def impose(self, codec: VideoCodecContext) -> None:
        """Check the size in the headers, and have the decoder refuse larger pictures before it allocates."""
        self.check_size(codec.width, codec.height)
        # The decoder counts whole blocks, of which the picture shown is a part.
        padded = (codec.width + BLOCK_PX - 1) * (codec.height + BLOCK_PX - 1)
        allowed = self._limits.max_pixels + padded - codec.width * codec.height
        codec.options = {**codec.options, "max_pixels": str(allowed)}

    def check_size(self, width_px: int, height_px: int) -> None:
        """A picture's size."""
        if width_px * height_px > self._limits.max_pixels:
            size = f"{width_px}x{height_px} are more than {self._limits.max_pixels} pixels"
            raise UnreadableVideo(self.uri, VideoReason.OVER_LIMIT, size)

    def check_length(self, num_frames: int, time_s: float) -> None:
        """``num_frames`` frames that last until ``time_s``."""
        limits = self._limits
        if time_s > limits.max_duration_s:
            length = f"its frames last more than {limits.max_duration_s:.1f} s"
            raise UnreadableVideo(self.uri, VideoReason.OVER_LIMIT, length)
        if num_frames > FREE_FRAMES + limits.max_framerate * time_s:
            rate = f"{num_frames} frames in {time_s:.3f} s are more than {limits.max_framerate:g} a second"
            raise UnreadableVideo(self.uri, VideoReason.OVER_LIMIT, rate)


def refused_size(decode: Callable[[], object]) -> tuple[int, int] | None:
    """(width, height) of the picture for whose size ``decode`` fails; None where it fails for something else.

    For after a first failure: FFmpeg tells the size to its log only, and listening to that costs.
    """
    level, skips_repeated = ffmpeg_log.get_level(), ffmpeg_log.get_skip_repeated()
    ffmpeg_log.set_level(ffmpeg_log.ERROR)
    ffmpeg_log.set_skip_repeated(False)
    try:
        with ffmpeg_log.Capture() as lines, suppress(FFmpegError):
            decode()
    finally:
        ffmpeg_log.set_level(level)
        ffmpeg_log.set_skip_repeated(skips_repeated)
    found = next(filter(None, (_REFUSED_SIZE.search(text) for _, _, text in lines)), None)
    return (int(found[1]), int(found[2])) if found else None
