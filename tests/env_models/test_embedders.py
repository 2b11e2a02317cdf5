"""Embedders of every algorithm, on tiny checkpoints that were saved and are loaded as real ones are."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from clipmill.errors import ModelUnavailable, SpecError
from clipmill.models.embedding import open as learned
from clipmill.models.embedding.open import open_embedder
from clipmill.models.embedding.tower_embedder import TowerEmbedder, best_texts, spread, unit_rows
from clipmill.models.registry import model_named
from clipmill.stages.video.embedding.learned import LearnedEmbeddingStage
from tests.support.checkpoints.remote_repositories import save_cosmos, save_internvideo
from tests.support.checkpoints.tiny import SAVED, save_clip, save_naflex
from tests.support.stages.clip_items import batch, item
from tests.support.stages.stage_context import PlainContext

SAVERS: dict[str, Callable[[Path], Path]] = {
    **SAVED, "cosmos-embed1-224p": save_cosmos, "cosmos-embed1-336p": save_cosmos,
    "cosmos-embed1-448p": save_cosmos, "internvideo2": save_internvideo,
}  # fmt: skip
EVERY = pytest.mark.parametrize("algorithm", SAVERS)
DIMENSIONS = {"clip": 24, "siglip2": 32, "videoprism": 32, "internvideo2": 10}
TEXTS = ["a dog runs over grass", "snow at night"]


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("models")
    for name, save in SAVERS.items():
        save(folder / model_named(name).source)
    return str(folder)


def opened(algorithm: str, model_dir: str, **fields: object) -> TowerEmbedder:
    fields = {"allow_remote_code": [algorithm], **fields}
    return open_embedder(LearnedEmbeddingStage(algorithm=algorithm, model_dir=model_dir, **fields).options())


def drawn(num_frames: int, *, seed: int = 0, height: int = 40, width: int = 64) -> np.ndarray:
    """A clip of blocks of colour that change over time."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (num_frames, height // 8, width // 8, 3), dtype=np.uint8)
    return blocks.repeat(8, axis=1).repeat(8, axis=2)


@EVERY
def test_rows_are_unit_vectors_of_the_configs_dimension(algorithm: str, model_dir: str) -> None:
    embedder = opened(algorithm, model_dir)
    embedded = embedder.embed([drawn(20), drawn(9, seed=1, height=64, width=40)])
    assert embedder.dimension == DIMENSIONS.get(algorithm, 12)
    assert (embedded.rows.shape, embedded.rows.dtype) == ((2, embedder.dimension), np.float32)
    assert np.linalg.norm(embedded.rows, axis=1) == pytest.approx(1, abs=1e-6)
    assert not embedded.errors


@EVERY
def test_a_batch_gives_what_single_clips_give(algorithm: str, model_dir: str) -> None:
    clips = [drawn(12 + seed, seed=seed) for seed in range(5)]
    batched = opened(algorithm, model_dir, batch_size=4).embed(clips).rows
    single = np.concatenate([opened(algorithm, model_dir, batch_size=1).embed([clip]).rows for clip in clips])
    assert batched == pytest.approx(single, abs=2e-6)


@EVERY
def test_the_same_weights_give_the_same_rows_again(algorithm: str, model_dir: str) -> None:
    first, again = (opened(algorithm, model_dir).embed([drawn(9)]).rows for _ in range(2))
    assert np.array_equal(first, again)


@EVERY
def test_a_clip_with_too_few_frames_repeats_them(algorithm: str, model_dir: str) -> None:
    embedder = opened(algorithm, model_dir)
    once, repeated = embedder.embed([drawn(1), drawn(1).repeat(40, axis=0)]).rows
    assert once == pytest.approx(repeated, abs=1e-6)


@EVERY
def test_a_clip_without_frames_is_named(algorithm: str, model_dir: str) -> None:
    embedded = opened(algorithm, model_dir).embed([drawn(9), drawn(9)[:0], drawn(9)])
    assert embedded.errors == {1: "the clip has no frames"}
    assert not embedded.rows[1].any()
    assert np.array_equal(embedded.rows[0], embedded.rows[2])


@EVERY
def test_nothing_to_embed_is_no_row(algorithm: str, model_dir: str) -> None:
    embedder = opened(algorithm, model_dir)
    assert embedder.embed([]).rows.shape == (0, embedder.dimension)


@EVERY
def test_the_end_of_a_clip_counts(algorithm: str, model_dir: str) -> None:
    clip = drawn(40)
    other_end = np.concatenate([clip[:30], drawn(10, seed=9)])
    one, other = opened(algorithm, model_dir).embed([clip, other_end]).rows
    assert np.abs(one - other).max() > 1e-5


@EVERY
def test_texts_are_unit_vectors_beside_the_clips(algorithm: str, model_dir: str) -> None:
    embedder = opened(algorithm, model_dir)
    rows = embedder.embed_texts(TEXTS)
    assert rows.shape == (2, embedder.dimension)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-6)


