"""Aesthetic scores by tiny CLIP weights and a head with the released keys."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from clipmill.errors import ModelUnavailable
from clipmill.models.aesthetic import ClipAestheticScorer, load_aesthetic_scorer
from clipmill.models.embedding.clip_siglip import ImageTextTower
from clipmill.models.registry import model_named
from clipmill.stages.video.filtering.clip_aesthetic_filter import ClipAestheticFilterStage
from tests.support.checkpoints.tiny import save_clip
from tests.support.stages.clip_items import batch, item
from tests.support.stages.stage_context import PlainContext

NUM_FEATURES = 24
SIZES = (NUM_FEATURES, 16, 12, 8, 4, 1)
RNG = np.random.default_rng(0)
CLIPS = [RNG.integers(0, 256, (num, 40, 64, 3), dtype=np.uint8) for num in (3, 1, 0, 5)]


def layers(sizes: tuple[int, ...] = SIZES) -> torch.nn.Sequential:
    """The head as its authors train it: dropout between the layers, and no activation."""
    torch.manual_seed(1)
    linear = [torch.nn.Linear(one, other) for one, other in pairwise(sizes)]
    drop = torch.nn.Dropout
    parts = [linear[0], drop(0.2), linear[1], drop(0.2), linear[2], drop(0.1), linear[3], linear[4]]
    return torch.nn.Sequential(*parts).eval()


def save_head(folder: Path, sizes: tuple[int, ...] = SIZES, *, without: str = "") -> None:
    folder.mkdir(parents=True)
    tensors = {f"layers.{name}": tensor for name, tensor in layers(sizes).state_dict().items()}
    tensors.pop(without, None)
    save_file(tensors, folder / "model.safetensors")


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("clip_aesthetic")
    save_clip(folder / model_named("clip").source, projection_dim=NUM_FEATURES)
    save_head(folder / model_named("laion-aesthetic").source)
    return str(folder)


def opened(model_dir: str, *, batch_size: int = 32) -> ClipAestheticScorer:
    encoder, head = (Path(model_dir) / model_named(name).source for name in ("clip", "laion-aesthetic"))
    return load_aesthetic_scorer(encoder, head, device="auto", batch_size=batch_size)


def test_a_score_is_the_head_over_the_unit_features(model_dir: str) -> None:
    encoder = model_named("clip")
    folder = Path(model_dir) / encoder.source
    tower = ImageTextTower(encoder, folder, dtype="float32", device=torch.device("cpu"))
    features = torch.from_numpy(tower.encode_frames(tower.prepare(CLIPS[0])))
    with torch.inference_mode():
        expected = layers()(torch.nn.functional.normalize(features, dim=-1))[:, 0].numpy()
    (found,) = opened(model_dir).score(CLIPS[:1])
    assert found.dtype == np.float32
    assert found == pytest.approx(expected, abs=1e-5)


def test_every_frame_of_every_clip_has_its_score(model_dir: str) -> None:
    assert [scores.shape for scores in opened(model_dir).score(CLIPS)] == [(3,), (1,), (0,), (5,)]


@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_batches_change_nothing(batch_size: int, model_dir: str) -> None:
    found = np.concatenate(opened(model_dir, batch_size=batch_size).score(CLIPS))
    alone = [opened(model_dir).score([frame[None]])[0] for clip in CLIPS for frame in clip]
    assert found == pytest.approx(np.concatenate(alone), abs=1e-5)


def test_the_head_may_be_the_file_that_its_authors_gave_out(model_dir: str, tmp_path: Path) -> None:
    save_clip(tmp_path / model_named("clip").source, projection_dim=NUM_FEATURES)
    folder = tmp_path / model_named("laion-aesthetic").source
    folder.mkdir(parents=True)
    tensors = {f"layers.{name}": tensor for name, tensor in layers().state_dict().items()}
    torch.save(tensors, folder / "sac+logos+ava1-l14-linearMSE.pth")
    (found,), (expected,) = (opened(place).score(CLIPS[:1]) for place in (str(tmp_path), model_dir))
    assert np.array_equal(found, expected)


def test_out_of_memory_halves_the_batch_and_goes_on(model_dir: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, encode_frames, sizes = opened(model_dir).score(CLIPS), ImageTextTower.encode_frames, list[int]()

    def small(self: ImageTextTower, prepared: tuple[np.ndarray, ...]) -> np.ndarray:
        sizes.append(len(prepared[0]))
        if len(prepared[0]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return encode_frames(self, prepared)

    monkeypatch.setattr(ImageTextTower, "encode_frames", small)
    found = opened(model_dir, batch_size=8).score(CLIPS)
    assert sizes == [8, 4, 2, 2, 2, 2, 1]
    assert np.concatenate(found) == pytest.approx(np.concatenate(expected), abs=1e-5)


def test_the_worker_of_the_stage_scores_as_the_scorer_does(model_dir: str) -> None:
    names = ("clip", "laion-aesthetic")
    context = PlainContext(model_dirs={name: Path(model_dir) / model_named(name).source for name in names})
    found = ClipAestheticFilterStage().open(context)(batch(*(item(frames=frames) for frames in CLIPS)))
    least = [float(scores.min()) if len(scores) else None for scores in opened(model_dir).score(CLIPS)]
    assert found.columns["aesthetic_min"] == [value and pytest.approx(value, abs=1e-6) for value in least]
    assert list(found.failed) == [2]


def test_no_clip_is_no_score(model_dir: str) -> None:
    assert opened(model_dir).score([]) == []


def test_a_head_for_other_features_is_refused(tmp_path: Path) -> None:
    save_clip(tmp_path / model_named("clip").source, projection_dim=NUM_FEATURES)
    save_head(tmp_path / model_named("laion-aesthetic").source, (768, *SIZES[1:]))
    with pytest.raises(ModelUnavailable, match="the head reads 768 features, the encoder gives 24"):
        opened(str(tmp_path))


def test_a_head_with_a_missing_key_is_refused(tmp_path: Path) -> None:
    save_clip(tmp_path / model_named("clip").source)
    save_head(tmp_path / model_named("laion-aesthetic").source, without="layers.4.bias")
    with pytest.raises(ModelUnavailable, match=r"layers\.4\.bias is missing"):
        opened(str(tmp_path))
