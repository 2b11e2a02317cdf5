"""How a shot network reads a video: the documented windows, the cascade's, and cuts from probabilities."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import pytest

from clipmill.records import FrameSpan
from clipmill.shots.candidates import Candidates
from clipmill.shots.windows import (
    STRIDE,
    WINDOW_FRAMES,
    CandidateWindows,
    GridWindows,
    MarkedRuns,
    Places,
    Window,
    WindowReader,
)
from clipmill.stages.video.clipping.transnetv2_extraction import TransNetV2ClipExtractionStage
from footage.cut_films import CutKind, plan_cut_film
from footage.film import cuts, thumbnails
from tests.support.stand_ins.known_cuts import split_of

pytestmark = pytest.mark.integration


THRESHOLD = TransNetV2ClipExtractionStage().cascade_threshold


def numbered(num_frames: int) -> np.ndarray:
    """Thumbnails that carry their number."""
    frames = np.zeros((num_frames, 27, 48, 3), np.uint8)
    frames[:, 0, 0, 0], frames[:, 0, 0, 1] = np.divmod(np.arange(num_frames), 256)
    return frames


def numbers(window: Window) -> list[int]:
    return (window.frames[:, 0, 0, 0].astype(int) * 256 + window.frames[:, 0, 0, 1]).tolist()


def read(places: Places, frames: np.ndarray, pieces: Iterable[int] = ()) -> list[Window]:
    """The windows of a video that comes in pieces of these lengths, and the rest at once."""
    reader, windows, start = WindowReader(places), list[Window](), 0
    for length in [*pieces, len(frames)]:
        windows += reader.feed(frames[start : start + length])
        start += length
    return [*windows, *reader.finish()]


def drawn(kind: CutKind, seed: int) -> tuple[np.ndarray, tuple[int, ...]]:
    plan = plan_cut_film(kind, seed, width_px=96, height_px=54)
    return thumbnails(plan), cuts(plan).hard


@pytest.fixture(scope="module")
def animated() -> tuple[np.ndarray, tuple[int, ...]]:
    """Thumbnails and hard cuts of a film."""
    return drawn(CutKind.ANIMATED, 77)


@pytest.mark.parametrize("num_frames", [1, 49, 50, 51, 100, 130, 600])
def test_the_grid_pads_and_strides_as_documented(num_frames: int) -> None:
    behind = 25 + 50 - (num_frames % 50 or 50)
    padded = [0] * 25 + list(range(num_frames)) + [num_frames - 1] * behind
    windows = read(GridWindows(), numbered(num_frames))
    expected = [padded[start : start + 100] for start in range(0, len(padded) - 99, 50)]
    assert [numbers(window) for window in windows] == expected


@pytest.mark.parametrize("num_frames", [1, 50, 51, 257])
def test_every_frame_is_answered_once_by_its_own_place(num_frames: int) -> None:
    windows = read(GridWindows(), numbered(num_frames))
    assert np.concatenate([window.answer(np.array(numbers(window))) for window in windows]).tolist() == list(
        range(num_frames)
    )


@pytest.mark.parametrize("pieces", [[1] * 130, [99, 1, 1], [300]], ids=["singly", "uneven", "at once"])
def test_pieces_give_the_windows_of_the_whole(pieces: list[int]) -> None:
    whole = read(GridWindows(), numbered(420))
    assert [numbers(window) for window in read(GridWindows(), numbered(420), pieces)] == [
        numbers(window) for window in whole
    ]


def test_a_video_without_frames_has_no_windows() -> None:
    assert read(GridWindows(), numbered(0)) == []


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="thumbnails must be"):
        list(WindowReader(GridWindows()).feed(np.zeros((4, 48, 27, 3), np.uint8)))


@pytest.mark.parametrize(
    "places", [GridWindows(), CandidateWindows(threshold=THRESHOLD)], ids=lambda p: type(p)
)
def test_what_is_held_does_not_grow_with_the_video(places: Places) -> None:
    reader, piece, held = WindowReader(places), np.zeros((50, 27, 48, 3), np.uint8), list[int]()
    for _ in range(40):
        list(reader.feed(piece))
        held.append(reader._strip.num_held_frames)
    assert max(held[10:]) <= max(held[:10]) <= 5 * WINDOW_FRAMES


@pytest.mark.parametrize("pieces", [[1] * 90, [30, 7, 200], [150]], ids=["singly", "uneven", "at once"])
def test_candidates_do_not_depend_on_pieces(animated: tuple[np.ndarray, object], pieces: list[int]) -> None:
    frames = animated[0][:500]
    assert np.array_equal(marks(frames, pieces), marks(frames, []))


def marks(frames: np.ndarray, pieces: Sequence[int]) -> np.ndarray:
    candidates = Candidates(threshold=THRESHOLD)
    edges = np.cumsum([0, *pieces, len(frames)])
    found = [candidates.feed(frames[first:last]) for first, last in pairwise(edges)]
    return np.concatenate([*found, candidates.finish()])


@pytest.mark.parametrize("kind", [CutKind.DARK, CutKind.FAST_CUT, CutKind.HAND_HELD])
def test_candidates_hold_every_cut(kind: CutKind) -> None:
    frames, hard = drawn(kind, 78)
    found = marks(frames, [])
    assert len(found) == len(frames)
    assert all(found[cut - 3 : cut + 2].all() for cut in hard)


def test_candidates_hold_fades() -> None:
    plan = plan_cut_film(CutKind.FADE, 79, width_px=96, height_px=54)
    found = marks(thumbnails(plan), [])
    assert all(found[span.start_frame : span.end_frame].mean() > 0.5 for span in cuts(plan).gradual)


def test_a_still_video_needs_no_window() -> None:
    assert read(CandidateWindows(threshold=THRESHOLD), np.full((400, 27, 48, 3), 90, np.uint8)) == []


def test_doubtful_windows_are_those_of_the_grid_that_answer_for_a_candidate(
    animated: tuple[np.ndarray, object],
) -> None:
    frames, found = animated[0], marks(animated[0], [])
    expected = [
        window
        for window in read(GridWindows(), frames)
        if found[window.place.kept.start_frame : window.place.kept.end_frame].any()
    ]
    chosen = read(CandidateWindows(threshold=THRESHOLD), frames, [33] * 20)
    assert [window.place for window in chosen] == [window.place for window in expected]
    assert all(np.array_equal(one.frames, other.frames) for one, other in zip(chosen, expected, strict=True))
    assert len(chosen) < len(frames) / STRIDE


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("00100", [(0, 2), (3, 5)]),
        ("010010", [(0, 1), (2, 4), (5, 6)]),
        ("00000", [(0, 5)]),
        ("11111", []),
        ("11000", [(2, 5)]),
        ("00011", [(0, 3)]),
    ],
    ids=["last frame kept", "no empty shot", "no cut", "only transition", "at the start", "at the end"],
)
def test_frames_of_a_transition_belong_to_no_shot(flags: str, expected: list[tuple[int, int]]) -> None:
    found = MarkedRuns(threshold=0.4)
    found.add(FrameSpan(0, len(flags)), np.array([float(flag) for flag in flags], np.float32))
    settled, times_s = found.settled(len(flags) + 1), np.arange(len(flags) + 1) / 10
    split = split_of(TransNetV2ClipExtractionStage(), times_s, settled)
    assert [(shot.span.start_frame, shot.span.end_frame) for shot in split.shots] == expected


def test_a_transition_across_two_answers_is_one() -> None:
    found = MarkedRuns(threshold=0.4)
    found.add(FrameSpan(0, 50), np.repeat([0.1, 0.9], [48, 2]))
    found.add(FrameSpan(50, 100), np.repeat([0.9, 0.1], [3, 47]))
    assert found.settled(1000).gradual == (FrameSpan(48, 53),)


def test_a_run_is_told_when_nothing_can_lengthen_it() -> None:
    found = MarkedRuns(threshold=0.4)
    found.add(FrameSpan(0, 50), np.repeat([0.1, 0.9], [48, 2]))
    assert found.settled(50).gradual == ()
    assert found.open_frame == 48
    found.add(FrameSpan(50, 100), np.repeat([0.1, 0.1], [3, 47]))
    assert found.settled(100).gradual == (FrameSpan(48, 50),)
    assert found.open_frame is None


def test_a_probability_at_the_threshold_is_no_transition() -> None:
    found = MarkedRuns(threshold=0.4)
    found.add(FrameSpan(0, 3), np.array([0.4, 0.4000001, 0.400002], np.float32))
    assert found.settled(1000).gradual == (FrameSpan(2, 3),)


def test_the_documented_rules_follow() -> None:
    """Cropped once, then cut into consecutive clips, then the short ones dropped: no holes."""
    found = MarkedRuns(threshold=0.4)
    found.add(FrameSpan(0, 151), np.where(np.arange(151) == 30, 0.9, 0.0))
    spec = TransNetV2ClipExtractionStage(min_length_s=2.0, max_length_s=5.0, crop_s=0.5)
    split = split_of(spec, np.arange(152) / 10, found.settled(152))
    assert [(clip.start_frame, clip.end_frame) for clip in split.clips] == [
        (5, 25), (36, 86), (86, 136),
    ]  # fmt: skip
