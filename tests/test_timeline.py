"""Cuts to shots to clips to windows. Values marked "documents" are the reference's own cases."""

import numpy as np
import pytest

from clipmill.records import Cuts, DropCause, DroppedSpan, FrameSpan, Shot, Span, Split
from clipmill.stages.video.clipping.clip_extraction_stages import FixedStrideExtractorStage
from clipmill.stages.video.clipping.content_extraction import ShotClipRules
from clipmill.timeline import (
    clips_from_shots,
    fixed_stride_clips,
    shots_from_cuts,
    split_long,
    split_windows,
)

NO_RULES = ShotClipRules(min_length_s=None, max_length_s=None, crop_s=None)


def even_times(num_frames: int, *, fps: float = 1.0) -> np.ndarray:
    return np.arange(num_frames + 1) / fps


def pairs(spans: tuple[FrameSpan, ...] | list[FrameSpan]) -> list[tuple[int, int]]:
    return [(span.start_frame, span.end_frame) for span in spans]


def shots(*edges: tuple[int, int]) -> list[Shot]:
    return [Shot(FrameSpan(*edge)) for edge in edges]


def clips_of(shots_: list[Shot], num_frames: int, **rules: object) -> list[tuple[int, int]]:
    """Clips at one frame a second, so that frames and seconds are the same numbers."""
    split, _ = clips_from_shots(shots_, even_times(num_frames), NO_RULES.model_copy(update=rules))
    return pairs(split.clips)


def dropped(split: Split) -> list[tuple[int, int, DropCause]]:
    return [(drop.span.start_frame, drop.span.end_frame, drop.cause) for drop in split.dropped]


# shots_from_cuts


@pytest.mark.parametrize(
    ("hard", "gradual", "expected"),
    [
        ((), (), [(0, 10)]),
        ((4,), (), [(0, 4), (4, 10)]),
        ((4, 4, 2), (), [(0, 2), (2, 4), (4, 10)]),
        ((0, 10, 12), (), [(0, 10)]),
        ((), ((3, 5),), [(0, 3), (5, 10)]),
        ((), ((0, 2),), [(2, 10)]),
        ((), ((8, 12),), [(0, 8)]),
        ((), ((3, 6), (5, 8)), [(0, 3), (8, 10)]),
        ((), ((0, 10),), []),
        ((), ((12, 14),), [(0, 10)]),
        ((4,), ((3, 6),), [(0, 3), (6, 10)]),
        ((3, 6), ((3, 6),), [(0, 3), (6, 10)]),
        ((8,), ((3, 6),), [(0, 3), (6, 8), (8, 10)]),
    ],
    ids=[
        "no cut", "one cut", "unsorted, twice", "cuts at the ends", "dissolve", "fade in",
        "fade past the end", "overlapping ranges", "nothing but a fade", "range outside",
        "hard cut inside a range", "hard cuts on the edges of a range", "hard cut after a range",
    ],
)  # fmt: skip
def test_shots_lie_between_cuts(
    hard: tuple[int, ...], gradual: tuple[tuple[int, int], ...], expected: list[tuple[int, int]]
) -> None:
    cuts = Cuts(hard, tuple(FrameSpan(*span) for span in gradual))
    assert pairs([shot.span for shot in shots_from_cuts(cuts, num_frames=10)]) == expected


def test_last_frame_belongs_to_the_last_shot() -> None:
    """The reference ends the last shot at the index of the last frame, exclusive, and so loses it."""
    assert shots_from_cuts(Cuts((3,)), num_frames=5)[-1].span.end_frame == 5


def test_shots_name_the_transitions_that_touch_them() -> None:
    dissolve = FrameSpan(4, 6)
    found = shots_from_cuts(Cuts((2,), (dissolve,)), num_frames=10)
    assert [(shot.gradual_before, shot.gradual_after) for shot in found] == [
        (None, None),
        (None, dissolve),
        (dissolve, None),
    ]


# split_long


@pytest.mark.parametrize(
    ("start", "end", "min_s", "expected"),
    [
        (0, 100, 10, [(0, 30), (30, 60), (60, 90), (90, 100)]),
        (0, 95, 10, [(0, 30), (30, 60), (60, 90)]),
        (0, 95, None, [(0, 30), (30, 60), (60, 90), (90, 95)]),
        (0, 20, 10, [(0, 20)]),
        (5, 5, 10, []),
        (7, 67, 10, [(7, 37), (37, 67)]),
    ],
    ids=["tail kept", "tail dropped", "no minimum", "one piece", "empty", "exact multiple"],
)  # fmt: skip
def test_split_long_documents(
    start: float, end: float, min_s: float | None, expected: list[tuple[float, float]]
) -> None:
    assert split_long(start, end, max_s=30, min_s=min_s) == [Span(*pair) for pair in expected]


