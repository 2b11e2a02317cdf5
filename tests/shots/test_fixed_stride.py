"""Clips by the clock. Values marked "documents" are NeMo Curator's own cases."""

import numpy as np
import pytest

from clipmill.records import DropCause
from clipmill.stages.video.clipping.clip_extraction_stages import FixedStrideExtractorStage
from tests.support.splits import dropped, even_times, num_covering, pairs, random_times, stride
from tests.support.stand_ins.known_cuts import split_of


@pytest.mark.parametrize(
    ("duration_s", "spec", "expected_s"),
    [
        (20, stride(5, 2.5, 1), [(2.5 * index, min(2.5 * index + 5, 20)) for index in range(8)]),
        (30, stride(5, 2.5, 1), [(2.5 * index, min(2.5 * index + 5, 30)) for index in range(12)]),
        (1, stride(5, 2.5, 1), [(0, 1)]),
        (5, stride(5, 2.5, 1), [(0, 5), (2.5, 5)]),
        (5, stride(1, 0.5, 0.5), [(0.5 * index, min(0.5 * index + 1, 5)) for index in range(10)]),
    ],
    ids=["20 s", "30 s", "1 s", "5 s", "half-second stride"],
)
def test_fixed_stride_documents(
    duration_s: float, spec: FixedStrideExtractorStage, expected_s: list[tuple[float, float]]
) -> None:
    found = split_of(spec, even_times(int(duration_s * 10), fps=10))
    assert pairs(found.clips) == [(int(start * 10), int(end * 10)) for start, end in expected_s]


def test_fixed_stride_limit_caps() -> None:
    """The reference skips only videos that already have so many clips, and makes 10; a limit is a limit."""
    found = split_of(stride(1, 0.5, 0.5, limit=3), even_times(50, fps=10))
    assert pairs(found.clips) == [(0, 10), (5, 15), (10, 20)]
    assert dropped(found) == [(20, 50, DropCause.OVER_LIMIT)]


def test_fixed_stride_names_what_lies_between() -> None:
    found = split_of(stride(2, 4, 1), even_times(10))
    assert pairs(found.clips) == [(0, 2), (4, 6), (8, 10)]
    assert dropped(found) == [(2, 4, DropCause.BETWEEN), (6, 8, DropCause.BETWEEN)]


def test_fixed_stride_names_the_short_tail() -> None:
    found = split_of(stride(10, 10, 6), even_times(25))
    assert dropped(found) == [(20, 25, DropCause.TOO_SHORT)]


def test_stride_below_the_frame_distance_makes_no_clip_twice() -> None:
    clips = split_of(stride(1, 0.25, 0), even_times(3)).clips
    assert len(set(clips)) == len(clips)


@pytest.mark.parametrize("seed", range(30))
def test_fixed_stride_drops_exactly_the_frames_in_no_clip(seed: int) -> None:
    rng = np.random.default_rng(seed)
    num_frames = int(rng.integers(1, 300))
    spec = stride(
        rng.choice([0.3, 1, 4]), rng.choice([0.2, 1, 5]), rng.choice([0, 0.5, 2]), int(rng.integers(3))
    )
    in_clips, in_dropped = num_covering(split_of(spec, random_times(rng, num_frames)), num_frames)
    assert ((in_clips > 0) ^ (in_dropped == 1)).all()
