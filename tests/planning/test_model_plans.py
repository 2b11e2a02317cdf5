"""Plans of stages that need weights: what joins, what excludes each other, what redoes what. Nothing runs."""

from fractions import Fraction

import pytest

from clipmill.errors import ModelUnavailable, SpecError
from clipmill.pipeline import Pipeline
from clipmill.planning.from_spec import plan_of_spec
from clipmill.planning.plan import Plan
from clipmill.specs import CurateSpec
from clipmill.stages.base import Frames
from clipmill.stages.video.caption.caption_enhancement import CaptionEnhancementStage
from clipmill.stages.video.caption.caption_generation import CaptionGenerationStage
from clipmill.stages.video.caption.caption_preparation import CaptionPreparationStage
from clipmill.stages.video.clipping.transnetv2_extraction import TransNetV2ClipExtractionStage
from clipmill.stages.video.embedding.cosmos_embed1 import (
    CosmosEmbed1EmbeddingStage,
    CosmosEmbed1FrameCreationStage,
)
from clipmill.stages.video.embedding.internvideo2 import InternVideo2EmbeddingStage
from clipmill.stages.video.embedding.learned import LearnedEmbeddingStage
from clipmill.stages.video.embedding.perceptual import PerceptualEmbeddingStage
from clipmill.stages.video.filtering.clip_aesthetic_filter import ClipAestheticFilterStage
from clipmill.stages.video.filtering.question_filter import QuestionFilterStage
from clipmill.stages.video.io.video_reader import VideoReader

FULL = {
    "aesthetics": {},
    "questions": [{"question": "Is it day?"}],
    "captions": {},
    "enhancement": {},
    "embedding": {"algorithm": "siglip2"},
}


class Looker:
    """A stage with ``process(task)``."""

    name = "looker"

    def process(self, task: object) -> object:
        return task


def planned(*stages: object) -> Plan:
    return Pipeline("planned", stages=[VideoReader(input_video_path="films"), *stages]).plan()


def keys(plan: Plan) -> list[str]:
    return [node.key for node in plan.nodes]


def check(plan: Plan) -> None:
    """What a run checks before any work, on a machine without a GPU."""
    for stage in plan.stages:
        stage.check(num_gpus=0)


def changed(**fields: object) -> set[str]:
    """The stages whose rows other fields name anew."""
    plans = (
        plan_of_spec(CurateSpec.model_validate(spec), source="films", output="out")
        for spec in (FULL, {**FULL, **fields})
    )
    before, after = (plan.digests() for plan in plans)
    return {stage for stage in before if before[stage] != after[stage]}


@pytest.mark.parametrize(
    ("fields", "stages"),
    [
        ({"windows": {"prompt_text": "Look"}}, {"caption", "enhancement"}),
        ({"enhancement": {"prompt_text": "Louder"}}, {"enhancement"}),
        ({"captions": {"model_variant": "qwen3"}}, {"caption", "enhancement", "question"}),
        ({"captions": {"revision": "abc1234"}}, {"caption", "enhancement", "question"}),
        ({"captions": {"generate_stage2_caption": True}}, {"caption", "enhancement"}),
        ({"captions": {"max_workers": 4, "model_dir": "elsewhere"}}, set[str]()),
        ({"questions": [{"question": "Is it night?"}]}, {"question"}),
        ({"questions": [{"question": "Is it day?", "reject_if": "yes"}]}, set[str]()),
        ({"aesthetics": {"score_threshold": 9, "reduction": "mean"}}, set[str]()),
        ({"aesthetics": {"target_fps": 2}}, {"aesthetic"}),
        ({"embedding": {"algorithm": "clip"}}, {"embedding"}),
        ({"embedding": {"algorithm": "siglip2", "revision": "abc1234"}}, {"embedding"}),
    ],
)  # fmt: skip
def test_what_a_change_redoes(fields: dict[str, object], stages: set[str]) -> None:
    assert changed(**fields) == stages


