"""From clips to windows, and how exact times are."""

from itertools import pairwise

from clipmill.records import FrameSpan

TIME_TOLERANCE_S = 1e-6
"""Sums of float seconds are off by less than this over a day, and frames are much further apart."""

CLOCK_ROUNDING_S = 0.0015
"""What a clock of milliseconds takes off a video: 2 s of 24 frames a second last 1.999 s in Matroska."""

MIN_WINDOW_FRAMES = 4
"""Clips shorter than this have no caption window."""


def split_windows(num_frames: int, *, window_size: int, remainder_threshold: int) -> list[FrameSpan]:
    """Cut a clip into caption windows of ``window_size`` frames.

    A remainder of at least ``remainder_threshold`` frames is a window of its own, a smaller one lengthens the
    last window. A clip of at most ``window_size`` frames is one window; one of fewer than four has none.
    """
    if num_frames < MIN_WINDOW_FRAMES:
        return []
    if num_frames <= window_size:
        return [FrameSpan(0, num_frames)]
    num_full, remainder = divmod(num_frames, window_size)
    edges = [index * window_size for index in range(num_full + 1)]
    if remainder and remainder >= remainder_threshold:
        edges.append(num_frames)
    edges[-1] = num_frames
    return [FrameSpan(start, end) for start, end in pairwise(edges)]
