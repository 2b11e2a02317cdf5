"""Cuts found by content. Films are drawn; their seeds were not used to fit the detector."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from clipmill.records import Cuts, FrameSpan
from clipmill.shots.changes import MAX_LAG, Changes, compare, looks_of, structure_of
from clipmill.shots.content import ContentCutFinder, find_cuts
from clipmill.shots.hard_cuts.hard import cut_probabilities, find_peaks
from clipmill.shots.strip import BLOCK_FRAMES, Strip
from clipmill.shots.transitions import GradualTransitions
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage
from footage.camera import Whip
from footage.cut_films import CutKind, plan_cut_film
from footage.film import FilmPlan, Join, cuts, thumbnails
from footage.shot_plan import STILL, Style, Unit

pytestmark = pytest.mark.integration


SPEC = ContentClipExtractionStage().detector_options()
TOLERANCE_FRAMES = 2


@dataclass(frozen=True)
class Look:
    """What is special about a film."""

    style: Style = field(default_factory=Style)
    shortest: int = 18
    longest: int = 45
    grain: float = 0.0
    flicker: float = 0.0


LOOKS = {
    "dark": Look(replace(Style(), min_gain=0.06, max_gain=0.16), grain=6),
    "fast-cut": Look(shortest=5, longest=16),
    "grainy": Look(grain=30),
    "on twos": Look(replace(Style(), hold=2)),
    "on threes": Look(replace(Style(), hold=3)),
    "hand-held": Look(replace(Style(), shake=0.03)),
    "dark and fast": Look(replace(Style(), min_gain=0.08, max_gain=0.2, shake=0.01), 6, 20, grain=8),
    "fast pans": Look(replace(Style(), min_pan=0.4, max_pan=0.9)),
    "few colours": Look(replace(Style(), palette=0.1)),
    "flickering": Look(flicker=0.08),
    "still": Look(STILL),
}


def film_plan(seed: int, look: Look, *, num_shots: int = 8) -> FilmPlan:
    unit = Unit(seed, fps=25)
    lengths = np.random.default_rng(seed).integers(look.shortest, look.longest, num_shots, endpoint=True)
    shots = tuple(unit.shoot(int(length), look.style) for length in lengths)
    return FilmPlan(shots, grain=look.grain, flicker=look.flicker, seed=seed)


def even_times(num_frames: int, *, fps: float) -> np.ndarray:
    return np.arange(num_frames) / fps


def shifted(row: np.ndarray, by: float) -> np.ndarray:
    """48 samples of ``row`` from ``by`` on, interpolated."""
    return np.interp(np.arange(48) + by, np.arange(len(row)), row)


def f1(found: tuple[int, ...], truth: tuple[int, ...]) -> float:
    hits = sum(any(abs(cut - other) <= TOLERANCE_FRAMES for other in truth) for cut in found)
    return 2 * hits / max(1, len(found) + len(truth))


def overlap(found: FrameSpan, truth: FrameSpan) -> float:
    """Frames in both over frames in either."""
    both = min(found.end_frame, truth.end_frame) - max(found.start_frame, truth.start_frame)
    either = max(found.end_frame, truth.end_frame) - min(found.start_frame, truth.start_frame)
    return max(0, both) / either


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("seed", [9101, 9102])
def test_hard_cuts_of_drawn_films(look: str, seed: int) -> None:
    plan = film_plan(seed, LOOKS[look])
    assert f1(find_cuts(thumbnails(plan), SPEC).hard, cuts(plan).hard) >= 0.93


@pytest.mark.parametrize("seed", [9201, 9202, 9203])
def test_whip_pan_is_no_cut(seed: int) -> None:
    whip = Whip(start_frame=20, num_frames=9, distance=1.6)
    plan = FilmPlan((Unit(seed, fps=25).shoot(50, Style(), whips=(whip,)),))
    assert find_cuts(thumbnails(plan), SPEC) == Cuts()


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_flash_is_no_cut(length: int) -> None:
    plan = replace(film_plan(9301, Look(), num_shots=1), flashes=(FrameSpan(9, 9 + length),))
    assert find_cuts(thumbnails(plan), SPEC) == Cuts()


def test_flash_beside_a_cut_leaves_the_cut() -> None:
    plan = film_plan(9302, Look(), num_shots=2)
    (cut,) = cuts(plan).hard
    plan = replace(plan, flashes=(FrameSpan(cut - 9, cut - 7), FrameSpan(cut + 8, cut + 10)))
    assert find_cuts(thumbnails(plan), SPEC).hard == (cut,)


@pytest.mark.parametrize("join", [Join.DISSOLVE, Join.FADE])
@pytest.mark.parametrize("length", [16, 24, 40])
def test_gradual_transition_is_a_range(join: Join, length: int) -> None:
    plan = film_plan(9401, Look(STILL, 60, 61), num_shots=2)
    shots = (replace(plan.shots[0], join=join, join_frames=length), plan.shots[1])
    plan = replace(plan, shots=shots)
    found = find_cuts(thumbnails(plan), SPEC)
    assert found.hard == ()
    assert [overlap(span, cuts(plan).gradual[0]) > 0.7 for span in found.gradual] == [True]


def test_most_dissolves_of_moving_pictures_are_found() -> None:
    """Of a camera that pans over busy places; these seeds were not used to fit the detector."""
    found = num = 0
    for seed in (9411, 9412):
        plan = plan_cut_film(CutKind.DISSOLVE, seed, width_px=96, height_px=54)
        ranges = find_cuts(thumbnails(plan), SPEC).gradual
        truth = cuts(plan).gradual
        found += sum(any(overlap(span, true) > 0.3 for span in ranges) for true in truth)
        num += len(truth)
    assert found / num >= 0.6


def test_gradual_transitions_can_be_left_alone() -> None:
    plan = film_plan(9401, Look(STILL, 40, 41), num_shots=2)
    plan = replace(plan, shots=(replace(plan.shots[0], join=Join.FADE, join_frames=20), plan.shots[1]))
    spec = ContentClipExtractionStage(find_gradual=False).detector_options()
    assert find_cuts(thumbnails(plan), spec).gradual == ()


def test_hard_cut_inside_a_gradual_range_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = film_plan(9501, Look(), num_shots=2)
    (cut,) = cuts(plan).hard
    span = FrameSpan(cut - 3, cut + 3)
    monkeypatch.setattr(GradualTransitions, "finish", lambda *_: [span])
    assert find_cuts(thumbnails(plan), SPEC) == Cuts((), (span,))


def test_slow_change_of_light_is_no_transition() -> None:
    picture = thumbnails(film_plan(9601, Look(STILL, 1, 1), num_shots=1))[0].astype(float)
    gains = np.linspace(0.3, 1.0, 60)
    film = (picture * gains[:, None, None, None]).astype(np.uint8)
    assert find_cuts(film, SPEC) == Cuts()


def test_hard_cuts_between_still_shots_are_no_transitions() -> None:
    plan = film_plan(9602, LOOKS["still"])
    assert find_cuts(thumbnails(plan), SPEC) == cuts(plan)


def test_fine_detail_that_drifts_by_is_no_dissolve() -> None:
    """A detail that moves on by its own size passes through mixtures of itself and its neighbour."""
    rng = np.random.default_rng(9603)
    wide = rng.integers(0, 255, (9, 40, 3)).repeat(3, axis=0).repeat(3, axis=1)
    drift = np.linspace(0, 3 * 6, 60)
    film = np.stack([np.apply_along_axis(shifted, 1, wide, by) for by in drift]).astype(np.uint8)
    assert find_cuts(film, SPEC) == Cuts()


def test_black_frames_full_of_noise_hold_no_cut() -> None:
    noise = np.random.default_rng(1).integers(0, 6, (80, 27, 48, 3)).astype(np.uint8)
    assert find_cuts(noise, SPEC) == Cuts()


def test_cut_to_black_is_hard() -> None:
    film = thumbnails(film_plan(9701, Look(STILL, 30, 30), num_shots=1))
    film = np.concatenate([film, np.zeros_like(film)])
    assert find_cuts(film, SPEC) == Cuts((30,))


@pytest.mark.parametrize("num_frames", [0, 1, 2, 7])
def test_few_frames_hold_no_cut(num_frames: int) -> None:
    film = thumbnails(film_plan(9702, Look(), num_shots=1))[:num_frames]
    assert find_cuts(film, SPEC) == Cuts()


def test_higher_threshold_finds_fewer_cuts() -> None:
    film = thumbnails(film_plan(9703, LOOKS["dark and fast"]))
    low = find_cuts(film, ContentClipExtractionStage(threshold=1e-6).detector_options()).hard
    high = find_cuts(film, ContentClipExtractionStage(threshold=0.999).detector_options()).hard
    assert len(low) > len(high)


@pytest.fixture(scope="module")
def busy_film() -> np.ndarray:
    """Thumbnails with hard cuts, a dissolve and fades that touch."""
    plan = film_plan(9704, Look(STILL, 60, 90), num_shots=10)
    joins = {1: (Join.DISSOLVE, 16), 4: (Join.FADE, 40), 5: (Join.FADE, 24), 8: (Join.DISSOLVE, 30)}
    shots = [
        replace(shot, join=joins[index][0], join_frames=joins[index][1]) if index in joins else shot
        for index, shot in enumerate(plan.shots)
    ]
    return thumbnails(replace(plan, shots=tuple(shots)))


def pieces(film: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    start = 0
    while start < len(film):
        end = start + int(rng.integers(0, rng.choice([3, 40, 300])))
        yield film[start:end]
        start = end


@pytest.mark.parametrize("find_gradual", [True, False], ids=["with gradual", "hard only"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_result_does_not_depend_on_pieces(busy_film: np.ndarray, seed: int, find_gradual: bool) -> None:
    spec = ContentClipExtractionStage(find_gradual=find_gradual).detector_options()
    finder = ContentCutFinder(spec)
    parts = [*map(finder.feed, pieces(busy_film, seed)), finder.finish()]
    hard, gradual = (
        sum((part.hard for part in parts), ()),
        sum((part.gradual for part in parts), ()),
    )
    assert len(hard) >= 5
    assert Cuts(hard, gradual) == find_cuts(busy_film, spec)


def test_nothing_is_told_below_what_was_final(busy_film: np.ndarray) -> None:
    finder = ContentCutFinder(SPEC)
    for piece in pieces(busy_film, 4):
        num_final = finder.num_final
        settled = finder.feed(piece)
        assert all(cut >= num_final for cut in settled.hard)
        assert all(span.start_frame >= num_final for span in settled.gradual)


@pytest.mark.parametrize(
    ("find_gradual", "latency_frames"),
    [(True, ContentCutFinder.gradual_latency_frames), (False, ContentCutFinder.hard_latency_frames)],
    ids=["with gradual", "hard only"],
)
def test_cuts_are_final_after_a_bounded_number_of_frames(find_gradual: bool, latency_frames: int) -> None:
    film = thumbnails(film_plan(9706, Look(), num_shots=12))
    finder = ContentCutFinder(ContentClipExtractionStage(find_gradual=find_gradual).detector_options())
    behind: list[int] = []
    for end in range(1, len(film) + 1):
        finder.feed(film[end - 1 : end])
        behind.append(end - finder.num_final)
    assert max(behind) <= latency_frames + SPEC.min_shot_frames
    assert finder.num_final > 0


def test_no_hard_cut_comes_before_the_one_that_is_expected(busy_film: np.ndarray) -> None:
    finder = ContentCutFinder(SPEC)
    expected = 0
    for piece in pieces(busy_film, 4):
        assert all(cut >= expected for cut in finder.feed(piece).hard)
        expected = finder.no_cut_until(finder.num_final - 1)
    assert expected > finder.num_final


def test_frames_that_are_done_with_are_forgotten() -> None:
    strip = Strip()
    film = np.arange(20, dtype=np.uint8)[:, None, None, None].repeat(27, 1).repeat(48, 2).repeat(3, 3)
    strip.append(film)
    strip.drop_before(12)
    assert strip.between(13, 15)[:, 0, 0, 0].tolist() == [13, 14]
    with pytest.raises(IndexError):
        strip.between(11, 15)


def test_film_that_never_stands_still_is_chosen_from_in_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures that dissolve into each other without end."""
    monkeypatch.setattr("clipmill.shots.transitions.MAX_RUN_FRAMES", 200)
    pictures = np.random.default_rng(9707).integers(0, 255, (40, 3, 4, 3)).repeat(9, 1).repeat(12, 2)
    share = np.linspace(0, 1, 30, endpoint=False)[None, :, None, None, None]
    mixed = pictures[:-1, None] * (1 - share) + pictures[1:, None] * share
    film = mixed.reshape(-1, 27, 48, 3).astype(np.uint8)
    finder, times_s = GradualTransitions(threshold=0.2), even_times(len(film), fps=25)
    waiting: list[int] = []
    for start in range(0, len(film), BLOCK_FRAMES):
        finder.feed(
            film[start : start + BLOCK_FRAMES],
            times_s[start : start + BLOCK_FRAMES],
            [],
            num_hard_final=start,
        )
        waiting.append(finder.num_held_frames)
    assert max(waiting) < 200 + 2 * ContentCutFinder.gradual_latency_frames