def test_split_long_survives_float_noise() -> None:
    assert len(split_long(0.1, 0.1 + 3 * 0.1, max_s=0.1, min_s=0.1)) == 3


# clips_from_shots: the documents' post-filter

DOCUMENTS_SHOTS = shots((0, 30), (30, 90), (90, 150))


def test_min_length_documents() -> None:
    assert clips_of(DOCUMENTS_SHOTS, 150, min_length_s=40) == [(30, 90), (90, 150)]


def test_truncate_documents() -> None:
    clips = clips_of(DOCUMENTS_SHOTS, 150, max_length_s=50, max_length_mode="truncate")
    assert clips == [(0, 30), (30, 80), (90, 140)]


def test_stride_documents() -> None:
    clips = clips_of(DOCUMENTS_SHOTS, 150, max_length_s=50, max_length_mode="stride")
    assert clips == [(0, 30), (30, 80), (80, 90), (90, 140), (140, 150)]


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        (((0, 30), (30, 90), (90, 150)), [(5, 25), (35, 85), (95, 145)]),
        (((0, 8), (10, 18)), []),
        (((0, 8), (10, 30)), [(15, 25)]),
    ],
    ids=["both ends of each", "nothing left", "one left"],
)
def test_crop_documents(edges: tuple[tuple[int, int], ...], expected: list[tuple[int, int]]) -> None:
    assert clips_of(shots(*edges), 150, crop_s=5) == expected


def test_limit_clips_documents() -> None:
    assert clips_of(DOCUMENTS_SHOTS, 150, limit_clips=2) == [(0, 30), (30, 90)]


def test_stride_leaves_no_hole_inside_a_shot() -> None:
    """The reference crops each piece after cutting: 45 s give clips of 9 s with 1 s holes, 11 % lost.

    Right is to crop what a cut may have blurred, the shot's own two ends, and nothing else.
    """
    split, _ = clips_from_shots(shots((0, 1350)), even_times(1350, fps=30), ShotClipRules())
    assert pairs(split.clips) == [(15, 315), (315, 615), (615, 915), (915, 1215), (1215, 1335)]
    assert dropped(split) == [(0, 15, DropCause.CROPPED), (1335, 1350, DropCause.CROPPED)]


def test_crop_comes_before_max_length() -> None:
    """11 s cropped by 0.5 s at each end are one clip of 10 s; cropped after cutting they would be two."""
    assert clips_of(shots((0, 22)), 22, crop_s=1, max_length_s=20, min_length_s=1) == [(1, 21)]


def test_crop_comes_before_min_length() -> None:
    split, _ = clips_from_shots(
        shots((0, 10)), even_times(10), NO_RULES.model_copy(update={"crop_s": 1, "min_length_s": 9})
    )
    assert dropped(split) == [
        (0, 1, DropCause.CROPPED),
        (1, 9, DropCause.TOO_SHORT),
        (9, 10, DropCause.CROPPED),
    ]


def test_tail_below_the_minimum_is_too_short() -> None:
    rules = NO_RULES.model_copy(update={"max_length_s": 10, "min_length_s": 3})
    split, _ = clips_from_shots(shots((0, 22)), even_times(22), rules)
    assert pairs(split.clips) == [(0, 10), (10, 20)]
    assert dropped(split) == [(20, 22, DropCause.TOO_SHORT)]


def test_truncated_rest_is_named() -> None:
    rules = NO_RULES.model_copy(update={"max_length_s": 10, "max_length_mode": "truncate"})
    split, _ = clips_from_shots(shots((0, 22)), even_times(22), rules)
    assert dropped(split) == [(10, 22, DropCause.TRUNCATED)]


def test_shot_eaten_by_its_crop_is_too_short() -> None:
    split, _ = clips_from_shots(shots((0, 8)), even_times(8), NO_RULES.model_copy(update={"crop_s": 5}))
    assert dropped(split) == [(0, 8, DropCause.TOO_SHORT)]


def test_gradual_frames_are_named() -> None:
    found = shots_from_cuts(Cuts((), (FrameSpan(4, 6),)), num_frames=10)
    split, _ = clips_from_shots(found, even_times(10), NO_RULES)
    assert split.dropped == (DroppedSpan(FrameSpan(4, 6), DropCause.GRADUAL),)


