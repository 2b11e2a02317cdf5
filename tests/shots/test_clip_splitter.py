"""Cuts to shots to clips. Values marked "documents" are NeMo Curator's own cases."""

from itertools import pairwise

import numpy as np
import pytest

from clipmill.records import Cuts, DropCause, DroppedSpan, FrameSpan, Shot, Split
from clipmill.shots.clip_splitter import split_whole
from clipmill.stages.video.clipping.clip_extraction_stages import FixedStrideExtractorStage
from tests.support.splits import (
    dropped,
    even_times,
    num_covering,
    pairs,
    random_cuts,
    random_rules,
    random_times,
)
from tests.support.stand_ins.known_cuts import (
    KnownCuts,
    ShotRules,
    split_of,
    splitter_of,
    thumbnails,
)

NO_RULES = ShotRules(min_length_s=None, max_length_s=None, crop_s=None)


def cuts_around(*shots: tuple[int, int], num_frames: int) -> Cuts:
    """Cuts that leave these shots: a hard cut where two touch, else a gradual transition."""
    gaps = list(pairwise([0, *(edge for shot in shots for edge in shot), num_frames]))[::2]
    hard = tuple(start for start, end in gaps[1:-1] if start == end)
    return Cuts(hard, tuple(FrameSpan(*gap) for gap in gaps if gap[0] < gap[1]))


def split(*shots: tuple[int, int], times_s: np.ndarray, rules: ShotRules = NO_RULES) -> Split:
    return split_of(rules, times_s, cuts_around(*shots, num_frames=len(times_s) - 1))


def split_even(*shots: tuple[int, int], num_frames: int, **rules: object) -> Split:
    """At one frame a second, so that frames and seconds are the same numbers."""
    return split(*shots, times_s=even_times(num_frames), rules=NO_RULES.model_copy(update=rules))


def clips_of(*shots: tuple[int, int], num_frames: int, **rules: object) -> list[tuple[int, int]]:
    return pairs(split_even(*shots, num_frames=num_frames, **rules).clips)


def shots_of(cuts: Cuts, num_frames: int) -> tuple[Shot, ...]:
    return split_of(NO_RULES, even_times(num_frames), cuts).shots


# shots


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
    assert pairs([shot.span for shot in shots_of(cuts, 10)]) == expected


def test_last_frame_belongs_to_the_last_shot() -> None:
    """The reference ends the last shot at the index of the last frame, exclusive, and so loses it."""
    assert shots_of(Cuts((3,)), 5)[-1].span.end_frame == 5


def test_shots_name_the_transitions_that_touch_them() -> None:
    dissolve = FrameSpan(4, 6)
    found = shots_of(Cuts((2,), (dissolve,)), 10)
    assert [(shot.gradual_before, shot.gradual_after) for shot in found] == [
        (None, None),
        (None, dissolve),
        (dissolve, None),
    ]


# one shot


@pytest.mark.parametrize(
    ("start", "end", "min_s", "expected"),
    [
        (0, 100, 10, [(0, 30), (30, 60), (60, 90), (90, 100)]),
        (0, 95, 10, [(0, 30), (30, 60), (60, 90)]),
        (0, 95, None, [(0, 30), (30, 60), (60, 90), (90, 95)]),
        (0, 20, 10, [(0, 20)]),
        (7, 67, 10, [(7, 37), (37, 67)]),
    ],
    ids=["tail kept", "tail dropped", "no minimum", "one piece", "exact multiple"],
)  # fmt: skip
def test_long_shot_documents(
    start: int, end: int, min_s: float | None, expected: list[tuple[int, int]]
) -> None:
    assert clips_of((start, end), num_frames=100, max_length_s=30, min_length_s=min_s) == expected


def test_nothing_has_no_clips_documents() -> None:
    assert clips_of((0, 10), num_frames=100, crop_s=5, max_length_s=30) == []