def test_stream_may_be_a_memory_map(tmp_path: Path) -> None:
    film = thumbnails(film_plan(9705, Look(), num_shots=3))
    np.save(tmp_path / "thumbnails.npy", film)
    mapped = np.load(tmp_path / "thumbnails.npy", mmap_mode="r")
    assert find_cuts(mapped, SPEC) == find_cuts(film, SPEC)


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((4, 48, 27, 3), np.uint8), np.zeros((4, 27, 48, 3), np.float32), np.zeros(4, np.uint8)],
    ids=["transposed", "not uint8", "flat"],
)
def test_other_shapes_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="27, 48, 3"):
        find_cuts(wrong, SPEC)


# What it is made of


def test_structure_is_blind_to_exposure() -> None:
    picture = np.random.default_rng(2).uniform(60, 120, (1, 27, 48)).astype(np.float32)
    brighter = picture * 1.7 + 20
    assert np.sum(structure_of(picture)[0] * structure_of(brighter)[0]) == pytest.approx(1, abs=1e-4)


def test_structure_tells_pictures_apart() -> None:
    pictures = np.random.default_rng(3).uniform(0, 255, (2, 27, 48)).astype(np.float32)
    rows, means, contrasts = structure_of(pictures)
    assert means == pytest.approx(127.5, abs=10)
    assert contrasts == pytest.approx(73.6, abs=5)
    assert rows[0] @ rows[1] == pytest.approx(0, abs=0.15)


