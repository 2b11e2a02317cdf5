"""Clips while a video streams by: the same as of the whole video, in parts and frame by frame."""

import pickle
from collections.abc import Iterator

import numpy as np
import pytest

from clipmill.records import Cuts, FrameSpan, Split
from clipmill.shots.clip_splitter import ClipSplitter, ClipState, ClipUpdate
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage
from tests.support.splits import even_times, pairs, random_cuts, random_rules, random_times, stride
from tests.support.stand_ins.known_cuts import KnownCuts, levels_at, split_of, splitter_of, thumbnails


def parts_of(times_s: np.ndarray, rng: np.random.Generator | None) -> Iterator[np.ndarray]:
    """Times of the frames in parts of random lengths; without ``rng`` frame by frame."""
    start = 0
    while start < len(times_s) - 1:
        end = start + (int(rng.integers(1, rng.choice([3, 40, 300]))) if rng else 1)
        yield times_s[start : min(end, len(times_s) - 1)]
        start = end


def stream(
    splitter: ClipSplitter, times_s: np.ndarray, rng: np.random.Generator | None = None
) -> Iterator[list[ClipUpdate]]:
    """The updates of each part of a video and of its end, after a check of what the splitter promises."""
    for part in parts_of(times_s, rng):
        needed_from, num_decided = splitter.needed_from, splitter.num_decided
        updates = splitter.feed(thumbnails(len(part)), part, levels_at(part))
        kept = [update.span for update in updates if update.state is ClipState.KEPT]
        assert all(span.start_frame >= needed_from for span in kept)
        assert splitter.num_decided >= num_decided
        yield updates
    yield splitter.finish(float(times_s[-1]))


def kept_of(
    splitter: ClipSplitter, times_s: np.ndarray, rng: np.random.Generator | None = None
) -> list[tuple[FrameSpan, int]]:
    """The clips of a stream, with the numbers of their shots."""
    updates = (update for part in stream(splitter, times_s, rng) for update in part)
    return [(update.span, update.shot_index) for update in updates if update.state is ClipState.KEPT]


def encoded_of(
    splitter: ClipSplitter, times_s: np.ndarray, rng: np.random.Generator | None = None
) -> list[tuple[FrameSpan, int]]:
    """The clips that an encoder makes that gets frames while a clip grows, and lets go of all the others."""
    clips: list[tuple[FrameSpan, int]] = []
    first, num_placed = None, 0
    for updates in stream(splitter, times_s, rng):
        for update in updates:
            span = update.span
            assert first in (None, span.start_frame), "another clip grows"
            assert first is not None or span.start_frame >= num_placed, "frames of it were let go of"
            assert span.end_frame >= num_placed, "a frame is taken back"
            is_open = update.state in (ClipState.GROWING, ClipState.LIKELY)
            first, num_placed = span.start_frame if is_open else None, span.end_frame
            if update.state is ClipState.KEPT:
                clips.append((span, update.shot_index))
        num_placed = max(num_placed, splitter.num_decided)
    assert first is None, "a clip does not end"
    return clips


def clips_in(whole: Split) -> list[tuple[FrameSpan, int]]:
    return list(zip(whole.clips, whole.shot_of_clip, strict=True))


@pytest.mark.parametrize("seed", range(60))
def test_same_split_whole_in_parts_and_frame_by_frame(seed: int) -> None:
    rng = np.random.default_rng(seed)
    num_frames = int(rng.integers(1, 400))
    cuts, times_s, rules = random_cuts(rng, num_frames), random_times(rng, num_frames), random_rules(rng)
    whole = split_of(rules, times_s, cuts)
    for parts in (rng, None):
        splitter = splitter_of(rules, KnownCuts(cuts, latency_frames=int(rng.integers(1, 60))))
        assert encoded_of(splitter, times_s, parts) == clips_in(whole)
        assert splitter.split() == whole


