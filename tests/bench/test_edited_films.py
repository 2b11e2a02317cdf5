"""Films edited by a seed: their truth, how they are judged, and what the detector makes of their traps."""

import numpy as np
import pytest

from bench.cuts import Labels, Tally
from bench.edited_films import (
    SHOTS_PER_FILM,
    Counts,
    Edited,
    Trap,
    between,
    drift,
    edited,
    flash,
    going_dark,
    judged,
    passing,
    title,
)
from clipmill.records import Cuts, FrameSpan
from clipmill.shots.content import find_cuts
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage
from footage.film import FilmPlan, thumbnails
from footage.shot_plan import STILL, Unit

pytestmark = pytest.mark.integration

SPEC = ContentClipExtractionStage().detector_options()


def shot(seed: int, num_frames: int = 90) -> np.ndarray:
    """A place that stands still."""
    return thumbnails(FilmPlan((Unit(seed, fps=25).shoot(1, STILL),))).repeat(num_frames, axis=0)


def test_a_film_holds_its_cuts() -> None:
    film = edited([shot(seed, 40) for seed in range(9950, 9956)], 1)
    assert len(film.cuts.hard) + len(film.cuts.gradual) == SHOTS_PER_FILM - 1
    counts = judged(film, find_cuts(film.thumbnails, SPEC))
    assert counts.hard.f1 >= 0.95
    assert counts.num_gradual_found >= 0.8 * counts.num_gradual


def test_a_false_range_has_the_name_of_its_trap() -> None:
    traps = (("title", FrameSpan(70, 100)),)
    film = Edited(np.zeros((100, 27, 48, 3), np.uint8), Cuts((30,), (FrameSpan(50, 60),)), traps)
    counts = judged(film, Cuts((30,), (FrameSpan(52, 58), FrameSpan(80, 90))))
    assert counts == Counts(Tally(1, 0, 0), 1, 1, ("title",))


@pytest.mark.parametrize("trap", [drift, passing, flash, title, going_dark], ids=lambda trap: trap.__name__)
def test_nothing_is_found_where_nothing_is_cut(trap: Trap) -> None:
    """Eight of these films held a dissolve when a mixture was all that was asked of one."""
    for seed in range(9900, 9916):
        film = trap(shot(seed).astype(np.float32), np.random.default_rng(seed))
        assert find_cuts(np.clip(film, 0, 255).astype(np.uint8), SPEC) == Cuts(), seed


def test_shots_lie_between_labels() -> None:
    film = np.zeros((200, 27, 48, 3), np.uint8)
    labels = Labels((50, 60), (FrameSpan(100, 120),), (FrameSpan(96, 124),))
    assert [len(one) for one in between(film, labels)] == [50, 36, 76]
