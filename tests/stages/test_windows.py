"""Clips to caption windows. Values marked "documents" are the reference's own cases."""

import pytest

from clipmill.records import FrameSpan
from clipmill.stages.video.caption.caption_preparation import split_windows


def pairs(spans: list[FrameSpan]) -> list[tuple[int, int]]:
    return [(span.start_frame, span.end_frame) for span in spans]


@pytest.mark.parametrize(
    ("num_frames", "expected"),
    [
        (0, []),
        (3, []),
        (4, [(0, 4)]),
        (256, [(0, 256)]),
        (257, [(0, 257)]),
        (300, [(0, 300)]),
        (383, [(0, 383)]),
        (384, [(0, 256), (256, 384)]),
        (511, [(0, 256), (256, 511)]),
        (512, [(0, 256), (256, 512)]),
        (513, [(0, 256), (256, 513)]),
        (640, [(0, 256), (256, 512), (512, 640)]),
    ],
)
def test_windows_documents(num_frames: int, expected: list[tuple[int, int]]) -> None:
    """NeMo Curator writes inclusive ends; ours are half-open."""
    assert pairs(split_windows(num_frames, window_size=256, remainder_threshold=128)) == expected


def test_small_windows_documents() -> None:
    assert pairs(split_windows(12, window_size=5, remainder_threshold=1)) == [(0, 5), (5, 10), (10, 12)]


def test_remainder_threshold_of_zero_adds_no_empty_window() -> None:
    assert pairs(split_windows(10, window_size=5, remainder_threshold=0)) == [(0, 5), (5, 10)]
