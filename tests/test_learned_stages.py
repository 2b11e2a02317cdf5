"""The stages of learned embeddings and aesthetics, as the documents have them and as one."""

import pytest

from clipmill.errors import SpecError
from clipmill.models.table import model_named
from clipmill.plan import plan_of_stages
from clipmill.stages.video.embedding.cosmos_embed1 import (
    CosmosEmbed1EmbeddingStage,
    CosmosEmbed1FrameCreationStage,
)
from clipmill.stages.video.embedding.internvideo2 import (
    InternVideo2EmbeddingStage,
    InternVideo2FrameCreationStage,
)
from clipmill.stages.video.embedding.learned import LearnedEmbeddingStage
from clipmill.stages.video.io.video_reader import VideoReader


@pytest.mark.parametrize("variant", ["224p", "336p", "448p"])
def test_the_documents_two_stages_of_cosmos_are_one(variant: str) -> None:
    stages = [
        VideoReader(input_video_path="films"),
        CosmosEmbed1FrameCreationStage(variant=variant, target_fps=4.0),
        CosmosEmbed1EmbeddingStage(variant=variant, texts_to_verify=["a car"]),
    ]
    assert plan_of_stages(stages).embedding == LearnedEmbeddingStage(
        algorithm=f"cosmos-embed1-{variant}",
        model_dir="models/cosmos_embed1",
        target_fps=4.0,
        texts_to_verify=["a car"],
        allow_remote_code=[f"cosmos-embed1-{variant}"],
    )


def test_the_documents_two_stages_of_internvideo2_are_one() -> None:
    learned = InternVideo2EmbeddingStage().as_learned(InternVideo2FrameCreationStage(target_fps=1.0))
    assert (learned.algorithm, learned.model_dir, learned.target_fps) == ("internvideo2", "InternVideo2", 1.0)
    assert learned.gpu_memory_gb == 10
    assert learned.allow_remote_code == ["internvideo2"]


def test_frames_for_another_variant_are_refused() -> None:
    with pytest.raises(
        SpecError, match=r"makes frames for 224p of .*, CosmosEmbed1EmbeddingStage wants 336p"
    ):
        CosmosEmbed1EmbeddingStage().as_learned(CosmosEmbed1FrameCreationStage(variant="224p"))


def test_frames_for_another_folder_are_refused() -> None:
    with pytest.raises(SpecError, match="reads here, InternVideo2EmbeddingStage reads InternVideo2"):
        InternVideo2EmbeddingStage().as_learned(InternVideo2FrameCreationStage(model_dir="here"))


@pytest.mark.parametrize(
    "change",
    [{"model_dir": "s3://weights"}, {"batch_size": 1}, {"device": "cpu"}, {"allow_remote_code": ["clip"]}],
    ids=str,
)
def test_where_and_how_fast_a_model_runs_changes_no_digest(change: dict[str, object]) -> None:
    spec = LearnedEmbeddingStage(algorithm="clip")
    assert LearnedEmbeddingStage(algorithm="clip", **change).digest() == spec.digest()


@pytest.mark.parametrize(
    "change", [{"revision": "abc"}, {"num_frames": 4}, {"dtype": "bfloat16"}, {"target_fps": 1.0}], ids=str
)
def test_what_a_model_sees_and_is_changes_the_digest(change: dict[str, object]) -> None:
    spec = LearnedEmbeddingStage(algorithm="clip")
    assert LearnedEmbeddingStage(algorithm="clip", **change).digest() != spec.digest()


@pytest.mark.parametrize(
    "algorithm", LearnedEmbeddingStage.model_json_schema()["properties"]["algorithm"]["enum"]
)
def test_every_algorithm_is_in_the_table_and_has_a_height(algorithm: str) -> None:
    assert model_named(algorithm).kind == "embedding"
    assert LearnedEmbeddingStage(algorithm=algorithm).frame_height_px >= 224