@EVERY
def test_the_best_text_comes_with_its_probability(algorithm: str, model_dir: str) -> None:
    embedder = opened(algorithm, model_dir)
    rows = embedder.embed([drawn(9), drawn(9, seed=3)]).rows
    matches = embedder.match(rows, TEXTS)
    cosines = rows @ embedder.embed_texts(TEXTS).T
    assert [text for text, _ in matches] == [TEXTS[index] for index in cosines.argmax(axis=1)]
    assert all(0.5 <= probability <= 1 for _, probability in matches)


def test_texts_are_encoded_once(model_dir: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    encode_texts = learned.ImageTextTower.encode_texts

    def counted(self: learned.ImageTextTower, texts: Sequence[str]) -> np.ndarray:
        asked.extend(texts)
        return encode_texts(self, texts)

    monkeypatch.setattr(learned.ImageTextTower, "encode_texts", counted)
    embedder = opened("clip", model_dir)
    for _ in range(3):
        embedder.match(embedder.embed([drawn(9)]).rows, TEXTS)
    assert asked == TEXTS


def test_a_long_text_is_cut_to_what_the_model_reads(model_dir: str) -> None:
    assert opened("clip", model_dir).embed_texts(["dog " * 500]).shape == (1, 24)


def test_siglip_reads_lower_case(model_dir: str) -> None:
    lower, upper = opened("siglip2", model_dir).embed_texts(["a dog", "A DOG"])
    assert np.array_equal(lower, upper)


def test_siglip2_that_keeps_the_aspect_ratio(tmp_path: Path) -> None:
    save_naflex(tmp_path / model_named("siglip2").source)
    embedder = opened("siglip2", str(tmp_path))
    clips = [drawn(9), drawn(9, seed=1, height=64, width=40)]
    batched = embedder.embed(clips).rows
    assert batched.shape == (2, 32)
    assert batched == pytest.approx(np.concatenate([embedder.embed([clip]).rows for clip in clips]), abs=2e-6)


def test_videoprism_passes_over_what_the_config_of_a_shared_processor_says(
    tmp_path: Path, model_dir: str
) -> None:
    folder = SAVED["videoprism"](tmp_path / model_named("videoprism").source)
    shared = {
        "size": {"height": 384, "width": 384}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
        "do_normalize": True, "resample": 3, "video_processor_type": "LlavaOnevisionVideoProcessor",
    }  # fmt: skip
    (folder / "video_preprocessor_config.json").write_text(json.dumps(shared))
    found = opened("videoprism", str(tmp_path)).embed([drawn(9)]).rows
    assert np.array_equal(found, opened("videoprism", model_dir).embed([drawn(9)]).rows)


def test_half_precision_is_near(model_dir: str) -> None:
    full = opened("clip", model_dir).embed([drawn(9)]).rows
    half = opened("clip", model_dir, dtype="bfloat16").embed([drawn(9)]).rows
    assert not np.array_equal(full, half)
    assert float((full @ half.T)[0, 0]) > 0.99


def test_a_nested_config_of_internvideo2_is_read(tmp_path: Path, model_dir: str) -> None:
    folder = save_internvideo(tmp_path / model_named("internvideo2").source)
    config = json.loads((folder / "config.json").read_text())
    vision = {"img_size": 16, "num_frames": 4}
    (folder / "config.json").write_text(
        json.dumps({**config, "flat": False, "model": {"embed_dim": 10, "vision_encoder": vision}})
    )
    nested = opened("internvideo2", str(tmp_path)).embed([drawn(9)]).rows
    assert np.array_equal(nested, opened("internvideo2", model_dir).embed([drawn(9)]).rows)


@EVERY
def test_the_worker_of_the_stage_embeds_as_the_embedder_does(algorithm: str, model_dir: str) -> None:
    stage = LearnedEmbeddingStage(
        algorithm=algorithm, model_dir=model_dir, allow_remote_code=[algorithm], texts_to_verify=TEXTS
    )
    context = PlainContext(model_dirs={algorithm: Path(model_dir) / model_named(algorithm).source})
    clips = [drawn(20), drawn(9, seed=1)]
    found = stage.open(context)(batch(*(item(frames=frames) for frames in clips)))
    embedder = opened(algorithm, model_dir)
    rows = embedder.embed(clips).rows
    assert np.array_equal(found.columns["embedding"], rows)
    matches = zip(found.columns["text_match"], found.columns["text_match_score"], strict=True)
    assert list(matches) == embedder.match(rows, TEXTS)


@pytest.mark.gpu
@pytest.mark.parametrize(("dtype", "least_cosine"), [("float32", 0.9999), ("bfloat16", 0.99)])
@EVERY
def test_a_gpu_answers_as_the_cpu_does(
    algorithm: str, dtype: str, least_cosine: float, model_dir: str
) -> None:
    clips = [drawn(9 + seed, seed=seed) for seed in range(4)]
    here = opened(algorithm, model_dir, device="cpu")
    there = opened(algorithm, model_dir, device="cuda", dtype=dtype)
    cosines = (here.embed(clips).rows * there.embed(clips).rows).sum(axis=1)
    assert cosines.min() > least_cosine
    assert there.embed_texts(TEXTS) == pytest.approx(here.embed_texts(TEXTS), abs=0.05)


# What goes wrong


def test_out_of_memory_halves_the_batch_and_goes_on(model_dir: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    encode = learned.ImageTextTower.encode

    def small(self: learned.ImageTextTower, batch: Sequence[tuple[np.ndarray, ...]]) -> np.ndarray:
        sizes.append(len(batch))
        if len(batch) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return encode(self, batch)

    monkeypatch.setattr(learned.ImageTextTower, "encode", small)
    embedded = opened("clip", model_dir, batch_size=8).embed([drawn(9, seed=seed) for seed in range(9)])
    assert sizes == [8, 4, 2, 2, 2, 2, 1]
    assert embedded.rows.any(axis=1).all()


@pytest.mark.parametrize("said", ["CUDA out of memory.", "boom"])
def test_what_does_not_get_better_by_halving_is_raised(
    said: str, model_dir: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: learned.ImageTextTower, batch: object) -> np.ndarray:
        raise RuntimeError(said)

    monkeypatch.setattr(learned.ImageTextTower, "encode", fails)
    with pytest.raises(RuntimeError, match=said):
        opened("clip", model_dir).embed([drawn(9)] * 4)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_a_vector_without_direction_is_named(
    value: float, model_dir: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = learned.ImageTextTower.encode

    def one_bad(self: learned.ImageTextTower, batch: Sequence[tuple[np.ndarray, ...]]) -> np.ndarray:
        rows = encode(self, batch)
        rows[1] = value
        return rows

    monkeypatch.setattr(learned.ImageTextTower, "encode", one_bad)
    embedded = opened("clip", model_dir).embed([drawn(9)] * 3)
    assert embedded.errors == {1: "clip gave no finite vector for the clip"}
    assert np.isfinite(embedded.rows).all()
    assert embedded.rows.any(axis=1).tolist() == [True, False, True]


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda tensors: tensors.pop("visual_projection.weight"),
            "1 weights are missing, the first is visual",
        ),
        (
            lambda tensors: tensors.update({"visual_projection.weight": torch.ones(3, 32)}),
            r"visual_projection\.weight has the shape \(3, 32\), not \(24, 32\)",
        ),
    ],
    ids=["a missing key", "a wrong shape"],
)
def test_weights_of_another_shape_are_refused(
    change: Callable[[dict[str, torch.Tensor]], object], said: str, tmp_path: Path
) -> None:
    folder = save_clip(tmp_path / model_named("clip").source)
    change_weights(folder, change)
    with pytest.raises(ModelUnavailable, match=said) as caught:
        opened("clip", str(tmp_path))
    assert "\n" not in str(caught.value)