def changes_of(thumbnails: np.ndarray, times_s: np.ndarray) -> Changes:
    return compare(looks_of(thumbnails, times_s))


def test_colour_change_is_one_between_disjoint_histograms() -> None:
    film = np.zeros((2, 27, 48, 3), np.uint8)
    film[1] = (255, 0, 0)
    assert changes_of(film, even_times(2, fps=25)).colour[0, 0] > 0.6
    assert changes_of(film[[0, 0]], even_times(2, fps=25)).colour[0, 0] == 0


def test_changes_past_the_last_frame_are_infinite() -> None:
    found = changes_of(np.zeros((3, 27, 48, 3), np.uint8), even_times(3, fps=25))
    assert np.isfinite(found.structure).sum(axis=1).tolist() == [2, 1, 0]
    assert found.structure.shape == (3, MAX_LAG)


def test_first_frame_is_no_cut() -> None:
    film = np.random.default_rng(4).integers(0, 255, (9, 27, 48, 3)).astype(np.uint8)
    assert cut_probabilities(changes_of(film, even_times(9, fps=25)))[0] == 0


@pytest.mark.parametrize(
    ("likely", "expected"),
    [
        ({10: 0.9}, [10]),
        ({10: 0.9, 12: 0.8}, [10]),
        ({10: 0.8, 12: 0.9}, [12]),
        ({10: 0.9, 13: 0.8}, [10, 13]),
        ({10: 0.5}, []),
    ],
    ids=["one", "second too near", "first too near", "far enough", "not above the threshold"],
)
def test_peaks_keep_their_distance(likely: dict[int, float], expected: list[int]) -> None:
    probabilities = np.zeros(20, np.float32)
    probabilities[list(likely)] = list(likely.values())
    assert find_peaks(probabilities, even_times(20, fps=25), threshold=0.5, min_shot_frames=3) == expected


