from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipmill.dedup.copies.fingerprints import decode
from clipmill.dedup.groups import EPS, LEARNED_EPS, eps_for
from clipmill.stages.video.embedding.perceptual import PerceptualEmbeddingStage
from tests.support.films.score_frames import panned, recoded, textured

pytestmark = pytest.mark.integration


EMBEDDER = PerceptualEmbeddingStage().embedder()
HEIGHT, WIDTH = 135, 240


@lru_cache(maxsize=4)
def coloured(height: int, width: int, *, seed: int) -> np.ndarray:
    return np.stack([textured(height, width, seed=10 * seed + channel) for channel in range(3)], axis=-1)


def drawn_clip(seed: int, *, path: int = 0, fps: float = 2, from_s: float = 0, to_s: float = 8) -> np.ndarray:
    """An object that moves before a slowly panning ground; ``path`` chooses its way, ``seed`` the looks."""
    ground, thing = coloured(HEIGHT + 40, WIDTH + 40, seed=seed), coloured(60, 60, seed=seed + 100)
    frames = []
    for time_s in np.arange(from_s, to_s, 1 / fps):
        planes = [
            panned(ground[..., i], x=2 * time_s, y=time_s, height=HEIGHT, width=WIDTH) for i in range(3)
        ]
        frame = np.stack(planes, axis=-1)
        x, y = (int(20 + 18 * time_s), 40) if path == 0 else (150 - int(14 * time_s), 60)
        frame[y : y + 60, x : x + 60] = thing.clip(0, 255)
        frames.append(frame)
    return np.stack(frames)


CLIP = drawn_clip(0)


def similarity(one: np.ndarray, other: np.ndarray) -> float:
    rows = EMBEDDER.embed([one, other]).rows
    return float(rows[0] @ rows[1])


def are_duplicates(one: np.ndarray, other: np.ndarray) -> bool:
    return similarity(one, other) >= 1 - eps_for(EMBEDDER.algorithm)


def resized(clip: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.stack([np.asarray(Image.fromarray(frame).resize((width, height))) for frame in clip])


def scaled(clip: np.ndarray, *, by: float, plus: float) -> np.ndarray:
    return (clip.astype(np.float64) * by + plus).clip(0, 255).astype(np.uint8)


def grey(clip: np.ndarray) -> np.ndarray:
    return np.repeat(clip @ np.array([0.299, 0.587, 0.114]), 3).reshape(clip.shape).astype(np.uint8)


def with_logo(clip: np.ndarray) -> np.ndarray:
    marked = clip.copy()
    marked[:, 6:20, 205:232] = 240
    return marked


def with_bars(clip: np.ndarray, *, rows: int, columns: int) -> np.ndarray:
    return np.pad(clip, ((0, 0), (rows, rows), (columns, columns), (0, 0)))


COPIES: dict[str, Callable[[], np.ndarray]] = {
    "half the size": lambda: resized(CLIP, 68, 120),
    "another aspect": lambda: resized(CLIP, 120, 160),
    "cropped by 5 %": lambda: CLIP[:, 3:-3, 6:-6],
    "brighter": lambda: scaled(CLIP, by=1, plus=30),
    "less contrast": lambda: scaled(CLIP, by=0.7, plus=30),
    "grey": lambda: grey(CLIP),
    "logo": lambda: with_logo(CLIP),
    "letterboxed": lambda: with_bars(CLIP, rows=20, columns=0),
    "pillarboxed": lambda: with_bars(CLIP, rows=0, columns=30),
    "brighter with its bars": lambda: scaled(with_bars(CLIP, rows=20, columns=0), by=1, plus=30),
    "three frames a second": lambda: drawn_clip(0, fps=3),
    "a quarter second later": lambda: drawn_clip(0, from_s=0.25),
    "first 10 % trimmed": lambda: drawn_clip(0, from_s=0.8),
    "last 20 % trimmed": lambda: drawn_clip(0, to_s=6.4),
    "sped up by 10 %": lambda: drawn_clip(0, fps=2 / 1.1),
}


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES.keys())
def test_a_copy_is_found(copy: Callable[[], np.ndarray]) -> None:
    assert are_duplicates(CLIP, copy())


