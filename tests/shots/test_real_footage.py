"""What real footage has and films in one piece have not: bars, blended frames, jolts and changing light."""

from fractions import Fraction

import numpy as np
import pytest

from clipmill.records import Cuts
from clipmill.shots.bars import bars_of
from clipmill.shots.changes import structure_of
from clipmill.shots.content import find_cuts
from clipmill.shots.hard_cuts.jolts import is_jolt
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage
from footage.cut_films import CutKind, plan_cut_film
from footage.film import FilmPlan, cuts, thumbnails
from footage.shot_plan import STILL, Unit
from tests.support.films.thumbnail_films import Bars, Scenery, between_bars, held, slide

pytestmark = pytest.mark.integration

SPEC = ContentClipExtractionStage().detector_options()
BARS: dict[str, Bars] = {
    "none": (0, 0, 0, 0),
    "letterbox": (3, 3, 0, 0),
    "pillarbox": (0, 0, 6, 6),
    "all sides": (3, 3, 6, 6),
    "wide on tall": (9, 9, 0, 0),
    "one side": (0, 0, 0, 10),
}
every_bar = pytest.mark.parametrize("bars", BARS.values(), ids=BARS)


@every_bar
@pytest.mark.parametrize("seed", [11, 22])
def test_slides_between_bars_are_cuts(bars: Bars, seed: int) -> None:
    slides = held([slide(100 * seed + page) for page in range(5)], 30)
    assert find_cuts(between_bars(slides, bars), SPEC) == Cuts((30, 60, 90, 120))


@every_bar
def test_small_print_that_changes_is_no_cut(bars: Bars) -> None:
    pages = held([slide(7, number=number) for number in (0, 3, 1)], 30)
    assert find_cuts(between_bars(pages, bars), SPEC) == Cuts()


@every_bar
def test_held_drawings_stay_whole(bars: Bars) -> None:
    """Figures that jump from drawing to drawing, each held for two frames."""
    plan = plan_cut_film(CutKind.ANIMATED, 9901, width_px=96, height_px=54)
    found = find_cuts(between_bars(thumbnails(plan), bars), SPEC)
    assert found == Cuts(cuts(plan).hard)


def test_a_black_frame_has_no_bars() -> None:
    lit = np.full((27, 48, 3), 200, np.uint8)
    frames = between_bars(np.stack([lit, lit]), (2, 3, 4, 5))
    frames[1] = 3
    assert bars_of(frames).tolist() == [[2, 3, 4, 5], [0, 0, 0, 0]]


def test_a_small_light_in_the_dark_is_no_picture_between_bars() -> None:
    film = np.zeros((60, 27, 48, 3), np.uint8)
    film[30:, 13:15, 22:26] = (60, 0, 0)
    assert find_cuts(film, SPEC) == Cuts()


