"""Films for measuring cut detection are repeatable, and their truth is in the pictures."""

from dataclasses import replace
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from PIL import Image

from footage.cut_films import (
    FLASH_CLEARANCE_FRAMES,
    GRADUAL_FRAMES,
    CutKind,
    draw_cut_film,
    plan_cut_film,
)
from footage.film import FilmPlan, cuts, frames, thumbnails, whip_pans
from footage.shot_plan import Style, Unit, plan_film
from footage.worlds import PAINTERS, Painter, cartoon

pytestmark = pytest.mark.integration


SEED = 11
KINDS = [pytest.param(kind, id=kind.value) for kind in CutKind]


@cache
def drawn(kind: CutKind) -> tuple[FilmPlan, np.ndarray]:
    plan = plan_cut_film(kind, SEED)
    return plan, thumbnails(plan)


def steps_of(pictures: np.ndarray) -> np.ndarray:
    """Mean difference of each picture from the one before, first 0."""
    return np.r_[0.0, np.abs(np.diff(pictures.astype(np.float32), axis=0)).mean(axis=(1, 2, 3))]


@pytest.mark.parametrize("kind", KINDS)
def test_thumbnails_are_those_of_every_frame(kind: CutKind) -> None:
    plan, pictures = drawn(kind)
    assert (pictures.shape, pictures.dtype) == ((plan.num_frames, 27, 48, 3), np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_every_hard_cut_stands_out_of_its_surroundings(kind: CutKind) -> None:
    plan, pictures = drawn(kind)
    steps = steps_of(pictures)
    for span in plan.flashes:
        steps[span.start_frame : span.end_frame + 1] = 0
    for cut in cuts(plan).hard:
        around = np.r_[steps[max(1, cut - 6) : cut], steps[cut + 1 : cut + 7]]
        assert steps[cut] > 1.3 * around.max()


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_is_a_film(kind: CutKind) -> None:
    assert plan_cut_film(kind, SEED) == plan_cut_film(kind, SEED)
    assert cuts(plan_cut_film(kind, SEED)) != cuts(plan_cut_film(kind, SEED + 1))


def test_a_film_is_drawn_the_same_twice() -> None:
    plan = plan_cut_film(CutKind.GRAINY, SEED, width_px=64, height_px=36)
    first = np.stack([frame for frame, _ in zip(frames(plan), range(100), strict=False)])
    again = np.stack([frame for frame, _ in zip(frames(plan), range(100), strict=False)])
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("kind", KINDS)
def test_only_gradual_kinds_have_gradual_cuts(kind: CutKind) -> None:
    assert bool(cuts(plan_cut_film(kind, SEED)).gradual) == (kind in GRADUAL_FRAMES)


@pytest.mark.parametrize("kind", KINDS)
def test_cuts_rise_and_lie_within_the_film(kind: CutKind) -> None:
    plan = plan_cut_film(kind, SEED)
    found = cuts(plan)
    borders = sorted([*found.hard, *(span.start_frame for span in found.gradual)])
    assert len(set(borders)) == len(plan.shots) - 1
    assert 0 < borders[0] < borders[-1] < plan.num_frames


@pytest.mark.parametrize("seed", range(5))
def test_flashes_and_whip_pans_touch_no_cut(seed: int) -> None:
    flash, whip = (plan_cut_film(kind, seed) for kind in (CutKind.FLASH, CutKind.WHIP_PAN))
    assert flash.flashes
    assert whip_pans(whip)
    for plan, spans in ((flash, flash.flashes), (whip, whip_pans(whip))):
        for border in (0, *cuts(plan).hard, plan.num_frames):
            assert all(
                span.end_frame + 8 <= border or border + FLASH_CLEARANCE_FRAMES <= span.start_frame
                for span in spans
            )


def test_dark_films_are_dark() -> None:
    assert drawn(CutKind.DARK)[1].mean() < 20


def test_drawn_animation_holds_each_drawing() -> None:
    steps = steps_of(drawn(CutKind.ANIMATED)[1])
    assert 0.4 < np.mean(steps == 0) < 0.8


@pytest.mark.parametrize("painter", [pytest.param(p, id=p.__name__) for p in (*PAINTERS, cartoon)])
def test_a_place_looks_the_same_at_any_resolution(painter: Painter) -> None:
    for seed in range(4):
        unit = Unit(seed, fps=25)
        shot = unit.shoot(10, Style(painters=(painter,)))
        plan = FilmPlan((shot,), width_px=640, height_px=360)
        full = next(frames(plan))
        reduced = np.asarray(Image.fromarray(full).resize((48, 27), Image.Resampling.BOX))
        assert np.abs(reduced.astype(int) - thumbnails(plan)[0]).mean() < 5


def test_full_frames_come_with_the_cuts() -> None:
    full, truth = draw_cut_film(CutKind.FAST_CUT, SEED)
    assert next(full).shape == (360, 640, 3)
    assert truth == cuts(plan_cut_film(CutKind.FAST_CUT, SEED))


def test_the_last_shot_of_a_film_gives_way_to_nothing() -> None:
    plan = plan_cut_film(CutKind.FADE, SEED)
    with pytest.raises(ValueError, match="last one"):
        replace(plan, shots=plan.shots[:1])


def test_the_size_of_a_film_can_be_chosen() -> None:
    plan = plan_cut_film(CutKind.FADE, SEED, width_px=1280, height_px=720)
    assert next(frames(plan)).shape == (720, 1280, 3)
    assert cuts(plan) == cuts(replace(plan, width_px=64, height_px=36))


@pytest.mark.parametrize("duration_s", [0.01, 7.0, 60.0])
def test_a_film_for_measurements_has_the_length_asked_for(duration_s: float) -> None:
    plan = plan_film(1, duration_s=duration_s, fps=Fraction(30))
    assert plan.num_frames == max(1, round(duration_s * 30))