@pytest.mark.parametrize("seed", range(30))
def test_look_ahead_knows_the_clips_where_nothing_dissolves(seed: int) -> None:
    rng = np.random.default_rng(seed)
    num_frames = int(rng.integers(1, 400))
    cuts, times_s, rules = random_cuts(rng, num_frames), random_times(rng, num_frames), random_rules(rng)
    cuts = Cuts(cuts.hard, ())
    whole = split_of(rules, times_s, cuts)
    splitter = splitter_of(rules, KnownCuts(cuts, latency_frames=60))
    seen = 0
    for part in parts_of(times_s, None):
        splitter.feed(thumbnails(len(part)), part, levels_at(part))
        updates, num_decided = splitter.look_ahead()
        kept = [update.span for update in updates if update.state is ClipState.KEPT]
        assert set(kept) <= set(whole.clips)
        assert num_decided >= splitter.num_decided
        seen += len(kept)
    splitter.finish(float(times_s[-1]))
    assert splitter.split() == whole
    assert seen or not whole.clips or num_frames < 70


@pytest.mark.parametrize("seed", range(60))
def test_same_split_by_the_clock_whole_in_parts_and_frame_by_frame(seed: int) -> None:
    rng = np.random.default_rng(seed)
    times_s = random_times(rng, int(rng.integers(1, 400)))
    length_s, step_s = rng.choice([0.3, 1, 4, 2.002]), rng.choice([0.1, 0.2, 1, 5, 2.002])
    rules = stride(length_s, step_s, rng.choice([0, 0.5, 2]), int(rng.choice([0, 2, 5])))
    whole = split_of(rules, times_s)
    for parts in (rng, None):
        splitter = splitter_of(rules)
        clips = encoded_of if step_s >= length_s else kept_of
        assert clips(splitter, times_s, parts) == clips_in(whole)
        assert splitter.split() == whole


def times_around_25_fps(rng: np.random.Generator, num_frames: int) -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum(rng.choice([0.02, 0.04, 0.04, 0.04, 0.1], num_frames))])


def apart(rng: np.random.Generator, num_frames: int) -> Cuts:
    """Hard cuts and two gradual transitions that do not touch each other."""
    edges = sorted(rng.choice(np.arange(1, num_frames), 8, replace=False).tolist())
    gradual = [FrameSpan(edges[2], edges[3]), FrameSpan(edges[5], edges[6])]
    inside = [cut for cut in edges if not any(s.start_frame <= cut <= s.end_frame for s in gradual)]
    return Cuts(tuple(inside), tuple(gradual))


RULES = {
    "defaults": ContentClipExtractionStage(),
    "no crop": ContentClipExtractionStage(crop_s=None, min_length_s=0.5),
    "strides": ContentClipExtractionStage(max_length_s=1.0, min_length_s=0.4, crop_s=0.2),
    "truncated": ContentClipExtractionStage(max_length_s=1.0, max_length_mode="truncate", min_length_s=0.4),
    "no lengths": ContentClipExtractionStage(max_length_s=None, min_length_s=None, crop_s=0.1),
    "limit": ContentClipExtractionStage(limit_clips=2, min_length_s=0.5),
    "pauses": ContentClipExtractionStage(max_length_s=2.0, min_length_s=0.5, snap_to_silence=True),
}


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
@pytest.mark.parametrize("seed", range(6))
def test_clips_of_shots_frame_by_frame(rules: ContentClipExtractionStage, seed: int) -> None:
    rng = np.random.default_rng(seed)
    times_s, cuts = times_around_25_fps(rng, 800), apart(rng, 800)
    whole = split_of(rules, times_s, cuts)
    assert encoded_of(splitter_of(rules, KnownCuts(cuts)), times_s) == clips_in(whole)
    assert whole.clips


@pytest.mark.parametrize("seed", range(4))
def test_clips_by_the_clock_frame_by_frame(seed: int) -> None:
    rules = stride(1.5, 2.0 - seed / 6, 1.0)
    times_s = times_around_25_fps(np.random.default_rng(seed), 300)
    assert encoded_of(splitter_of(rules), times_s) == clips_in(split_of(rules, times_s))


