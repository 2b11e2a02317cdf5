"""Cuts found by content. Films are drawn; their seeds were not used to fit the detector."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from clipmill.footage.camera import Whip
from clipmill.footage.film import FilmPlan, Join, cuts, thumbnails
from clipmill.footage.shooting import STILL, Style, Unit
from clipmill.records import Cuts, FrameSpan
from clipmill.shots import changes, gradual
from clipmill.shots.changes import MAX_LAG, measure_changes, structure_change, structure_of
from clipmill.shots.content import find_cuts
from clipmill.shots.hard import cut_probabilities, find_peaks
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage

SPEC = ContentClipExtractionStage()
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


def test_gradual_transitions_can_be_left_alone() -> None:
    plan = film_plan(9401, Look(STILL, 40, 41), num_shots=2)
    plan = replace(plan, shots=(replace(plan.shots[0], join=Join.FADE, join_frames=20), plan.shots[1]))
    spec = ContentClipExtractionStage(find_gradual=False)
    assert find_cuts(thumbnails(plan), spec).gradual == ()


def test_hard_cut_inside_a_gradual_range_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = film_plan(9501, Look(), num_shots=2)
    (cut,) = cuts(plan).hard
    span = FrameSpan(cut - 3, cut + 3)
    monkeypatch.setattr("clipmill.shots.content.find_gradual", lambda *_, **__: [span])
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
    low = find_cuts(film, ContentClipExtractionStage(threshold=1e-6)).hard
    high = find_cuts(film, ContentClipExtractionStage(threshold=0.999)).hard
    assert len(low) > len(high)


def test_result_does_not_depend_on_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = film_plan(9704, Look(STILL), num_shots=6)
    plan = replace(plan, shots=(replace(plan.shots[0], join=Join.DISSOLVE, join_frames=16), *plan.shots[1:]))
    film = thumbnails(plan)
    whole = find_cuts(film, SPEC)
    monkeypatch.setattr(changes, "CHUNK_FRAMES", 23)
    monkeypatch.setattr(gradual, "CHUNK_FRAMES", 60)
    assert find_cuts(film, SPEC) == whole


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
    assert structure_change(structure_of(picture), structure_of(brighter))[0] == pytest.approx(0, abs=1e-4)


def test_structure_tells_pictures_apart() -> None:
    pictures = np.random.default_rng(3).uniform(0, 255, (2, 27, 48)).astype(np.float32)
    rows = structure_of(pictures)
    assert structure_change(rows[:1], rows[1:])[0] == pytest.approx(1, abs=0.15)


def test_colour_change_is_one_between_disjoint_histograms() -> None:
    film = np.zeros((2, 27, 48, 3), np.uint8)
    film[1] = (255, 0, 0)
    assert measure_changes(film).colour[0, 0] > 0.6
    assert measure_changes(film[[0, 0]]).colour[0, 0] == 0


def test_changes_past_the_last_frame_are_infinite() -> None:
    found = measure_changes(np.zeros((3, 27, 48, 3), np.uint8))
    assert np.isfinite(found.structure).sum(axis=1).tolist() == [2, 1, 0]
    assert found.structure.shape == (3, MAX_LAG)


def test_first_frame_is_no_cut() -> None:
    film = np.random.default_rng(4).integers(0, 255, (9, 27, 48, 3)).astype(np.uint8)
    assert cut_probabilities(measure_changes(film))[0] == 0


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
    assert find_peaks(probabilities, threshold=0.5, min_shot_frames=3) == expected