# Frame rates


LENGTHS_S = (Fraction(5, 3), Fraction(1, 2), Fraction(2), Fraction(7, 3), Fraction(5, 2))
FLASHES_S = (Fraction(5, 6), Fraction(3))
DISSOLVE_S = Fraction(2, 3)


def film_at(fps: int) -> FilmPlan:
    """The same film at any rate: five shots, flashes, and a dissolve behind the third."""
    unit = Unit(9801, fps=fps)
    shots = [unit.shoot(int(length_s * fps), Style()) for length_s in LENGTHS_S]
    shots[2] = replace(shots[2], join=Join.DISSOLVE, join_frames=int(DISSOLVE_S * fps))
    flashes = tuple(FrameSpan(int(at_s * fps), int(at_s * fps) + max(1, fps // 24)) for at_s in FLASHES_S)
    return FilmPlan(tuple(shots), fps=Fraction(fps), flashes=flashes)


@pytest.mark.parametrize("fps", [12, 24, 30, 60, 120, 240])
def test_cuts_do_not_depend_on_the_frame_rate(fps: int) -> None:
    plan = film_at(fps)
    film = thumbnails(plan)
    found, truth = find_cuts(film, SPEC, even_times(len(film), fps=fps)), cuts(plan)
    assert found.hard == truth.hard
    assert [overlap(span, truth.gradual[0]) > 0.7 for span in found.gradual] == [True]


@pytest.mark.parametrize("fps", [1, 2, 5, 60])
def test_slides_are_found_at_any_rate(fps: int) -> None:
    """Pictures of three seconds each; at one frame a second that is three frames."""
    slides = thumbnails(film_plan(9802, Look(STILL, 1, 1)))
    film = slides.repeat(3 * fps, axis=0)
    assert find_cuts(film, SPEC, even_times(len(film), fps=fps)) == Cuts(
        tuple(range(3 * fps, 24 * fps, 3 * fps))
    )


@pytest.mark.parametrize("length", [1, 1000])
def test_slides_of_one_frame_are_found(length: int) -> None:
    """As in recordings of screens, which hold a frame until something moves: here for one second of 25."""
    slides, moving = thumbnails(film_plan(9802, Look(STILL, 1, 1))), thumbnails(film_at(30))[:30]
    film = np.concatenate([slides[:4], moving, slides[4:]])
    times_s = np.concatenate([[0, 3, 6, 9], 12 + np.arange(30) / 30, [13, 16, 19, 22]])
    finder, hard = ContentCutFinder(SPEC), list[int]()
    for first in range(0, len(film), length):
        hard += finder.feed(film[first : first + length], times_s[first : first + length]).hard
        assert finder.num_final <= first + length
    assert [*hard, *finder.finish().hard] == [1, 2, 3, 4, 34, 35, 36, 37]


def test_pieces_do_not_show_at_a_high_rate() -> None:
    film = thumbnails(film_at(120))
    times_s = even_times(len(film), fps=120)
    finder, hard, first = ContentCutFinder(SPEC), list[int](), 0
    for piece in pieces(film, 5):
        hard += finder.feed(piece, times_s[first : first + len(piece)]).hard
        first += len(piece)
        assert finder.num_final <= first
    assert (*hard, *finder.finish().hard) == find_cuts(film, SPEC, times_s).hard
