"""The stages of learned embeddings and aesthetics, as NeMo Curator has them and as one."""

from dataclasses import dataclass
from typing import TypeVar

import pytest

from clipmill.errors import SpecError
from clipmill.limits import LimitsSpec
from clipmill.models.registry import model_named
from clipmill.planning.plan import plan_of
from clipmill.stages.base import BOUND, Stage, marks_of
from clipmill.stages.video.embedding.cosmos_embed1 import (
    CosmosEmbed1EmbeddingStage,
    CosmosEmbed1FrameCreationStage,
)
from clipmill.stages.video.embedding.internvideo2 import (
    InternVideo2EmbeddingStage,
    InternVideo2FrameCreationStage,
)
from clipmill.stages.video.embedding.learned import LearnedEmbeddingStage
from clipmill.stages.video.embedding.learned_model import LearnedEmbedding
from clipmill.stages.video.embedding.perceptual import PerceptualEmbeddingStage
from clipmill.stages.video.io.video_reader import VideoReader

S = TypeVar("S", bound=Stage)


@pytest.mark.parametrize("variant", ["224p", "336p", "448p"])
def test_the_documents_two_stages_of_cosmos_are_one(variant: str) -> None:
    stages = [
        VideoReader(input_video_path="films"),
        CosmosEmbed1FrameCreationStage(variant=variant, target_fps=4.0),
        CosmosEmbed1EmbeddingStage(variant=variant, texts_to_verify=["a car"]),
    ]
    [node] = plan_of(stages, limits=LimitsSpec()).nodes
    embedding = node.stage
    assert isinstance(embedding, CosmosEmbed1EmbeddingStage)
    learned = LearnedEmbeddingStage(
        algorithm=f"cosmos-embed1-{variant}",
        model_dir="models/cosmos_embed1",
        target_fps=4.0,
        texts_to_verify=["a car"],
        allow_remote_code=[f"cosmos-embed1-{variant}"],
    )
    assert embedding.options() == learned.options()
    [other] = plan_of([stages[0], learned], limits=LimitsSpec()).nodes
    assert (node.key, node.digest) == (other.key, other.digest)


def test_the_documents_two_stages_of_internvideo2_are_one() -> None:
    fed = InternVideo2EmbeddingStage().fed_by(InternVideo2FrameCreationStage(target_fps=1.0))
    options = fed.options()
    assert (options.algorithm, options.model_dir, fed.target_fps) == ("internvideo2", "InternVideo2", 1.0)
    assert fed.resources().gpu_memory_gb == 10
    assert options.allow_remote_code == ("internvideo2",)


def test_frames_for_another_variant_are_refused() -> None:
    with pytest.raises(
        SpecError, match=r"makes frames for 224p of .*, CosmosEmbed1EmbeddingStage wants 336p"
    ):
        CosmosEmbed1EmbeddingStage().fed_by(CosmosEmbed1FrameCreationStage(variant="224p"))


def test_frames_for_another_folder_are_refused() -> None:
    with pytest.raises(SpecError, match="reads here, InternVideo2EmbeddingStage reads InternVideo2"):
        InternVideo2EmbeddingStage().fed_by(InternVideo2FrameCreationStage(model_dir="here"))


@dataclass(frozen=True)
class Run:
    """The stages of a run, as ``bind`` sees them."""

    stages: tuple[Stage, ...]

    def find(self, kind: type[S]) -> S | None:
        return next((stage for stage in self.stages if isinstance(stage, kind)), None)


PAIRS = {
    "cosmos": (CosmosEmbed1FrameCreationStage, CosmosEmbed1EmbeddingStage),
    "internvideo2": (InternVideo2FrameCreationStage, InternVideo2EmbeddingStage),
}
EVERY_PAIR = pytest.mark.parametrize(("frames", "embedding"), PAIRS.values(), ids=PAIRS)


@EVERY_PAIR
def test_an_embedding_takes_over_the_rate_of_its_frames(
    frames: type[Stage], embedding: type[LearnedEmbedding]
) -> None:
    run = Run((frames(target_fps=4, verbose=True), embedding(texts_to_verify=["a car"])))
    found = run.stages[1].bind(run)
    assert found == embedding(texts_to_verify=["a car"], target_fps=4, verbose=True)
    assert run.stages[0].bind(run) == run.stages[0]


@EVERY_PAIR
def test_an_embedding_without_frames_stays_as_it_is(
    frames: type[Stage], embedding: type[LearnedEmbedding]
) -> None:
    del frames
    assert embedding().bind(Run(())) == embedding()


@EVERY_PAIR
def test_frames_that_no_stage_embeds_are_refused(
    frames: type[Stage], embedding: type[LearnedEmbedding]
) -> None:
    with pytest.raises(SpecError, match=f"no stage embeds .*{frames.__name__}: add {embedding.__name__}"):
        frames().bind(Run((PerceptualEmbeddingStage(),)))


@EVERY_PAIR
def test_a_pair_that_contradicts_itself_is_refused(
    frames: type[Stage], embedding: type[LearnedEmbedding]
) -> None:
    run = Run((frames(model_dir="here"), embedding(model_dir="there")))
    with pytest.raises(SpecError, match=f"{frames.__name__} .*here.*{embedding.__name__} .*there"):
        run.stages[1].bind(run)


def test_code_that_is_not_allowed_is_found_before_any_work() -> None:
    with pytest.raises(SpecError, match=r"allow_remote_code: \[internvideo2\]"):
        LearnedEmbeddingStage(algorithm="internvideo2").bind(Run(()))
    allowed = LearnedEmbeddingStage(algorithm="internvideo2", allow_remote_code=["internvideo2"])
    assert allowed.bind(Run(())) == allowed


def test_the_rate_of_the_documented_pair_is_bound() -> None:
    for kind in (CosmosEmbed1EmbeddingStage, InternVideo2EmbeddingStage):
        assert marks_of(kind.model_fields["target_fps"]) == {BOUND}
        assert "target_fps" in kind(target_fps=4).result_fields()


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