def test_over_limit_is_named() -> None:
    split, shot_of_clip = clips_from_shots(
        shots((0, 4), (4, 10)), even_times(10), NO_RULES.model_copy(update={"limit_clips": 1})
    )
    assert dropped(split) == [(4, 10, DropCause.OVER_LIMIT)]
    assert shot_of_clip == (0,)


def test_clips_know_their_shot() -> None:
    rules = NO_RULES.model_copy(update={"min_length_s": 3, "max_length_s": 5})
    _, shot_of_clip = clips_from_shots(shots((0, 2), (2, 12), (12, 16)), even_times(16), rules)
    assert shot_of_clip == (1, 1, 2)


def test_video_without_cuts_is_one_shot() -> None:
    assert clips_of(shots((0, 5)), 5) == [(0, 5)]


def test_video_without_cuts_can_be_left_out() -> None:
    rules = NO_RULES.model_copy(update={"entire_scene_as_clip": False})
    split, shot_of_clip = clips_from_shots(shots((0, 5)), even_times(5), rules)
    assert dropped(split) == [(0, 5, DropCause.UNCUT)]
    assert shot_of_clip == ()


def test_leaving_uncut_videos_out_spares_those_with_cuts() -> None:
    assert clips_of(shots((0, 2), (2, 5)), 5, entire_scene_as_clip=False) == [(0, 2), (2, 5)]


def test_boundaries_follow_frame_times_not_the_frame_rate() -> None:
    """Ten frames in the first second, then one a second: 2 s are 11 frames at one end and 2 at the other."""
    times_s = np.concatenate([np.arange(10) / 10, np.arange(1.0, 12.0)])
    split, _ = clips_from_shots(shots((0, 20)), times_s, NO_RULES.model_copy(update={"crop_s": 2.0}))
    assert pairs(split.clips) == [(11, 18)]


def test_boundary_between_two_frames_takes_the_later() -> None:
    times_s = np.array([0.0, 0.4, 0.8, 1.2, 1.6, 2.0])
    split, _ = clips_from_shots(shots((0, 5)), times_s, NO_RULES.model_copy(update={"max_length_s": 1.0}))
    assert pairs(split.clips) == [(0, 3), (3, 5)]


def test_frame_times_of_29_97_fps_lose_no_frame_to_rounding() -> None:
    times_s = np.arange(0, 901) * (1001 / 30000)
    split, _ = clips_from_shots(
        shots((0, 900)), times_s, NO_RULES.model_copy(update={"max_length_s": 1001 / 100})
    )
    assert pairs(split.clips) == [(0, 300), (300, 600), (600, 900)]


def random_times(rng: np.random.Generator, num_frames: int) -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum(rng.choice([0.01, 0.04, 0.0333667, 0.5], num_frames))])


