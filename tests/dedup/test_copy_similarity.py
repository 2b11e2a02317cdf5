from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from clipmill.dedup.copies.copy_similarity import likeness
from clipmill.dedup.copies.fingerprints import Sketch
from clipmill.dedup.groups import eps_for
from tests.support.films.sketches import FINE_PX, pictures, sketched

CLIP = pictures(0)
COPY = 1 - eps_for("perceptual")


def cropped(fine: np.ndarray, *, top: int, bottom: int, left: int, right: int) -> np.ndarray:
    """Without so many of 96 cells, at the size it had."""
    return zoomed(fine[:, top : FINE_PX - bottom, left : FINE_PX - right])


def zoomed(fine: np.ndarray) -> np.ndarray:
    """At 96 by 96 cells."""
    zoom = (1, FINE_PX / fine.shape[1], FINE_PX / fine.shape[2])
    return np.asarray(ndimage.zoom(fine, zoom, order=1))


def with_text(fine: np.ndarray) -> np.ndarray:
    marked = fine.copy()
    marked[:, 82:90, 12:-12:2] = 240
    return marked


COPIES: dict[str, Callable[[], np.ndarray]] = {
    "itself": lambda: CLIP,
    "brighter": lambda: (CLIP + 30).clip(0, 255),
    "less contrast": lambda: CLIP * 0.7 + 30,
    "cropped on each side": lambda: cropped(CLIP, top=5, bottom=5, left=5, right=5),
    "cropped on two sides": lambda: cropped(CLIP, top=5, bottom=0, left=5, right=0),
    "text": lambda: with_text(CLIP),
    "first fifth trimmed": lambda: pictures(0, from_step=2.4, num_steps=9.6),
    "last fifth trimmed": lambda: pictures(0, num_steps=9.6),
    "another sampling grid": lambda: pictures(0, from_step=0.5),
    "a tenth faster": lambda: CLIP[np.rint(np.arange(0, 11.9, 1.1)).astype(int).clip(0, 11)],
    "cropped, first fifth trimmed": lambda: cropped(CLIP[3:], top=3, bottom=2, left=5, right=0),
}


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES.keys())
def test_a_copy_is_alike(copy: Callable[[], np.ndarray]) -> None:
    assert likeness(sketched(CLIP), sketched(copy())) >= COPY


OTHERS: dict[str, Callable[[], np.ndarray]] = {
    "another place": lambda: pictures(7),
    "something else before the same ground": lambda: pictures(0, thing=1),
    "mirrored": lambda: CLIP[:, :, ::-1],
    "what comes later": lambda: pictures(0, from_step=11, thing=2),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_another_shot_is_not(other: Callable[[], np.ndarray]) -> None:
    assert likeness(sketched(CLIP), sketched(other())) < COPY


def posed(*, at: int) -> np.ndarray:
    """A still figure before a still ground."""
    clip = CLIP[:1].repeat(6, axis=0)
    clip[:, 36:60, at : at + 10] = 20
    return clip


def test_the_pose_of_a_still_figure_tells_shots_from_one_camera_position_apart() -> None:
    assert likeness(sketched(posed(at=40)), sketched(posed(at=40)[2:])) >= COPY
    assert likeness(sketched(posed(at=40)), sketched(posed(at=54))) < COPY


def test_what_is_only_alike_is_no_copy_within_one_video() -> None:
    one, moved = sketched(posed(at=40)), sketched(posed(at=42) * 0.7 + posed(at=43) * 0.3)
    assert COPY <= likeness(one, moved) < 0.95
    of_one = [replace(each, source=b"one film") for each in (one, moved)]
    assert likeness(*of_one) < COPY
    assert likeness(of_one[0], replace(moved, source=b"another1")) == likeness(one, moved)
    again = [
        replace(sketched(each), source=b"one film") for each in (CLIP, COPIES["another sampling grid"]())
    ]
    assert likeness(*again) >= COPY


def test_which_comes_first_does_not_matter() -> None:
    one, other = sketched(CLIP), sketched(COPIES["cropped, first fifth trimmed"]())
    assert likeness(one, other) == likeness(other, one)


def test_a_mirror_image_is_a_copy_where_both_ask_for_it() -> None:
    one, other = sketched(CLIP), sketched(CLIP[2:, :, ::-1])
    asked = replace(one, either_way=True), replace(other, either_way=True)
    assert likeness(*asked) >= COPY
    assert likeness(asked[0], other) < COPY


def test_flat_clips_are_alike() -> None:
    assert likeness(sketched(np.full_like(CLIP, 90)), sketched(np.full_like(CLIP[:6], 90))) == 1


def test_too_short_an_overlap_says_nothing() -> None:
    assert likeness(sketched(CLIP), sketched(CLIP[:3])) == 0


def test_a_long_clip_is_alike_to_its_trimmed_copy_though_that_is_sampled_more_often() -> None:
    whole = pictures(3, num_steps=36)
    slow = np.repeat(whole, 2, axis=0)[:40]
    one, other = sketched(slow), sketched(slow[8:])
    assert one.step == 2
    assert other.step == 1
    assert likeness(one, other) >= COPY


def test_a_logo_on_what_was_taken_for_a_bar_is_seen_through() -> None:
    dark = CLIP.copy()
    dark[:, :, :30] = dark[:, :, 66:] = 8
    marked = dark.copy()
    marked[:, 4:14, 80:92] = 235
    bars_off, full = sketched(cropped(dark, top=0, bottom=0, left=30, right=30)), sketched(dark)
    both = Sketch(np.concatenate([bars_off.views, full.views]), 1)
    assert likeness(bars_off, sketched(marked)) < COPY <= likeness(both, sketched(marked))


def test_of_two_views_the_first_ones_are_compared_too() -> None:
    barred = np.pad(CLIP, ((0, 0), (12, 12), (0, 0)))
    full = sketched(zoomed(barred))
    both = Sketch(np.concatenate([sketched(CLIP).views, full.views]), 1)
    assert likeness(both, sketched(CLIP)) > 0.99


def test_a_short_clip_is_no_copy_of_one_so_long_that_little_of_it_is_kept() -> None:
    assert likeness(sketched(CLIP[:5]), sketched(np.resize(CLIP, (100, FINE_PX, FINE_PX)))) == 0


@pytest.mark.parametrize("from_step", [0, 2.5, 9, 14])
def test_a_clip_may_be_any_part_of_a_longer_one_and_not_the_other_way_round(from_step: float) -> None:
    whole, part = (sketched(pictures(3, from_step=at, num_steps=n)) for at, n in ((0, 20), (from_step, 5)))
    assert likeness(part, whole) >= COPY
    assert likeness(whole, part) == 0
    assert likeness(sketched(pictures(4, from_step=from_step, num_steps=5)), whole) < COPY
    assert likeness(sketched(pictures(3, thing=1, from_step=from_step, num_steps=5)), whole) < COPY