@pytest.mark.parametrize(
    ("codec", "bit_rate"), [("libx264", "60k"), ("libvpx-vp9", "60k"), ("mpeg4", "150k")]
)
def test_a_copy_coded_badly_is_found(tmp_path: Path, codec: str, bit_rate: str) -> None:
    even = CLIP[:, :134]
    assert are_duplicates(even, recoded(even, tmp_path / "copy.mkv", codec=codec, options={"b": bit_rate}))


def test_different_shots_stay_apart() -> None:
    rows = EMBEDDER.embed([drawn_clip(seed) for seed in range(1, 6)]).rows
    similarities = (rows @ rows.T)[np.triu_indices(5, 1)]
    assert similarities.max() < 0.5


def test_what_happens_before_the_same_ground_keeps_shots_apart() -> None:
    assert not are_duplicates(CLIP, drawn_clip(0, path=1))


def test_a_clip_played_backwards_is_less_similar_than_a_clip_coded_again() -> None:
    assert similarity(CLIP, CLIP[::-1]) < 0.95 < similarity(CLIP, COPIES["half the size"]())


def moving(*, at: int) -> np.ndarray:
    """A still ground over which a small pale shade moves down, ``at`` px from the left."""
    clip = coloured(HEIGHT, WIDTH, seed=3)[None].repeat(8, axis=0)
    for index, frame in enumerate(clip):
        frame[40 + 4 * index : 52 + 4 * index, at : at + 12] += 40
    return clip.clip(0, 255).astype(np.uint8)


def test_where_something_moves_keeps_shots_from_one_camera_position_apart() -> None:
    assert not are_duplicates(moving(at=60), moving(at=150))
    assert are_duplicates(moving(at=60), moving(at=60)[2:])


def test_flat_clips_are_the_same_only_in_the_same_colour() -> None:
    black = np.zeros((4, 90, 160, 3), np.uint8)
    red = np.zeros_like(black) + np.array([200, 0, 0], np.uint8)
    assert are_duplicates(black, black[:2])
    assert not are_duplicates(black, red)
    assert not are_duplicates(black, CLIP)


def test_a_still_is_the_same_for_any_number_of_frames() -> None:
    assert similarity(CLIP[:1], CLIP[:1].repeat(9, axis=0)) == pytest.approx(1, abs=1e-5)


def test_embeddings_are_unit_float32_rows_of_the_stated_dimension() -> None:
    rows = EMBEDDER.embed([CLIP, CLIP[:1], np.full((2, 1, 1, 3), 127, np.uint8)]).rows
    assert rows.dtype == np.float32
    assert rows.shape == (3, EMBEDDER.dimension)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-6)


def test_a_mirror_image_has_the_same_embedding_where_that_is_asked_for() -> None:
    embedder = PerceptualEmbeddingStage(mirrored=True).embedder()
    rows = embedder.embed([CLIP, CLIP[:, :, ::-1], drawn_clip(3)]).rows
    assert rows[0] @ rows[1] == pytest.approx(1, abs=1e-5)
    assert rows[0] @ rows[2] < 0.5


def test_a_clip_of_fewer_than_three_frames_has_no_sketch() -> None:
    sketches = EMBEDDER.embed([CLIP, CLIP[:2]]).sketches
    assert sketches[0] is not None
    assert sketches[1] is None


def test_a_frame_with_bars_is_sketched_without_and_with_them() -> None:
    for clip, num_views in ((CLIP, 1), (with_bars(CLIP, rows=20, columns=0), 2)):
        data = EMBEDDER.embed([clip]).sketches[0]
        assert data is not None
        assert len(decode(data).views) == num_views


def test_no_clips_give_no_rows() -> None:
    assert EMBEDDER.embed([]).rows.shape == (0, EMBEDDER.dimension)


@pytest.mark.parametrize("shape", [(0, 90, 160, 3), (90, 160, 3), (2, 90, 160)])
def test_what_is_no_clip_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="a clip must be"):
        EMBEDDER.embed([np.zeros(shape, np.uint8)])


def test_an_embedding_without_its_own_eps_takes_that_of_learned_ones() -> None:
    assert eps_for("perceptual") == EPS["perceptual"]
    assert eps_for("siglip2") == LEARNED_EPS == 0.1