def random_rules(rng: np.random.Generator) -> ShotClipRules:
    return ShotClipRules(
        min_length_s=rng.choice([None, 0.05, 0.5, 2.0]),
        max_length_s=rng.choice([None, 2.0, 5.0]),
        max_length_mode=rng.choice(["stride", "truncate"]),
        crop_s=rng.choice([None, 0.1, 0.5]),
        entire_scene_as_clip=bool(rng.integers(2)),
        limit_clips=int(rng.choice([-1, 0, 3])),
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


@pytest.mark.parametrize("seed", range(60))
def test_every_frame_is_in_one_clip_or_one_dropped_span(seed: int) -> None:
    rng = np.random.default_rng(seed)
    num_frames = int(rng.integers(1, 400))
    found = shots_from_cuts(random_cuts(rng, num_frames), num_frames=num_frames)
    split, shot_of_clip = clips_from_shots(found, random_times(rng, num_frames), random_rules(rng))
    in_clips, in_dropped = num_covering(split, num_frames)
    assert (in_clips + in_dropped == 1).all()
    assert len(shot_of_clip) == len(split.clips)


@pytest.mark.parametrize("seed", range(20))
def test_clips_lie_inside_their_shot(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = shots_from_cuts(random_cuts(rng, 300), num_frames=300)
    split, shot_of_clip = clips_from_shots(found, random_times(rng, 300), random_rules(rng))
    for clip, index in zip(split.clips, shot_of_clip, strict=True):
        shot = found[index].span
        assert shot.start_frame <= clip.start_frame < clip.end_frame <= shot.end_frame


@pytest.mark.parametrize("seed", range(20))
def test_clips_keep_the_length_rules(seed: int) -> None:
    """A clip may pass ``max_length_s`` by less than the frame that is on screen when it is reached."""
    rng = np.random.default_rng(seed)
    times_s, rules = random_times(rng, 300), random_rules(rng)
    split, _ = clips_from_shots(shots((0, 120), (120, 300)), times_s, rules)
    for clip in split.clips:
        assert times_s[clip.end_frame] - times_s[clip.start_frame] >= (rules.min_length_s or 0) - 1e-6
        last_start_s = times_s[clip.end_frame - 1] - times_s[clip.start_frame]
        assert last_start_s < (rules.max_length_s or np.inf)


def test_times_need_the_end_of_the_last_frame() -> None:
    with pytest.raises(ValueError, match=r"\(N \+ 1,\)"):
        clips_from_shots([], np.zeros(1), NO_RULES)


# fixed_stride_clips


def stride(length: float, step: float, minimum: float, limit: int = 0) -> FixedStrideExtractorStage:
    return FixedStrideExtractorStage(
        clip_len_s=length, clip_stride_s=step, min_clip_length_s=minimum, limit_clips=limit
    )


@pytest.mark.parametrize(
    ("duration_s", "spec", "expected_s"),
    [
        (20, stride(5, 2.5, 1), [(2.5 * index, min(2.5 * index + 5, 20)) for index in range(8)]),
        (30, stride(5, 2.5, 1), [(2.5 * index, min(2.5 * index + 5, 30)) for index in range(12)]),
        (1, stride(5, 2.5, 1), [(0, 1)]),
        (5, stride(5, 2.5, 1), [(0, 5), (2.5, 5)]),
        (5, stride(2, 2, 3), []),
        (5, stride(1, 0.5, 0.5), [(0.5 * index, min(0.5 * index + 1, 5)) for index in range(10)]),
    ],
    ids=["20 s", "30 s", "1 s", "5 s", "minimum above length", "half-second stride"],
)
def test_fixed_stride_documents(
    duration_s: float, spec: FixedStrideExtractorStage, expected_s: list[tuple[float, float]]
) -> None:
    split = fixed_stride_clips(even_times(int(duration_s * 10), fps=10), spec)
    assert pairs(split.clips) == [(int(start * 10), int(end * 10)) for start, end in expected_s]


def test_fixed_stride_limit_caps() -> None:
    """The reference skips only videos that already have so many clips, and makes 10; a limit is a limit."""
    split = fixed_stride_clips(even_times(50, fps=10), stride(1, 0.5, 0.5, limit=3))
    assert pairs(split.clips) == [(0, 10), (5, 15), (10, 20)]
    assert dropped(split) == [(20, 50, DropCause.OVER_LIMIT)]


def test_fixed_stride_names_what_lies_between() -> None:
    split = fixed_stride_clips(even_times(10), stride(2, 4, 1))
    assert pairs(split.clips) == [(0, 2), (4, 6), (8, 10)]
    assert dropped(split) == [(2, 4, DropCause.BETWEEN), (6, 8, DropCause.BETWEEN)]


def test_fixed_stride_names_the_short_tail() -> None:
    split = fixed_stride_clips(even_times(25), stride(10, 10, 6))
    assert dropped(split) == [(20, 25, DropCause.TOO_SHORT)]


def test_stride_below_the_frame_distance_makes_no_clip_twice() -> None:
    split = fixed_stride_clips(even_times(3), stride(1, 0.25, 0))
    assert len(set(split.clips)) == len(split.clips)


@pytest.mark.parametrize("seed", range(30))
def test_fixed_stride_drops_exactly_the_frames_in_no_clip(seed: int) -> None:
    rng = np.random.default_rng(seed)
    num_frames = int(rng.integers(1, 300))
    spec = stride(
        rng.choice([0.3, 1, 4]), rng.choice([0.2, 1, 5]), rng.choice([0, 0.5, 2]), int(rng.integers(3))
    )
    in_clips, in_dropped = num_covering(fixed_stride_clips(random_times(rng, num_frames), spec), num_frames)
    assert ((in_clips > 0) ^ (in_dropped == 1)).all()


# split_windows


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
    """The documents write inclusive ends; ours are half-open."""
    assert pairs(split_windows(num_frames, window_size=256, remainder_threshold=128)) == expected


def test_small_windows_documents() -> None:
    assert pairs(split_windows(12, window_size=5, remainder_threshold=1)) == [(0, 5), (5, 10), (10, 12)]


def test_remainder_threshold_of_zero_adds_no_empty_window() -> None:
    assert pairs(split_windows(10, window_size=5, remainder_threshold=0)) == [(0, 5), (5, 10)]
