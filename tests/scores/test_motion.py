from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from clipmill.scores.flow import block_flow
from clipmill.scores.motion import (
    MotionScores,
    clip_motion,
    flow_lengths,
    motion_luma_size,
    spread_share,
)
from clipmill.stages.video.filtering.motion_filter import MotionFilterStage
from footage.encode import AV1, H264, HEVC, VP9, write_film
from footage.film import frames
from footage.shot_plan import plan_film
from tests.support.films.score_frames import panned, recoded, small_luma, textured

PICTURE = textured(800, 1440)
SIZES = [
    (1280, 720),
    (1920, 1080),
    (640, 480),
    (720, 1280),
    (2048, 858),
    (320, 180),
    (64, 48),
    (33, 9),
    (5, 4),
]


def block_motion(pairs: np.ndarray) -> np.ndarray:
    """Float32 ``(N, By, Bx)`` of pairs of pictures, uint8 luma ``(N, 2, h, w)``."""
    return flow_lengths(block_flow(pairs))


def motion(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Blocks ``(By, Bx)`` of one pair."""
    return block_motion(np.stack([before, after])[None])[0]


def pan_score(
    speed_px: float, *, towards: tuple[float, float] = (1, 0), height: int = 720, width: int = 1280
) -> float:
    """Mean score of two neighbouring frames of a pan of ``speed_px``."""
    before = panned(PICTURE, x=0, y=0, height=height, width=width)
    after = panned(PICTURE, x=towards[0] * speed_px, y=towards[1] * speed_px, height=height, width=width)
    return float(motion(small_luma(before), small_luma(after)).mean())


@pytest.mark.parametrize("speed_px", [1, 2, 4, 10, 25, 64])
@pytest.mark.parametrize("towards", [(1, 0), (0, 1), (0.6, 0.8)], ids=["right", "down", "slanted"])
def test_a_pan_scores_its_speed_over_height_plus_width(speed_px: float, towards: tuple[float, float]) -> None:
    assert pan_score(speed_px, towards=towards) == pytest.approx(speed_px / 2000, rel=0.1)


@pytest.mark.parametrize(("height", "width"), [(180, 320), (360, 640), (800, 450)])
def test_the_score_is_relative_to_the_picture_size(height: int, width: int) -> None:
    speed_px = 0.005 * (height + width)
    assert pan_score(speed_px, height=height, width=width) == pytest.approx(0.005, rel=0.1)


@pytest.mark.parametrize("noise", [0, 3, 8])
def test_a_static_picture_does_not_move_even_when_it_is_noisy(noise: float) -> None:
    rng = np.random.default_rng(1)
    frames = [
        np.clip(PICTURE[:720, :1280] + noise * rng.standard_normal((720, 1280)), 0, 255) for _ in range(2)
    ]
    before, after = (small_luma(frame.astype(np.uint8)) for frame in frames)
    assert motion(before, after).max() == 0


def test_brightening_is_not_motion() -> None:
    before = small_luma(PICTURE[:720, :1280].clip(20, 200).astype(np.uint8))
    assert motion(before, before + np.uint8(6)).max() == 0


def test_flat_blocks_do_not_move() -> None:
    noise = np.random.default_rng(1).integers(0, 2, (2, 72, 128)).astype(np.uint8)
    assert motion(100 + noise[0], 100 + noise[1]).max() == 0


def pan_under_sky(*, speed_px: float, sky_px: int = 350) -> np.ndarray:
    """Blocks of a pan over hills below clear sky, which fills about ``sky_px`` of 720 rows."""
    skyline = sky_px + 40 * np.sin(np.arange(1440) / 70)
    land = np.where(np.arange(800)[:, None] < skyline, 200, PICTURE)
    pan = [panned(land, x=x, y=0, height=720, width=1280) for x in (0, speed_px)]
    return motion(*(small_luma(frame) for frame in pan))


def test_clear_sky_takes_the_motion_of_the_land_below() -> None:
    scores = clip_motion(pan_under_sky(speed_px=10)[None], width_px=1280, height_px=720)
    assert scores is not None
    assert 0.002 < scores.per_patch_min_256 < 0.005
    assert scores.global_mean == pytest.approx(0.005, rel=0.2)


def test_clear_sky_over_land_at_rest_is_at_rest() -> None:
    assert pan_under_sky(speed_px=0).max() == 0


def test_sky_alone_is_at_rest() -> None:
    assert pan_under_sky(speed_px=10, sky_px=800).max() == 0


def test_what_is_still_beside_motion_stays_still() -> None:
    pan = [panned(PICTURE, x=x, y=0, height=720, width=1280) for x in (0, 10)]
    pan[1][:, 640:] = pan[0][:, 640:]
    blocks = motion(*(small_luma(frame) for frame in pan))
    assert blocks[:, 10:].max() == 0


def test_only_the_blocks_of_a_moving_object_move() -> None:
    still, moved = (PICTURE[:720, :1280].clip(0, 255).astype(np.uint8) for _ in range(2))
    stamp = textured(280, 420, seed=5).clip(0, 255).astype(np.uint8)
    still[200:480, 400:800], moved[200:480, 400:800] = stamp[:, :400], stamp[:, 20:]
    blocks = motion(small_luma(still), small_luma(moved))
    assert blocks[4, 6:9].mean() == pytest.approx(20 / 2000, rel=0.15)
    assert blocks[:, 12:].max() == 0


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libvpx-vp9", "mpeg4"])
def test_the_score_does_not_depend_on_the_codec(tmp_path: Path, codec: str) -> None:
    frames = np.stack([panned(PICTURE, x=3 * i, y=i, height=288, width=512) for i in range(6)])
    options = {
        "libx265": {"x265-params": "log-level=none"},
        "libvpx-vp9": {"cpu-used": "8", "deadline": "realtime"},
    }
    decoded = recoded(frames, tmp_path / "pan.mkv", codec=codec, options=options.get(codec))
    small = [small_luma(frame) for frame in decoded]
    scores = [motion(*pair).mean() for pair in pairwise(small)]
    assert np.mean(scores) == pytest.approx(10**0.5 / 800, rel=0.1)


AGREEING = {
    "H.264 superfast": H264,
    # x264's macroblock tree by AVX-512 reads memory that was never written: without it, bytes are the same.
    "H.264 medium": replace(H264, options={"preset": "medium", "crf": "28", "mbtree": "0"}),
    "H.264 ultrafast": replace(H264, options={"preset": "ultrafast", "crf": "18"}),
    "HEVC": HEVC,
    "VP9": VP9,
    "AV1": AV1,
}


@pytest.fixture(scope="module")
def scores_by_codec(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Mean scores ``(codecs, clips)`` of one film of pans, figures and cuts; five instants a clip."""
    drawn = list(frames(plan_film(3, duration_s=3, width_px=320, height_px=180)))
    folder = tmp_path_factory.mktemp("codecs")
    rows: list[list[float]] = []
    for number, encoding in enumerate(AGREEING.values()):
        path = folder / f"{number}.mkv"
        write_film(path, drawn, time_base=Fraction(1, 25), encoding=encoding)
        with av.open(path) as container:
            lumas = [small_luma(frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]
        instants = block_motion(np.stack([lumas[at - 1 : at + 1] for at in range(3, 75, 3)]))
        clips = [clip_motion(instants[at : at + 5], width_px=320, height_px=180) for at in range(0, 20, 5)]
        rows.append([clip.global_mean for clip in clips if clip])
    return np.array(rows)


def test_codecs_agree_on_the_score_within_10_percent(scores_by_codec: np.ndarray) -> None:
    apart = scores_by_codec / np.median(scores_by_codec, axis=0) - 1
    assert np.abs(apart).max() < 0.1


def test_codecs_agree_on_the_verdict(scores_by_codec: np.ndarray) -> None:
    is_low = scores_by_codec < MotionFilterStage().global_mean_threshold
    assert np.mean(is_low == is_low[0]) >= 0.95


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_small_luma_is_whole_blocks(size: tuple[int, int]) -> None:
    width, height = motion_luma_size(*size)
    assert width % 8 == height % 8 == 0
    assert 8 <= max(width, height) <= 192
    assert block_motion(np.zeros((1, 2, height, width), np.uint8)).max() == 0


@pytest.mark.parametrize(
    "size", [size for size in SIZES if min(size) > 100], ids=lambda size: f"{size[0]}x{size[1]}"
)
def test_the_small_luma_keeps_the_aspect_ratio(size: tuple[int, int]) -> None:
    width, height = motion_luma_size(*size)
    assert width / height == pytest.approx(size[0] / size[1], rel=0.02)


@pytest.mark.parametrize("shape", [(72, 128), (1, 3, 72, 128), (1, 2, 72, 124)], ids=str)
def test_what_is_no_pair_of_whole_blocks_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="multiples of 8"):
        block_motion(np.zeros(shape, np.uint8))


def test_a_pair_has_the_same_motion_in_any_company() -> None:
    lumas = [small_luma(panned(PICTURE, x=3 * i * i, y=i, height=288, width=512)) for i in range(7)]
    pairs = np.stack([*(np.stack(pair) for pair in pairwise(lumas)), np.stack([lumas[0]] * 2)])
    together = block_motion(pairs)
    assert all(
        np.array_equal(block_motion(pair[None])[0], row) for pair, row in zip(pairs, together, strict=True)
    )


def test_a_clip_scores_the_mean_over_instants_and_picture() -> None:
    blocks = np.array([np.full((9, 16), 0.01), np.full((9, 16), 0.03)], np.float32)
    assert clip_motion(blocks, width_px=1280, height_px=720) == MotionScores(0.02, 0.02)


def test_the_patch_score_is_that_of_the_stillest_256_px_patch() -> None:
    blocks = np.full((1, 8, 16), 0.01, np.float32)
    blocks[:, :4, :4] = 0.001
    blocks[:, 0, 0] = 0.005
    assert clip_motion(blocks, width_px=1024, height_px=512) == MotionScores(
        global_mean=round((0.01 * 112 + 0.001 * 15 + 0.005) / 128, 6), per_patch_min_256=0.00125
    )


def test_a_patch_takes_its_share_of_blocks_that_it_halves() -> None:
    blocks = np.array([[[0.0, 0.02, 0.04]]], np.float32)
    scores = clip_motion(blocks, width_px=512, height_px=256)
    assert scores is not None
    assert scores.per_patch_min_256 == pytest.approx(0.02 / 3, abs=1e-6)


def test_below_256_px_a_side_is_one_patch() -> None:
    blocks = np.zeros((1, 8, 16), np.float32)
    blocks[:, :, :8] = 0.02
    assert clip_motion(blocks, width_px=200, height_px=100) == MotionScores(0.01, 0.01)


def test_without_instants_there_is_no_score() -> None:
    assert clip_motion(np.zeros((0, 9, 16), np.float32), width_px=1280, height_px=720) is None


@pytest.mark.parametrize(
    ("num", "share", "expected"),
    [
        (6, 1.0, [0, 1, 2, 3, 4, 5]),
        (6, 0.5, [1, 3, 5]),
        (10, 0.2, [2, 7]),
        (5, 0.01, [2]),
        (0, 0.5, []),
    ],
    ids=["all", "half", "a fifth", "at least one", "none there"],
)
def test_a_share_of_the_instants_is_spread_over_the_clip(num: int, share: float, expected: list[int]) -> None:
    assert spread_share(np.arange(num), share=share).tolist() == expected