def test_a_long_shot_is_decided_while_it_lasts() -> None:
    lag = 7
    splitter = splitter_of(ContentClipExtractionStage(), KnownCuts(Cuts(), latency_frames=lag))
    assert splitter.latency_frames == lag
    for index in range(500):
        splitter.feed(thumbnails(1), np.array([index / 25]))
        assert index - splitter.num_decided <= lag + 0.5 * 25 + 2


def test_frames_by_the_clock_are_decided_at_once() -> None:
    splitter = splitter_of(stride(1.0, 1.5, 0.5))
    assert splitter.latency_frames == 0
    for index in range(200):
        splitter.feed(None, np.array([index / 25]))
        assert splitter.num_decided >= index  # it is open how long the last frame is held


def test_a_truncated_shot_needs_no_frame_behind_its_clip() -> None:
    rules = ContentClipExtractionStage(max_length_s=2.0, max_length_mode="truncate")
    splitter = splitter_of(rules, KnownCuts(Cuts()))
    kept = [update.span for update in splitter.feed(thumbnails(500), np.arange(500) / 25)]
    assert pairs(kept) == [(13, 63)]
    assert splitter.num_decided == 500 - 7
    assert splitter.needed_from > 470


def test_a_clip_is_likely_once_it_is_long_enough() -> None:
    rules = ContentClipExtractionStage(min_length_s=1.0, crop_s=0.0)
    splitter = splitter_of(rules, KnownCuts(Cuts((40,))))
    states = [
        update.state for index in range(80) for update in splitter.feed(thumbnails(1), np.array([index / 25]))
    ]
    first = states.index(ClipState.LIKELY)
    assert set(states[:first]) <= {ClipState.GROWING}
    assert ClipState.KEPT in states[first:]
    assert states[-1] is ClipState.LIKELY


def test_a_clip_that_a_cut_ends_too_early_is_never_likely() -> None:
    rules = ContentClipExtractionStage(min_length_s=2.0, crop_s=0.0)
    splitter = splitter_of(rules, KnownCuts(Cuts((40,))))
    updates = [update for part in stream(splitter, even_times(45, fps=25)) for update in part]
    assert {update.state for update in updates} == {ClipState.GROWING, ClipState.DROPPED}


def test_no_clip_grows_beyond_the_limit() -> None:
    splitter = splitter_of(stride(1.0, 1.0, 0.5, limit=2))
    updates = [update for part in stream(splitter, even_times(80, fps=25)) for update in part]
    assert max(update.span.end_frame for update in updates) == 50


def test_no_clip_grows_in_an_uncut_video_that_is_left_out() -> None:
    rules = ContentClipExtractionStage(entire_scene_as_clip=False)
    assert not any(stream(splitter_of(rules, KnownCuts(Cuts())), even_times(500, fps=25)))


def test_memory_does_not_grow_with_the_length() -> None:
    splitter = splitter_of(ContentClipExtractionStage(), KnownCuts(Cuts(tuple(range(100, 20_000, 100)))))
    for start in range(0, 20_000, 500):
        splitter.feed(thumbnails(500), np.arange(start, start + 500) / 25)
        assert start + 500 - splitter.needed_from < 300


def test_a_splitter_goes_to_a_codec_process() -> None:
    rules = ContentClipExtractionStage()
    sent = pickle.dumps(splitter_of(rules, rules.finder()))
    assert len(sent) < 10_000
    assert kept_of(pickle.loads(sent), even_times(100, fps=25))


def test_rules_and_finder_belong_together() -> None:
    message = "clips by a stride have no finder of cuts, clips of shots need one"
    with pytest.raises(ValueError, match=message):
        splitter_of(stride(1, 1, 1), KnownCuts(Cuts()))
    with pytest.raises(ValueError, match=message):
        splitter_of(ContentClipExtractionStage())