def test_code_of_a_model_runs_only_by_name(model_dir: str) -> None:
    with pytest.raises(SpecError, match=r"allow_remote_code: \[internvideo2\]"):
        opened("internvideo2", model_dir, allow_remote_code=["cosmos-embed1-224p"])


def test_code_that_needs_what_is_not_here_is_named(tmp_path: Path) -> None:
    folder = save_internvideo(tmp_path / model_named("internvideo2").source)
    code = folder / "tiny_internvideo.py"
    code.write_text("import no_such_thing_here\n" + code.read_text())
    with pytest.raises(ModelUnavailable, match=r"needs what is not installed here: .*no_such_thing_here"):
        opened("internvideo2", str(tmp_path))


def test_no_code_runs_for_a_model_that_should_bring_none(tmp_path: Path) -> None:
    folder = save_cosmos(tmp_path / model_named("clip").source)
    (folder / "tiny_cosmos.py").write_text("raise SystemExit('remote code ran')")
    with pytest.raises(ModelUnavailable, match=r"config\.json is of 'tiny_cosmos'"):
        opened("clip", str(tmp_path))


# Numbers


@pytest.mark.parametrize(
    ("num_frames", "wanted", "indices"),
    [(8, 4, [1, 3, 5, 7]), (5, 5, [0, 1, 2, 3, 4]), (2, 4, [0, 0, 1, 1]), (1, 3, [0, 0, 0]), (9, 1, [4])],
)
def test_frames_are_spread_over_the_clip(num_frames: int, wanted: int, indices: list[int]) -> None:
    assert spread(num_frames, wanted).tolist() == indices


def test_probabilities_are_a_softmax_of_scaled_cosines() -> None:
    rows, texts = np.eye(2, dtype=np.float32), np.array([[1, 0], [0.6, 0.8]], np.float32)
    (first, _) = best_texts(rows, texts, ["east", "north-east"], scale=5.0)
    assert first == ("east", pytest.approx(1 / (1 + np.exp(5 * (0.6 - 1))), abs=1e-6))


def test_a_huge_vector_still_has_a_direction() -> None:
    units, bad = unit_rows(np.array([[3e38, 3e38]], np.float32))
    assert not bad
    assert units[0] == pytest.approx(np.sqrt(0.5))