def test_frame_creation_and_embedding_become_one_stage() -> None:
    [node] = planned(CosmosEmbed1FrameCreationStage(target_fps=4), CosmosEmbed1EmbeddingStage()).nodes
    assert isinstance(node.stage, CosmosEmbed1EmbeddingStage)
    assert (node.key, node.stage.algorithm_name) == ("embedding", "cosmos-embed1-336p")
    assert node.reads.frames == Frames(Fraction(4), 336)


def test_the_documents_line_has_a_plan() -> None:
    plan = planned(
        TransNetV2ClipExtractionStage(),
        ClipAestheticFilterStage(),
        InternVideo2EmbeddingStage(),
        CaptionPreparationStage(),
        CaptionGenerationStage(),
        CaptionEnhancementStage(),
    )
    names = ["transnetv2", "clip", "laion-aesthetic", "internvideo2", "qwen", "qwen_lm"]
    assert [model.name for model in plan.models] == names


BAD = {
    "two embeddings": (
        (PerceptualEmbeddingStage(), CosmosEmbed1EmbeddingStage()), "two stages have the key embedding"
    ),
    "frames for nobody": ((CosmosEmbed1FrameCreationStage(),), "add CosmosEmbed1EmbeddingStage"),
    "nobody answers": ((QuestionFilterStage(question="Is it day?"),), "need captions"),
    "two variants": (
        (CaptionPreparationStage(model_variant="qwen3"), CaptionGenerationStage(model_variant="qwen2.5")),
        "prepared for qwen3",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("stages", "message"), BAD.values(), ids=BAD)
def test_what_cannot_run_is_told(stages: tuple[object, ...], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        planned(*stages)


def test_windows_follow_the_captioner() -> None:
    [node] = planned(CaptionGenerationStage(model_variant="qwen3")).nodes
    assert isinstance(node.stage, CaptionGenerationStage)
    assert node.stage.preparation.model_variant == "qwen3"


def test_a_custom_stage_behind_captions_sees_them() -> None:
    plan = planned(CaptionPreparationStage(), CaptionGenerationStage(), Looker())
    assert keys(plan) == ["caption", "looker"]


def test_a_custom_stage_does_not_move_before_what_it_stands_behind() -> None:
    plan = planned(PerceptualEmbeddingStage(), ClipAestheticFilterStage(), Looker())
    assert keys(plan) == ["aesthetic", "embedding", "looker"]


def test_remote_code_that_is_not_allowed_is_told() -> None:
    with pytest.raises(SpecError, match=r"allow_remote_code: \[cosmos-embed1-224p\]"):
        planned(LearnedEmbeddingStage(algorithm="cosmos-embed1-224p"))


def test_a_gpu_that_is_not_there_is_told() -> None:
    with pytest.raises(SpecError, match="device cuda, and there is no GPU"):
        check(planned(LearnedEmbeddingStage(algorithm="clip", device="cuda")))


def test_a_variant_that_is_no_captioner_is_told() -> None:
    with pytest.raises(SpecError, match="clip is a model of kind embedding, not caption"):
        check(planned(CaptionGenerationStage(model_variant="clip")))


def test_fp8_without_a_gpu_is_told() -> None:
    with pytest.raises(SpecError, match="caption asks for fp8, which needs vLLM on a GPU"):
        check(planned(CaptionGenerationStage(fp8=True)))


def test_captions_by_transformers_are_told_of_their_own_extra() -> None:
    with pytest.raises(
        ModelUnavailable, match=r"torch and transformers not installed here; pip install 'clipmill.models.'"
    ):
        check(planned(CaptionGenerationStage(backend="transformers")))


def test_libraries_that_are_missing_are_told_with_their_extra() -> None:
    """The tests' own environment has no torch: that is the core's promise."""
    with pytest.raises(
        ModelUnavailable, match=r"torch and transformers not installed here; pip install 'clipmill.models.'"
    ):
        check(planned(LearnedEmbeddingStage(algorithm="clip")))


def test_a_plan_without_models_needs_nothing() -> None:
    check(planned())
