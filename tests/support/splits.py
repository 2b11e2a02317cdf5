"""Times, rules and cuts for tests of the splitter, drawn at random or even."""

import numpy as np

from clipmill.records import Cuts, DropCause, FrameSpan, Split
from clipmill.stages.video.clipping.clip_extraction_stages import FixedStrideExtractorStage
from tests.support.stand_ins.known_cuts import ShotRules


def even_times(num_frames: int, *, fps: float = 1.0) -> np.ndarray:
    return np.arange(num_frames + 1) / fps


def pairs(spans: tuple[FrameSpan, ...] | list[FrameSpan]) -> list[tuple[int, int]]:
    return [(span.start_frame, span.end_frame) for span in spans]


def dropped(split: Split) -> list[tuple[int, int, DropCause]]:
    return [(drop.span.start_frame, drop.span.end_frame, drop.cause) for drop in split.dropped]


def stride(length: float, step: float, minimum: float, limit: int = 0) -> FixedStrideExtractorStage:
    return FixedStrideExtractorStage(
        clip_len_s=length,
        clip_stride_s=step,
        min_clip_length_s=min(minimum, length),  # a spec with more is refused
        limit_clips=limit,
    )


def random_times(rng: np.random.Generator, num_frames: int) -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum(rng.choice([0.01, 0.04, 0.0333667, 0.5], num_frames))])


def random_rules(rng: np.random.Generator) -> ShotRules:
    return ShotRules(
        min_length_s=rng.choice([None, 0.05, 0.5, 2.0]),
        max_length_s=rng.choice([None, 2.0, 5.0]),
        max_length_mode=rng.choice(["stride", "truncate"]),
        crop_s=rng.choice([None, 0.1, 0.5]),
        entire_scene_as_clip=bool(rng.integers(2)),
        limit_clips=int(rng.choice([-1, 0, 3])),
        snap_to_silence=bool(rng.integers(2)),
    )


def random_cuts(rng: np.random.Generator, num_frames: int) -> Cuts:
    hard = tuple(sorted(rng.integers(0, num_frames + 3, rng.integers(0, 9)).tolist()))
    starts = rng.integers(0, num_frames + 3, rng.integers(0, 4)).tolist()
    return Cuts(hard, tuple(FrameSpan(start, start + int(rng.integers(1, 30))) for start in starts))


def num_covering(split: Split, num_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """How many clips, and how many dropped spans, each frame is in."""
    in_clips, in_dropped = np.zeros(num_frames, int), np.zeros(num_frames, int)
    for clip in split.clips:
        in_clips[clip.start_frame : clip.end_frame] += 1
    for drop in split.dropped:
        in_dropped[drop.span.start_frame : drop.span.end_frame] += 1
    return in_clips, in_dropped
