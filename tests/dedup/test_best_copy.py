"""Which copy of a group is kept: each criterion, what is unknown, and that order decides nothing."""

import random
from dataclasses import replace

import numpy as np
import pytest

from clipmill.dedup.best_copy import Advantage, advantage, best_copy, in_order
from clipmill.dedup.clip_copy import ClipCopy, Facts
from clipmill.dedup.copies.fingerprints import decode, encode, with_detail
from clipmill.dedup.copies.sharpness import sharper_by
from clipmill.scores.detail import NUM_BANDS, NUM_MEASURES, NUM_ZONES, frame_detail
from tests.support.films.score_frames import textured
from tests.support.films.sketches import LEVEL, detailed, pictures, sketched

NUM_FRAMES = 12
PLAIN = sketched(pictures(0, num_steps=NUM_FRAMES))


def copy(
    name: str,
    *,
    height_px: int = 360,
    lost: float = 0.0,
    bars: float = 0.0,
    blocks: float = 1.0,
    facts: Facts | None = None,
    frames: slice = slice(None),
) -> ClipCopy:
    """A copy with a detailed sketch of some of the frames."""
    part = replace(PLAIN, views=PLAIN.views[:, frames])
    known = Facts(length_s=part.views.shape[1] / 2, bit_rate=1e6, codec="h264")
    sketch = detailed(part, height_px=height_px, lost=lost, bars=bars, blocks=blocks)
    return ClipCopy(name, sketch, known if facts is None else facts)


def rated(bit_rate: float, codec: str = "h264", length_s: float = 6.0) -> Facts:
    return Facts(length_s=length_s, bit_rate=bit_rate, codec=codec)


def fact(**fields: float) -> Facts:
    return replace(rated(1e6), **fields)  # pyright: ignore[reportArgumentType] numbers and flags only