def test_long_shot_survives_float_noise() -> None:
    times_s = 0.1 + np.cumsum([0.0, 0.1, 0.1, 0.1]) - 0.1
    rules = NO_RULES.model_copy(update={"max_length_s": 0.1, "min_length_s": 0.1})
    assert len(split((0, 3), times_s=times_s, rules=rules).clips) == 3


# all shots: NeMo Curator's post-filter

DOCUMENTS_SHOTS = ((0, 30), (30, 90), (90, 150))


def test_min_length_documents() -> None:
    assert clips_of(*DOCUMENTS_SHOTS, num_frames=150, min_length_s=40) == [(30, 90), (90, 150)]


def test_truncate_documents() -> None:
    clips = clips_of(*DOCUMENTS_SHOTS, num_frames=150, max_length_s=50, max_length_mode="truncate")
    assert clips == [(0, 30), (30, 80), (90, 140)]


def test_stride_documents() -> None:
    clips = clips_of(*DOCUMENTS_SHOTS, num_frames=150, max_length_s=50, max_length_mode="stride")
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
    assert clips_of(*edges, num_frames=150, crop_s=5) == expected


def test_limit_clips_documents() -> None:
    assert clips_of(*DOCUMENTS_SHOTS, num_frames=150, limit_clips=2) == [(0, 30), (30, 90)]


def test_stride_leaves_no_hole_inside_a_shot() -> None:
    """The reference crops each piece after cutting: 45 s give clips of 9 s with 1 s holes, 11 % lost.

    Right is to crop what a cut may have blurred, the shot's own two ends, and nothing else.
    """
    found = split((0, 1350), times_s=even_times(1350, fps=30), rules=ShotRules())
    assert pairs(found.clips) == [(15, 315), (315, 615), (615, 915), (915, 1215), (1215, 1335)]
    assert dropped(found) == [(0, 15, DropCause.CROPPED), (1335, 1350, DropCause.CROPPED)]


def test_crop_comes_before_max_length() -> None:
    """11 s cropped by 0.5 s at each end are one clip of 10 s; cropped after cutting they would be two."""
    assert clips_of((0, 22), num_frames=22, crop_s=1, max_length_s=20, min_length_s=1) == [(1, 21)]


def test_crop_comes_before_min_length() -> None:
    found = split_even((0, 10), num_frames=10, crop_s=1, min_length_s=9)
    assert dropped(found) == [
        (0, 1, DropCause.CROPPED),
        (1, 9, DropCause.TOO_SHORT),
        (9, 10, DropCause.CROPPED),
    ]


def test_tail_below_the_minimum_is_too_short() -> None:
    found = split_even((0, 22), num_frames=22, max_length_s=10, min_length_s=3)
    assert pairs(found.clips) == [(0, 10), (10, 20)]
    assert dropped(found) == [(20, 22, DropCause.TOO_SHORT)]


def test_truncated_rest_is_named() -> None:
    found = split_even((0, 22), num_frames=22, max_length_s=10, max_length_mode="truncate")
    assert dropped(found) == [(10, 22, DropCause.TRUNCATED)]


def test_shot_eaten_by_its_crop_is_too_short() -> None:
    found = split_even((0, 8), num_frames=8, crop_s=5)
    assert dropped(found) == [(0, 8, DropCause.TOO_SHORT)]


def test_gradual_frames_are_named() -> None:
    found = split_of(NO_RULES, even_times(10), Cuts((), (FrameSpan(4, 6),)))
    assert found.dropped == (DroppedSpan(FrameSpan(4, 6), DropCause.GRADUAL),)


def test_over_limit_is_named() -> None:
    found = split_even((0, 4), (4, 10), num_frames=10, limit_clips=1)
    assert dropped(found) == [(4, 10, DropCause.OVER_LIMIT)]
    assert found.shot_of_clip == (0,)


def test_clips_know_their_shot() -> None:
    found = split_even((0, 2), (2, 12), (12, 16), num_frames=16, min_length_s=3, max_length_s=5)
    assert found.shot_of_clip == (1, 1, 2)


