"""The stages of embeddings: workers on hand-made clips, the columns they fill, what names their results."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clipmill.errors import SpecError
from clipmill.models.embedding import open as learned
from clipmill.models.embedding.base import EmbedderOptions, Prepared
from clipmill.models.embedding.perceptual import describe_and_sketch, describe_either_way
from clipmill.models.embedding.tower_embedder import TowerEmbedder
from clipmill.models.registry import model_named
from clipmill.stages.base import Frames, Resources, Results, Stage, rate
from clipmill.stages.video.embedding.cosmos_embed1 import CosmosEmbed1EmbeddingStage
from clipmill.stages.video.embedding.internvideo2 import InternVideo2EmbeddingStage
from clipmill.stages.video.embedding.learned import LearnedEmbeddingStage
from clipmill.stages.video.embedding.learned_model import EmbeddingWorker
from clipmill.stages.video.embedding.perceptual import PerceptualEmbeddingStage
from tests.support.stages.clip_items import batch, clip_of, item
from tests.support.stages.stage_context import PlainContext

CLIPS = [clip_of(6, seed=seed) for seed in range(3)]
BATCH = batch(*(item(name, frames=frames) for name, frames in zip("abc", CLIPS, strict=True)))
OPTIONS = LearnedEmbeddingStage(algorithm="siglip2", batch_size=2, num_frames=2).options()


class MeanColour:
    """A tower that embeds a clip by its mean colour and a text by its length."""

    dimension, num_frames, scale = 4, 8, 10.0

    def prepare(self, frames: np.ndarray) -> Prepared:
        return (frames.mean(axis=(0, 1, 2)),)

    def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
        return np.stack([np.append(colour, len(colour)) for (colour,) in batch]).astype(np.float32)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.eye(4, dtype=np.float32)[[len(text) % 4 for text in texts]]


class Nothing(MeanColour):
    """Makes no vector of the second clip of a batch."""

    def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
        rows = super().encode(batch)
        rows[1:2] = np.nan
        return rows


def worked(tower: MeanColour, *texts: str) -> Results:
    return EmbeddingWorker(TowerEmbedder(OPTIONS, tower), texts, PlainContext().log)(BATCH)


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_perceptual_worker_describes_each_clip(mirrored: bool) -> None:
    found = PerceptualEmbeddingStage(mirrored=mirrored).open(PlainContext())(BATCH)
    describe = describe_either_way if mirrored else describe_and_sketch
    assert np.array_equal(found["embedding"], [describe(frames)[0] for frames in CLIPS])
    assert [bool(sketch) for sketch in found["sketch"]] == [bool(describe(frames)[1]) for frames in CLIPS]
    assert found["embedding_algorithm"] == ["perceptual"] * 3


def test_the_learned_worker_embeds_each_clip() -> None:
    found = worked(MeanColour())
    assert np.array_equal(found.columns["embedding"], TowerEmbedder(OPTIONS, MeanColour()).embed(CLIPS).rows)
    assert found.columns["embedding_algorithm"] == ["siglip2"] * 3
    assert found.columns["text_match"] == found.columns["text_match_score"] == [None] * 3
    assert not found.failed


def test_the_text_that_fits_best_comes_with_its_probability() -> None:
    texts = ["red", "four", "x"]
    found = worked(MeanColour(), *texts)
    embedder = TowerEmbedder(OPTIONS, MeanColour())
    expected = embedder.match(embedder.embed(CLIPS).rows, texts)
    pairs = zip(found.columns["text_match"], found.columns["text_match_score"], strict=True)
    assert list(pairs) == expected


def test_a_clip_without_a_vector_fails_for_good_and_others_do_not() -> None:
    found = worked(Nothing(), "a dog")
    (failed,) = found.failed.items()
    assert failed[0] == 1
    assert (failed[1].kind, failed[1].message) == ("final", "siglip2 gave no finite vector for the clip")
    for values in found.columns.values():
        assert [value is None for value in values] == [False, True, False]


@pytest.mark.parametrize(
    ("stage", "fps", "height_px"),
    [
        (PerceptualEmbeddingStage(target_fps=4), 4, 240),
        (LearnedEmbeddingStage(algorithm="clip"), 2, 240),
        (LearnedEmbeddingStage(algorithm="videoprism", target_fps=0.7), rate(0.7), 288),
        (CosmosEmbed1EmbeddingStage(variant="448p"), 2, 448),
        (InternVideo2EmbeddingStage(), 2, 240),
    ],
    ids=lambda value: type(value).__name__,
)
def test_frames_are_read_at_the_height_that_the_model_looks_at(
    stage: Stage, fps: float, height_px: int
) -> None:
    assert stage.reads().frames == Frames(rate(fps), height_px)


@pytest.mark.parametrize(
    "stage",
    [
        PerceptualEmbeddingStage(), LearnedEmbeddingStage(algorithm="clip"), CosmosEmbed1EmbeddingStage(),
        InternVideo2EmbeddingStage(),
    ],
    ids=lambda stage: type(stage).__name__,
)  # fmt: skip
def test_every_embedding_drops_the_clips_it_fails_on(stage: Stage) -> None:
    assert (stage.name, stage.on_failure, stage.failure_reason) == ("embedding", "drop", "embedding_failed")
    roles = {column.role for column in stage.writes if column.table == "embeddings"}
    assert "embedding" in roles
    assert stage.column("embedding_algorithm") is not None


def test_mirror_images_name_other_embeddings() -> None:
    assert PerceptualEmbeddingStage(mirrored=True).digest() != PerceptualEmbeddingStage().digest()


def test_both_ways_to_ask_for_a_model_share_results() -> None:
    bound = CosmosEmbed1EmbeddingStage(variant="224p").bound(target_fps=4.0)
    same = LearnedEmbeddingStage(algorithm="cosmos-embed1-224p", target_fps=4.0)
    assert bound.digest() == same.digest()
    assert InternVideo2EmbeddingStage().digest() == LearnedEmbeddingStage(algorithm="internvideo2").digest()
    assert CosmosEmbed1EmbeddingStage().digest() != InternVideo2EmbeddingStage().digest()


def test_a_model_is_of_the_tables_revision_unless_the_stage_names_another() -> None:
    entry = model_named("siglip2")
    (ref,) = LearnedEmbeddingStage(algorithm="siglip2", model_dir="w").models()
    assert (ref.name, ref.revision, ref.place) == ("siglip2", entry.revision, "w")
    (ref,) = LearnedEmbeddingStage(algorithm="siglip2", revision="abc").models()
    assert ref.revision == "abc"


def test_a_model_asks_for_memory_of_a_gpu_unless_it_runs_on_a_cpu() -> None:
    assert InternVideo2EmbeddingStage().resources() == Resources(gpu_memory_gb=10)
    assert InternVideo2EmbeddingStage(device="cpu").resources() == Resources()


@pytest.mark.parametrize(("asked", "used"), [("auto", "lent"), ("cuda", "cuda")])
def test_the_worker_is_opened_on_what_it_is_lent(
    asked: str, used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[object] = []

    def load(options: EmbedderOptions, folder: Path, *, num_threads: int) -> TowerEmbedder:
        opened.extend((options, folder, num_threads))
        return TowerEmbedder(options, MeanColour())

    monkeypatch.setattr(learned, "load_embedder", load)
    stage = CosmosEmbed1EmbeddingStage(device=asked)
    context = PlainContext(device="lent", num_threads=3, model_dirs={"cosmos-embed1-336p": Path("c")})
    stage.open(context)
    assert opened == [replace(stage.options(), device=used), Path("c"), 3]
    assert stage.options().allow_remote_code == ("cosmos-embed1-336p",)


def test_code_of_a_model_must_be_allowed_by_name() -> None:
    options = LearnedEmbeddingStage(algorithm="internvideo2", allow_remote_code=["clip"]).options()
    with pytest.raises(SpecError, match=r"allow_remote_code: \[internvideo2\]"):
        learned.load_embedder(options, Path("w"))