@pytest.mark.parametrize("bars", [BARS["none"], BARS["letterbox"]], ids=["full", "letterbox"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_frame_that_mixes_both_shots_hides_no_cut(bars: Bars, share: float, seed: int) -> None:
    before, behind = (Scenery(10 * seed + number, grain_px=5).view(40, 60) for number in range(2))
    mixture = (before * (1 - share) + behind * share).astype(np.uint8)
    film = np.concatenate([held([before], 20), mixture[None], held([behind], 20)])
    found = find_cuts(between_bars(film, bars), SPEC)
    assert found in (Cuts((20,)), Cuts((21,)))


@pytest.mark.parametrize("jolt_px", [(2, -4), (2, 5), (-3, 4)])
@pytest.mark.parametrize("seed", [2, 3, 4, 5])
def test_a_jolt_of_a_shaken_camera_is_no_cut(seed: int, jolt_px: tuple[int, int]) -> None:
    film = Scenery(seed, grain_px=9).shaken(seed, num_frames=60, jolt_px=jolt_px)
    assert find_cuts(film, SPEC) == Cuts()


@pytest.mark.parametrize("seed", [4, 5, 6])
def test_a_cut_between_shaken_shots_is_found(seed: int) -> None:
    shots = [Scenery(seed + number, grain_px=7).shaken(seed, num_frames=40) for number in (0, 50)]
    assert find_cuts(np.concatenate(shots), SPEC) == Cuts((40,))


def test_only_the_same_picture_moved_is_a_jolt() -> None:
    place, other = Scenery(1, grain_px=7), Scenery(2, grain_px=7)
    views = np.stack([place.view(40, 60), place.view(43, 55), other.view(40, 60)]).mean(axis=3)
    first, moved, unlike = structure_of(views.astype(np.float32))[0]
    assert is_jolt(first, moved)
    assert not is_jolt(first, unlike)


@pytest.mark.parametrize("seed", range(7000, 7012))
def test_light_that_changes_unevenly_is_no_transition(seed: int) -> None:
    """A sun that rises more on one side of the picture than on the other."""
    picture = thumbnails(FilmPlan((Unit(seed, fps=Fraction(25)).shoot(1, STILL),)))[0]
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[-1:1:27j, -1:1:48j]
    side = 1 + 0.25 * (np.cos(angle) * columns + np.sin(angle) * rows)
    gains = 0.25 * 4 ** (np.linspace(0, 1, 40)[:, None, None] * side)
    rise = np.clip(picture * gains[..., None], 0, 255).astype(np.uint8)
    film = np.concatenate([held([rise[0]], 30), rise, held([rise[-1]], 30)])
    assert find_cuts(film, SPEC) == Cuts()


def stop_to_stop(seed: int, *, grain_px: int, distance: float, num_frames: int) -> np.ndarray:
    """A camera that stands, goes on for so many frames over a place without edges, and stands again."""
    place = Scenery(seed, grain_px=grain_px)
    way = np.concatenate([np.zeros(30), np.linspace(0, distance, num_frames), np.full(30, distance)])
    return np.stack([place.view(40 + 2 * step, 60 + 3 * step) for step in way.tolist()])


@pytest.mark.parametrize("seed", [13, 19, 23, 24])
def test_a_camera_that_races_is_no_transition(seed: int) -> None:
    assert find_cuts(stop_to_stop(seed, grain_px=20, distance=8, num_frames=8), SPEC) == Cuts()


@pytest.mark.parametrize("seed", [9, 15, 31, 39])
def test_a_camera_that_moves_on_a_little_is_no_transition(seed: int) -> None:
    assert find_cuts(stop_to_stop(seed, grain_px=20, distance=4, num_frames=8), SPEC) == Cuts()


def glowing(seed: int, *, still_frames: int) -> np.ndarray:
    """Three shots; the middle one turns into another picture, between so many still frames on either side."""
    first, before, behind, last = (
        Scenery(10 * seed + number, grain_px=9).view(40, 60) for number in range(4)
    )
    turn = [before * (1 - share) + behind * share for share in np.linspace(0, 1, 14)]
    still = [*([before] * still_frames), *turn, *([behind] * still_frames)]
    return np.concatenate([held([first], 30), np.stack(still).astype(np.uint8), held([last], 30)])


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_shot_that_glows_from_cut_to_cut_is_no_transition(seed: int) -> None:
    assert find_cuts(glowing(seed, still_frames=0), SPEC) == Cuts((30, 44))


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_dissolve_between_still_pictures_and_cuts_is_found(seed: int) -> None:
    found = find_cuts(glowing(seed, still_frames=10), SPEC)
    assert found.hard == (30, 64)
    assert len(found.gradual) == 1


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_fade_in_behind_a_cut_to_black_is_found(seed: int) -> None:
    before, behind = (Scenery(10 * seed + number, grain_px=9).view(40, 60) for number in range(2))
    fade = (behind * np.linspace(0, 1, 16)[:, None, None, None]).astype(np.uint8)
    found = find_cuts(np.concatenate([held([before], 30), fade, held([behind], 30)]), SPEC)
    assert [span.start_frame for span in found.gradual] == pytest.approx([30], abs=2)
