"""Cuts that only a second look finds: within one view, and into fast motion."""

import numpy as np
import pytest

from clipmill.records import Cuts
from clipmill.shots.content import ContentCutFinder, all_cuts, find_cuts
from clipmill.shots.detector_frames import NOMINAL_FPS
from clipmill.shots.hard_cuts.jump_cuts import may_be_jump_cuts
from clipmill.shots.hard_cuts.steps import Steps
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage
from tests.support.films.thumbnail_films import Scenery, before_a_wall, held, slide

pytestmark = pytest.mark.integration

SPEC = ContentClipExtractionStage().detector_options()
SEEDS = [22, 33, 44, 66]


def swaying(column: float, num_frames: int) -> list[float]:
    """Where a person is who stands at a column and sways by half a pixel."""
    return (column + 0.5 * np.sin(np.arange(num_frames) / 3)).tolist()


def jump_cut(seed: int) -> np.ndarray:
    return before_a_wall(seed, [*swaying(10, 30), *swaying(17, 30)])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_person_who_stands_elsewhere_is_a_cut(seed: int) -> None:
    assert find_cuts(jump_cut(seed), SPEC) == Cuts((30,))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_person_who_steps_aside_is_no_cut(seed: int) -> None:
    way = np.linspace(10, 17, 7).tolist()
    assert find_cuts(before_a_wall(seed, [*swaying(10, 30), *way, *swaying(17, 30)]), SPEC) == Cuts()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_frame_that_is_held_while_a_person_walks_is_no_cut(seed: int) -> None:
    film = before_a_wall(seed, np.linspace(2, 36, 50).tolist())
    film[24:32] = film[24]
    assert find_cuts(film, SPEC) == Cuts()


@pytest.mark.parametrize("seed", SEEDS)
def test_frames_that_are_missing_while_a_person_walks_are_no_cut(seed: int) -> None:
    film, times_s = before_a_wall(seed, np.linspace(2, 36, 50).tolist()), np.arange(50) / 25
    kept = np.r_[:24, 31:50]
    assert find_cuts(film[kept], SPEC, times_s[kept]) == Cuts()


def test_a_window_that_opens_on_a_screen_is_no_cut() -> None:
    """Beside a picture that moves."""
    page = slide(7)
    opened = page.copy()
    opened[6:21, 4:28] = slide(8)[6:21, 4:28] - 30
    film = held([page, opened], 30)
    film[:, 21:, 36:] = Scenery(5, grain_px=6).shaken(5, num_frames=60)[:, 21:, 36:]
    assert find_cuts(film, SPEC) == Cuts()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_light_that_is_put_out_is_no_cut(seed: int) -> None:
    film = before_a_wall(seed, swaying(10, 60)).astype(float)
    film[30:, :, :24] *= 0.92
    assert find_cuts(film.astype(np.uint8), SPEC) == Cuts()


def test_only_frames_of_calm_shots_may_be_jump_cuts() -> None:
    """The first is one of an interview, the second one of a pattern that changes in every frame."""
    structure = Steps(np.array([0.1, 0.8]), np.array([0.02, 0.39]), np.array([0.01, 0.3]), np.zeros(2))
    colour = Steps(np.array([0.03, 0.06]), np.array([0.01, 0.05]), np.zeros(2), np.zeros(2))
    assert may_be_jump_cuts(structure, colour).tolist() == [True, False]


@pytest.mark.parametrize("num_frames", [1, 7, 29])
def test_pieces_of_a_film_do_not_show(num_frames: int) -> None:
    film, times_s = jump_cut(22), np.arange(60) / NOMINAL_FPS
    finder, hard = ContentCutFinder(SPEC), []
    for start in range(0, len(film), num_frames):
        piece = slice(start, start + num_frames)
        hard += finder.feed(film[piece], times_s[piece]).hard
    assert (
        [*hard, *finder.finish().hard] == list(all_cuts(ContentCutFinder(SPEC), film, times_s).hard) == [30]
    )


def still(seed: int, num_frames: int) -> np.ndarray:
    """What a camera sees that stands on a tripod, with a little noise."""
    view = Scenery(seed, grain_px=9).view(30, 30)
    noise = np.random.default_rng(seed).normal(0, 2, (num_frames, *view.shape))
    return np.clip(view + noise, 0, 255).astype(np.uint8)


def racing(seed: int, num_frames: int) -> np.ndarray:
    """What a camera sees that races over a place by eight pixels a frame."""
    place = Scenery(seed, grain_px=9)
    return np.stack([place.view(30, 30 + 8 * frame) for frame in range(num_frames)])


@pytest.mark.parametrize("seed", [2, 7, 8, 10])
def test_a_cut_into_fast_motion_is_found(seed: int) -> None:
    shots = [still(seed + 100, 30), racing(seed, 30)]
    assert find_cuts(np.concatenate(shots), SPEC).hard == (30,)
    assert find_cuts(np.concatenate(shots)[::-1], SPEC).hard == (30,)


@pytest.mark.parametrize("seed", [2, 4, 6, 7, 8])
def test_a_camera_that_starts_to_race_is_no_cut(seed: int) -> None:
    assert find_cuts(np.concatenate([still(seed, 30), racing(seed, 30)]), SPEC) == Cuts()