def test_video_without_cuts_is_one_shot() -> None:
    assert clips_of((0, 5), num_frames=5) == [(0, 5)]


def test_video_without_cuts_can_be_left_out() -> None:
    found = split_even((0, 5), num_frames=5, entire_scene_as_clip=False)
    assert dropped(found) == [(0, 5, DropCause.UNCUT)]
    assert found.shot_of_clip == ()
    assert pairs([shot.span for shot in found.shots]) == [(0, 5)]


def test_leaving_uncut_videos_out_spares_those_with_cuts() -> None:
    assert clips_of((0, 2), (2, 5), num_frames=5, entire_scene_as_clip=False) == [(0, 2), (2, 5)]


def test_boundaries_follow_frame_times_not_the_frame_rate() -> None:
    """Ten frames in the first second, then one a second: 2 s are 11 frames at one end and 2 at the other."""
    times_s = np.concatenate([np.arange(10) / 10, np.arange(1.0, 12.0)])
    found = split((0, 20), times_s=times_s, rules=NO_RULES.model_copy(update={"crop_s": 2.0}))
    assert pairs(found.clips) == [(11, 18)]


def test_boundary_between_two_frames_takes_the_later() -> None:
    times_s = np.arange(27) * 0.08
    found = split((0, 26), times_s=times_s, rules=NO_RULES.model_copy(update={"max_length_s": 1.0}))
    assert pairs(found.clips) == [(0, 13), (13, 25), (25, 26)]


@pytest.mark.parametrize(
    ("holds", "clips", "held"),
    [
        ({30: 42.0}, [(0, 30), (31, 61)], [(30, 31)]),
        ({30: 8.0}, [(0, 30), (30, 51), (51, 61)], []),
        ({5: 1.0}, [(0, 61)], []),
        ({0: 42.0}, [(1, 61)], [(0, 1)]),
        ({60: 42.0}, [(0, 60)], [(60, 61)]),
        ({20: 12.0, 21: 12.0}, [(0, 20), (22, 61)], [(20, 22)]),
    ],
    ids=["longer than a clip", "across a clip's end", "within a clip", "first", "last", "two"],
)
def test_a_held_frame_makes_no_clip_too_long(
    holds: dict[int, float], clips: list[tuple[int, int]], held: list[tuple[int, int]]
) -> None:
    """61 frames, ten a second, some of them longer; clips of at most ten seconds."""
    steps_s = np.array([holds.get(frame, 0.1) for frame in range(61)])
    times_s = np.concatenate([[0], np.cumsum(steps_s)])
    found = split((0, 61), times_s=times_s, rules=NO_RULES.model_copy(update={"max_length_s": 10.0}))
    assert pairs(found.clips) == clips
    assert dropped(found) == [(*span, DropCause.HELD) for span in held]
    assert all(times_s[end] - times_s[start] < 10.1 for start, end in clips)


def test_a_held_frame_makes_no_clip_by_the_clock_too_long() -> None:
    stage = FixedStrideExtractorStage(clip_len_s=2.0, clip_stride_s=2.0, min_clip_length_s=0.5)
    times_s = np.concatenate([np.arange(16) / 10, np.arange(46, 80) / 10])
    found = split_of(stage, times_s)
    assert pairs(found.clips) == [(0, 15), (16, 30), (30, 49)]
    assert dropped(found) == [(15, 16, DropCause.HELD)]