def squeezed(copy: ClipCopy) -> ClipCopy:
    """As wide, with three quarters of the lines."""
    assert copy.sketch is not None
    assert copy.sketch.detail is not None
    width, height = copy.sketch.detail.picture_px
    detail = replace(copy.sketch.detail, picture_px=(width, height * 3 // 4))
    return replace(copy, sketch=replace(copy.sketch, detail=detail))


def without_sketch(name: str, **facts: float) -> ClipCopy:
    return ClipCopy(name, None, Facts(**facts))  # pyright: ignore[reportArgumentType] numbers only


@pytest.mark.parametrize(
    ("kept", "other", "why"),
    [
        (copy("z"), copy("a", lost=0.2), Advantage.SHARPER),
        (copy("z"), copy("a", blocks=2.0, lost=-0.2), Advantage.SHARPER),
        (copy("z", height_px=720), copy("a", lost=0.2), Advantage.LARGER),
        (copy("z"), copy("a", height_px=720), Advantage.NOT_ENLARGED),
        (copy("z"), copy("a", height_px=720, lost=0.3), Advantage.SHARPER),
        (copy("z"), copy("a", bars=0.2), Advantage.SMALLER_BARS),
        (copy("z"), copy("a", frames=slice(2, 11)), Advantage.LONGER),
        (copy("z", facts=rated(2e6)), copy("a", facts=rated(1e6)), Advantage.BIT_RATE),
        (copy("z"), copy("a", lost=0.06, facts=rated(1.8e6)), Advantage.FINER),
        (copy("z", lost=0.06), copy("a", facts=rated(0.2e6)), Advantage.BIT_RATE),
        (copy("z", facts=fact(has_sound=True)), copy("a", facts=fact(has_sound=False, bit_rate=2e6)),
         Advantage.SOUND),
        (copy("z", facts=fact(depth=15)), copy("a", facts=fact(depth=12, bit_rate=2e6)), Advantage.DEPTH),
        (copy("z", facts=fact(num_bytes=9e5)), copy("a", facts=fact(num_bytes=8e5)), Advantage.BYTES),
        (copy("z", facts=fact(num_frames=150)),
         copy("a", facts=fact(num_frames=150, length_s=6.2, bit_rate=9e5)),
         Advantage.BIT_RATE),
        (copy("z", facts=fact(num_frames=150)),
         copy("a", facts=fact(num_frames=144, length_s=5.76, bit_rate=2e6)),
         Advantage.LONGER),
        (copy("z"), squeezed(copy("a", facts=rated(2e6))), Advantage.LARGER),
        (copy("a", facts=rated(1e6)), copy("z", facts=rated(2e6, "hevc")), Advantage.ID),
        (copy("a", facts=Facts()), copy("z", facts=rated(2e6)), Advantage.ID),
        (without_sketch("z", num_pixels=9e5), without_sketch("a", num_pixels=8e5), Advantage.LARGER),
        (without_sketch("z", num_pixels=8e5), without_sketch("a", num_pixels=9e5, bars=0.2),
         Advantage.LARGER),
        (without_sketch("z", sharpness=5, length_s=6), without_sketch("a", sharpness=4, length_s=6),
         Advantage.SHARPER),
        (without_sketch("z", sharpness=4, length_s=9), without_sketch("a", sharpness=5, length_s=6),
         Advantage.LONGER),
        (without_sketch("z", num_pixels=4e5, sharpness=5, length_s=6),
         without_sketch("a", num_pixels=16e5, sharpness=3, length_s=6), Advantage.NOT_ENLARGED),
        (without_sketch("z", num_pixels=16e5, sharpness=4, length_s=6),
         without_sketch("a", num_pixels=4e5, sharpness=5, length_s=6), Advantage.LARGER),
        (copy("z", lost=0.3), copy("a", frames=slice(4)), Advantage.LONGER),
        (copy("z", lost=0.3), copy("a", height_px=720, frames=slice(4)), Advantage.LONGER),
        (ClipCopy("a"), ClipCopy("z"), Advantage.ID),
    ],
)  # fmt: skip
def test_the_first_criterion_that_tells_two_apart_decides(
    kept: ClipCopy, other: ClipCopy, why: Advantage
) -> None:
    assert best_copy([other, kept]) is best_copy([kept, other]) is kept
    assert advantage(kept, other) == why
    assert advantage(other, kept) == Advantage.GROUP


def test_a_small_difference_between_other_frames_decides_nothing() -> None:
    worn = copy("a", lost=0.06, facts=rated(0.99e6))
    assert advantage(copy("z"), worn) == Advantage.FINER
    moved = sketched(pictures(0, from_step=0.5, num_steps=NUM_FRAMES))
    assert advantage(copy("z"), replace(worn, sketch=detailed(moved, lost=0.06))) == Advantage.BIT_RATE


def test_an_enlarged_copy_does_not_beat_the_original_through_a_small_one() -> None:
    original, enlarged, small = (
        copy("z"),
        copy("a", height_px=720, lost=0.1),
        copy("b", height_px=180, lost=0.3),
    )
    assert in_order([enlarged, small, original]) == [original, enlarged, small]


def test_the_choice_does_not_depend_on_the_order_of_the_copies() -> None:
    rng = random.Random(5)
    for _ in range(12):
        group = [
            copy(
                f"{place}", height_px=rng.choice([180, 352, 360, 720]), bars=rng.choice([0, 0.2]),
                lost=rng.choice([0, 0.06, 0.12, 0.18]),
                facts=rated(rng.choice([1e6, 2e6]), rng.choice(["h264", "hevc"])),
            )
            for place in range(5)
        ]  # fmt: skip
        orders = [[one.id for one in in_order(rng.sample(group, len(group)))] for _ in range(3)]
        assert all(order == orders[0] for order in orders)


def test_clips_are_compared_at_the_same_instants() -> None:
    dull = copy("dull", lost=0.5)
    assert dull.sketch is not None
    assert dull.sketch.detail is not None
    sharp_end = dull.sketch.detail.levels.copy()
    sharp_end[8:] = np.where(sharp_end[8:] > 0, sharp_end[8:] + 2 * LEVEL, 0)
    whole = replace(dull.sketch, detail=replace(dull.sketch.detail, levels=sharp_end))
    part = replace(whole, views=whole.views[:, 6:], detail=replace(dull.sketch.detail, levels=sharp_end[6:]))
    assert sharper_by(part, whole) == 0.0


def test_what_shows_no_detail_is_not_compared() -> None:
    smooth = copy("a", lost=9)
    assert sharper_by(smooth.sketch, smooth.sketch) is None
    assert sharper_by(PLAIN, copy("a").sketch) is None


def test_a_resized_picture_has_the_detail_that_its_pixels_can_show() -> None:
    fine = textured(360, 640, seed=3).clip(32, 255).astype(np.uint8)
    coarse = fine.reshape(180, 2, 320, 2).mean(axis=(1, 3)).astype(np.uint8)
    boxed = np.pad(coarse, ((40, 40), (0, 0)))
    one, other, in_bars = (frame_detail(each, each) for each in (fine, coarse, boxed))
    assert (one[0], one[1], other[0], other[1]) == (640, 360, 320, 180)
    assert in_bars[:4].tolist() == [320, 180, 320, 260]
    assert np.array_equal(in_bars[5:], other[5:])
    bands, others = one[5:-NUM_ZONES], other[5:-NUM_ZONES]
    shared = (bands >= 0) & (others >= 0)
    assert (bands >= 0).sum() - shared.sum() == 4  # an octave
    low = np.flatnonzero(shared)[:8]
    assert np.allclose(np.log(others[low] / bands[low]), 0, atol=0.35)


@pytest.mark.parametrize("width", [1279, 853])
def test_a_picture_of_prime_width_has_the_detail_of_one_a_column_wider(width: int) -> None:
    """A Fourier transform of that length is slow: some columns are left out."""
    wide = textured(60, width + 1, seed=5).clip(32, 255).astype(np.uint8)
    detail, narrow = (frame_detail(each, each)[5:-NUM_ZONES] for each in (wide, wide[:, 1:]))
    shared = (detail >= 0) & (narrow >= 0)
    assert shared.sum() == (narrow >= 0).sum()
    assert np.allclose(np.log(detail[shared]), np.log(narrow[shared]), atol=0.35)


def test_detail_goes_through_bytes_with_the_frames_that_were_thinned_out() -> None:
    measures = np.full((2 * NUM_FRAMES, NUM_MEASURES), 4.0, np.float32)
    measures[:, :5] = 640, 360, 640, 480, 1.25
    measures[1::2] = 9
    measures[:, 5 + NUM_BANDS - 1] = -1
    edges = np.arange(24**2, dtype=np.uint8).reshape(24, 24)
    data = with_detail(encode(replace(PLAIN, edges=edges)), measures, num_frames=NUM_FRAMES)
    found = decode(data)
    assert np.array_equal(found.views, PLAIN.views)
    assert found.edges is not None
    assert np.array_equal(found.edges, edges)
    assert found.detail is not None
    assert (found.detail.picture_px, found.detail.frame_px) == ((640, 360), (640, 480))
    assert (found.detail.blockiness, found.detail.num_bands) == (1.25, NUM_BANDS - 1)
    assert np.allclose(found.detail.variances()[:, :-1], 4, rtol=0.04)
    assert np.allclose(found.detail.zone_variances(), 4, rtol=0.04)
    assert encode(found) == data
    assert with_detail(encode(PLAIN), measures[:5], num_frames=NUM_FRAMES) == encode(PLAIN)
    earlier = replace(found, edges=None, detail=replace(found.detail, zones=np.zeros(0, np.uint8)))
    assert encode(decode(encode(earlier))) == encode(earlier), "as versions before wrote them"
    with pytest.raises(ValueError, match="no sketch"):
        decode(data[:-3])