@pytest.mark.parametrize(
    ("quiet", "rules", "clips"),
    [
        ([(93, 96)], {}, [(0, 95), (95, 195), (195, 280)]),
        ([(85, 88), (97, 120)], {}, [(0, 100), (100, 200), (200, 280)]),
        ([(80, 89)], {}, [(0, 100), (100, 200), (200, 280)]),
        ([(93, 96)], {"min_length_s": 9.7}, [(0, 100), (100, 200)]),
        ([(93, 96)], {"max_length_mode": "truncate"}, [(0, 95)]),
        ([(0, 280)], {}, [(0, 100), (100, 200), (200, 280)]),
        ([(273, 280)], {}, [(0, 100), (100, 200), (200, 280)]),
    ],
    ids=["moved", "a pause at the end", "too early", "too short", "truncated", "silent", "end of a shot"],
)
def test_a_long_shot_is_cut_at_a_pause(
    quiet: list[tuple[int, int]], rules: dict[str, object], clips: list[tuple[int, int]]
) -> None:
    """28 s at ten frames a second, loud but for a few frames; clips of at most ten seconds."""
    levels = np.full(280, -14.0)
    for start, end in quiet:
        levels[start:end] = -48.0
    asked = {"max_length_s": 10.0, "snap_to_silence": True, **rules}
    splitter = splitter_of(NO_RULES.model_copy(update=asked), KnownCuts(Cuts()))
    found = split_whole(splitter, thumbnails(280), even_times(280, fps=10), levels)
    assert pairs(found.clips) == clips


@pytest.mark.parametrize(
    ("loud_db", "quiet_db", "end"),
    [(-14.0, -26.0, 95), (-58.0, -69.0, 95), (-14.0, -22.0, 100), (-80.0, -95.0, 100)],
    ids=["noise in the pauses", "a quiet recording", "music", "silence"],
)
def test_a_pause_stands_out_of_what_is_around_it(loud_db: float, quiet_db: float, end: int) -> None:
    levels = np.full(200, loud_db)
    levels[93:96] = quiet_db
    asked = {"max_length_s": 10.0, "snap_to_silence": True}
    splitter = splitter_of(NO_RULES.model_copy(update=asked), KnownCuts(Cuts()))
    found = split_whole(splitter, thumbnails(200), even_times(200, fps=10), levels)
    assert pairs(found.clips)[0] == (0, end)


def test_frame_times_of_29_97_fps_lose_no_frame_to_rounding() -> None:
    times_s = np.arange(0, 901) * (1001 / 30000)
    rules = NO_RULES.model_copy(update={"max_length_s": 1001 / 100})
    assert pairs(split((0, 900), times_s=times_s, rules=rules).clips) == [(0, 300), (300, 600), (600, 900)]


@pytest.mark.parametrize("seed", range(60))
def test_every_frame_is_in_one_clip_or_one_dropped_span(seed: int) -> None:
    rng = np.random.default_rng(seed)
    num_frames = int(rng.integers(1, 400))
    cuts = random_cuts(rng, num_frames)
    found = split_of(random_rules(rng), random_times(rng, num_frames), cuts)
    in_clips, in_dropped = num_covering(found, num_frames)
    assert (in_clips + in_dropped == 1).all()
    assert len(found.shot_of_clip) == len(found.clips)


@pytest.mark.parametrize("seed", range(20))
def test_clips_lie_inside_their_shot(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cuts = random_cuts(rng, 300)
    found = split_of(random_rules(rng), random_times(rng, 300), cuts)
    for clip, index in zip(found.clips, found.shot_of_clip, strict=True):
        shot = found.shots[index].span
        assert shot.start_frame <= clip.start_frame < clip.end_frame <= shot.end_frame


@pytest.mark.parametrize("seed", range(20))
def test_clips_keep_the_length_rules(seed: int) -> None:
    """A clip may pass ``max_length_s`` by less than the frame that is on screen when it is reached."""
    rng = np.random.default_rng(seed)
    times_s, rules = random_times(rng, 300), random_rules(rng)
    for clip in split((0, 120), (120, 300), times_s=times_s, rules=rules).clips:
        assert times_s[clip.end_frame] - times_s[clip.start_frame] >= (rules.min_length_s or 0) - 1e-6
        last_start_s = times_s[clip.end_frame - 1] - times_s[clip.start_frame]
        assert last_start_s < (rules.max_length_s or np.inf)


def test_times_need_the_end_of_the_last_frame() -> None:
    with pytest.raises(ValueError, match=r"\(N \+ 1,\)"):
        split_of(NO_RULES, np.zeros(1), Cuts())
