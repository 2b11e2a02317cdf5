"""NeMo Curator's stages take NeMo Curator's parameters; where ours differ, the difference is named here.

Defaults are those of the mission's pages and of NeMo Curator 1.3.
"""

import logging
import math
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from clipmill.engine.graph import build_operators
from clipmill.planning.from_spec import plan_of_spec
from clipmill.planning.plan import Plan, plan_of
from clipmill.planning.registry import BUILT_IN, stage_class
from clipmill.specs import CurateSpec, DedupSpec, LimitsSpec, ShardingSpec, SplitSpec, WriteSpec
from clipmill.stages.base import Spec, Stage, StageSpec, apply_verbose
from clipmill.stages.video.caption.caption_enhancement import CaptionEnhancementStage
from clipmill.stages.video.caption.caption_generation import CaptionGenerationStage
from clipmill.stages.video.caption.caption_preparation import CaptionPreparationStage
from clipmill.stages.video.clipping.clip_extraction_stages import (
    ClipTranscodingStage,
    FixedStrideExtractorStage,
)
from clipmill.stages.video.clipping.clip_frame_extraction import (
    ClipFrameExtractionStage,
    FrameExtractionPolicy,
    FramePurpose,
    frame_signature,
)
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage
from clipmill.stages.video.clipping.transnetv2_extraction import TransNetV2ClipExtractionStage
from clipmill.stages.video.clipping.video_frame_extraction import VideoFrameExtractionStage
from clipmill.stages.video.embedding.cosmos_embed1 import (
    CosmosEmbed1EmbeddingStage,
    CosmosEmbed1FrameCreationStage,
)
from clipmill.stages.video.embedding.internvideo2 import (
    InternVideo2EmbeddingStage,
    InternVideo2FrameCreationStage,
)
from clipmill.stages.video.embedding.learned import LearnedEmbeddingStage
from clipmill.stages.video.embedding.perceptual import PerceptualEmbeddingStage
from clipmill.stages.video.filtering.clip_aesthetic_filter import ClipAestheticFilterStage
from clipmill.stages.video.filtering.motion_filter import MotionFilterStage, MotionVectorDecodeStage
from clipmill.stages.video.filtering.quality_filter import QualityFilterStage
from clipmill.stages.video.filtering.question_filter import QuestionFilterStage
from clipmill.stages.video.io.clip_writer import ClipWriterStage
from clipmill.stages.video.io.video_reader import VideoReader
from clipmill.stages.video.preview.preview import PreviewStage

REQUIRED = object()

DOCUMENTED: dict[type[StageSpec], dict[str, object]] = {
    VideoReader: {
        "input_video_path": REQUIRED, "input_list_json_path": None, "video_limit": None, "verbose": False,
    },
    FixedStrideExtractorStage: {
        "clip_len_s": 10.0, "clip_stride_s": 10.0, "min_clip_length_s": 2.0, "limit_clips": 0,
        "verbose": False,
    },
    TransNetV2ClipExtractionStage: {
        "model_dir": "models", "threshold": 0.4, "min_length_s": 2.0, "max_length_s": 10.0,
        "max_length_mode": "stride", "crop_s": 0.5, "entire_scene_as_clip": True, "gpu_memory_gb": 10,
        "limit_clips": -1, "verbose": False,
    },
    ContentClipExtractionStage: {  # in the place of TransNetV2ClipExtractionStage, with its rules
        "min_length_s": 2.0, "max_length_s": 10.0, "max_length_mode": "stride", "crop_s": 0.5,
        "entire_scene_as_clip": True, "limit_clips": -1, "verbose": False,
    },
    VideoFrameExtractionStage: {
        "output_hw": (27, 48), "pyncv_batch_size": 64, "decoder_mode": "pynvc", "ray_data_num_cpus": None,
        "verbose": False,
    },
    ClipTranscodingStage: {
        "num_cpus_per_worker": 6.0, "encoder": "libx264", "encoder_threads": 1, "encode_batch_size": 16,
        "nb_streams_per_gpu": 3, "use_hwaccel": False, "use_input_bit_rate": False, "num_clips_per_chunk": 32,
        "ffmpeg_verbose": False, "ray_data_num_cpus": None, "verbose": False,
    },
    MotionVectorDecodeStage: {
        "num_cpus_per_worker": 6.0, "target_fps": 2.0, "target_duration_ratio": 1.0, "verbose": False,
    },
    MotionFilterStage: {
        "score_only": False, "global_mean_threshold": 0.00098, "per_patch_min_256_threshold": 1e-6,
        "num_gpus_per_worker": 0, "motion_filter_batch_size": 256, "verbose": False,
    },
    ClipAestheticFilterStage: {
        "model_dir": "models/clip_aesthetic", "score_threshold": 0.5, "reduction": "min", "target_fps": 1.0,
        "num_gpus_per_worker": 0.25, "verbose": False,
    },
    CosmosEmbed1FrameCreationStage: {
        "model_dir": "models/cosmos_embed1", "variant": "336p", "target_fps": 2.0, "num_cpus": 3,
        "verbose": False,
    },
    CosmosEmbed1EmbeddingStage: {
        "model_dir": "models/cosmos_embed1", "variant": "336p", "texts_to_verify": None, "gpu_memory_gb": 20,
        "verbose": False,
    },
    InternVideo2FrameCreationStage: {"model_dir": "InternVideo2", "target_fps": 2.0, "verbose": False},
    InternVideo2EmbeddingStage: {
        "model_dir": "InternVideo2", "texts_to_verify": None, "gpu_memory_gb": 10, "verbose": False,
    },
    ClipFrameExtractionStage: {
        "extraction_policies": [FrameExtractionPolicy.SEQUENCE], "extract_purposes": [], "target_fps": [],
        "num_cpus": 3, "target_res": None, "verbose": False,
    },
    CaptionPreparationStage: {
        "model_variant": "qwen", "prompt_variant": "default", "prompt_text": None, "sampling_fps": 2.0,
        "window_size": 256, "remainder_threshold": 128, "model_does_preprocess": False,
        "preprocess_dtype": "float32", "generate_previews": True, "verbose": False,
    },
    CaptionGenerationStage: {
        "model_dir": "models/qwen", "model_variant": "qwen", "caption_batch_size": 16, "fp8": False,
        "max_output_tokens": 512, "model_does_preprocess": False, "disable_mmcache": False,
        "generate_stage2_caption": False, "stage2_prompt_text": None, "vllm_kwargs": {}, "verbose": False,
    },
    CaptionEnhancementStage: {
        "model_dir": "models/qwen", "model_variant": "qwen", "captioning_model_variant": None,
        "prompt_variant": "default", "prompt_text": None, "model_batch_size": 128, "fp8": False,
        "max_output_tokens": 512, "vllm_kwargs": {}, "verbose": False,
    },
    PreviewStage: {
        "target_fps": 1.0, "target_height": 240, "compression_level": 6, "quality": 50,
        "num_cpus_per_worker": 4.0, "verbose": False,
    },
    ClipWriterStage: {
        "output_path": REQUIRED, "input_path": REQUIRED, "upload_clips": REQUIRED, "dry_run": REQUIRED,
        "generate_embeddings": REQUIRED, "generate_previews": REQUIRED, "generate_captions": REQUIRED,
        "embedding_algorithm": "perceptual", "caption_models": None, "enhanced_caption_models": None,
        "max_workers": 6, "log_stats": False, "verbose": False,
    },
}  # fmt: skip

DEVIATIONS = {
    (
        FixedStrideExtractorStage,
        "clip_len_s",
    ): "the stage has no defaults there; these are its command line's",
    (FixedStrideExtractorStage, "clip_stride_s"): "same",
    (FixedStrideExtractorStage, "min_clip_length_s"): "same",
    (FixedStrideExtractorStage, "limit_clips"): "same; here it caps the clips of a video",
    (ClipTranscodingStage, "encoder"): "h264_nvenc there; libx264 works on every machine",
    (MotionVectorDecodeStage, "target_duration_ratio"): "0.5 there, which looks at a clip's first half only",
    (ClipFrameExtractionStage, "extract_purposes"): "None there; None is taken as none here",
    (ClipFrameExtractionStage, "target_fps"): "None there; None is taken as none here",
    (ClipWriterStage, "embedding_algorithm"): "cosmos-embed1 there; perceptual needs no weights",
    (CaptionEnhancementStage, "captioning_model_variant"): "qwen2.5 there, and others' captions are skipped",
    (TransNetV2ClipExtractionStage, "model_dir"): "None there, which the stage replaces by models/",
    (VideoReader, "input_list_json_path"): "of its own partitioning stage there",
}
"""Defaults that differ, and why."""

ABSENT = {
    (ContentClipExtractionStage, "model_dir"): "no weights",
    (ContentClipExtractionStage, "gpu_memory_gb"): "no GPU",
}
"""Parameters of the stage in whose place another one stands that are refused as unknown, and why."""

STAGES = (
    *DOCUMENTED,
    PerceptualEmbeddingStage,
    LearnedEmbeddingStage,
    QualityFilterStage,
    QuestionFilterStage,
)
SPECS = (*STAGES, DedupSpec, LimitsSpec, ShardingSpec, SplitSpec, WriteSpec, CurateSpec)

NEEDED: dict[type[Spec], dict[str, object]] = {
    QuestionFilterStage: {"question": "Is it night?"},
    VideoReader: {"input_video_path": "films"},
    LearnedEmbeddingStage: {"algorithm": "siglip2"},
    ClipWriterStage: {
        "output_path": "out", "input_path": "films", "upload_clips": True, "dry_run": False,
        "generate_embeddings": True, "generate_previews": True, "generate_captions": False,
    },
}  # fmt: skip


def test_every_built_in_stage_is_looked_at() -> None:
    assert set(STAGES) == {stage_class(path) for path in BUILT_IN}


def make(kind: type[Spec], **fields: object) -> Spec:
    return kind(**{**NEEDED.get(kind, {}), **fields})


def rows() -> Iterator[Any]:
    for stage, parameters in DOCUMENTED.items():
        for name, default in parameters.items():
            yield pytest.param(stage, name, default, id=f"{stage.__name__}.{name}")


@pytest.mark.parametrize(("stage", "name", "default"), list(rows()))
def test_documented_parameter_and_default(stage: type[StageSpec], name: str, default: object) -> None:
    field = stage.model_fields[name]
    value = field.get_default(call_default_factory=True)
    assert field.is_required() if default is REQUIRED else value == default


@pytest.mark.parametrize(("stage", "name"), list(ABSENT), ids=lambda value: getattr(value, "__name__", value))
def test_a_parameter_of_the_other_extractor_is_refused(stage: type[StageSpec], name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        make(stage, **{name: 1})


def test_every_deviation_names_a_parameter_that_is_there() -> None:
    assert all(name in DOCUMENTED[stage] for stage, name in DEVIATIONS)


@pytest.mark.parametrize("name", ["extract_purposes", "target_fps"])
def test_the_documents_none_means_no_choice(name: str) -> None:
    assert make(ClipFrameExtractionStage, **{name: None}) == ClipFrameExtractionStage()


def test_frames_of_clips_have_the_documents_key_and_rates() -> None:
    asked = ClipFrameExtractionStage(extract_purposes=[FramePurpose.EMBEDDINGS, FramePurpose.AESTHETICS])
    keys = [frame_signature(FrameExtractionPolicy.SEQUENCE, fps) for fps in asked.rates_fps]
    assert keys == ["sequence-1000", "sequence-2000"]


@pytest.mark.parametrize("kind", SPECS, ids=lambda kind: kind.__name__)
def test_an_unknown_key_is_refused(kind: type[Spec]) -> None:
    with pytest.raises(ValidationError, match="no_such_key"):
        make(kind, no_such_key=1)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (VideoReader, {"input_video_path": ""}),
        (VideoReader, {"video_limit": 0}),
        (FixedStrideExtractorStage, {"clip_len_s": 0}),
        (FixedStrideExtractorStage, {"clip_stride_s": 0}),
        (FixedStrideExtractorStage, {"min_clip_length_s": -1}),
        (FixedStrideExtractorStage, {"limit_clips": -1}),
        (ContentClipExtractionStage, {"threshold": 1.0}),
        (ContentClipExtractionStage, {"min_length_s": 5, "max_length_s": 4}),
        (ContentClipExtractionStage, {"max_length_mode": "cut"}),
        (ContentClipExtractionStage, {"crop_s": -0.1}),
        (ContentClipExtractionStage, {"limit_clips": -2}),
        (VideoFrameExtractionStage, {"output_hw": (48, 27)}),
        (ClipTranscodingStage, {"encoder": "divx"}),
        (ClipTranscodingStage, {"encoder_threads": 0}),
        (ClipTranscodingStage, {"num_cpus_per_worker": 0}),
        (ClipTranscodingStage, {"use_hwaccel": True}),
        (ClipTranscodingStage, {"encoder": "copy", "use_input_bit_rate": True}),
        (ClipTranscodingStage, {"quality": 52}),
        (MotionVectorDecodeStage, {"target_fps": 0}),
        (MotionVectorDecodeStage, {"target_duration_ratio": 1.1}),
        (MotionFilterStage, {"global_mean_threshold": -1}),
        (ClipAestheticFilterStage, {"reduction": "max"}),
        (ClipAestheticFilterStage, {"model_dir": ""}),
        (LearnedEmbeddingStage, {"algorithm": "perceptual"}),
        (LearnedEmbeddingStage, {"num_frames": 0}),
        (LearnedEmbeddingStage, {"texts_to_verify": []}),
        (CosmosEmbed1EmbeddingStage, {"variant": "720p"}),
        (QualityFilterStage, {"sharpness": {"min": 2, "max": 1}}),
        (ClipFrameExtractionStage, {"target_fps": [0]}),
        (ClipFrameExtractionStage, {"extraction_policies": []}),
        (ClipFrameExtractionStage, {"extraction_policies": ["first"]}),
        (CaptionPreparationStage, {"window_size": 3}),
        (CaptionPreparationStage, {"sampling_fps": 0}),
        (CaptionPreparationStage, {"prompt_variant": "poem"}),
        (CaptionPreparationStage, {"preprocess_dtype": "int4"}),
        (CaptionPreparationStage, {"frame_height_px": 8}),
        (CaptionPreparationStage, {"model_variant": "a/b"}),
        (CaptionGenerationStage, {"caption_batch_size": 0}),
        (CaptionGenerationStage, {"max_output_tokens": 0}),
        (CaptionGenerationStage, {"backend": "cloud"}),
        (CaptionGenerationStage, {"backend": "endpoint"}),
        (CaptionGenerationStage, {"endpoint_url": "http://server/v1"}),
        (CaptionGenerationStage, {"endpoint_url": "server:8000", "endpoint_model": "m"}),
        (CaptionGenerationStage, {"endpoint_url": "http://me:key@server/v1", "endpoint_model": "m"}),
        (CaptionGenerationStage, {"endpoint_url": "http://server/v1", "endpoint_model": "m", "fp8": True}),
        (CaptionGenerationStage, {"endpoint_key_variable": "sk-123"}),
        (CaptionGenerationStage, {"backend": "transformers", "fp8": True}),
        (CaptionEnhancementStage, {"model_batch_size": 0}),
        (CaptionEnhancementStage, {"prompt_variant": "poem"}),
        (QuestionFilterStage, {"question": ""}),
        (QuestionFilterStage, {"question": "Is it night?", "reject_if": "maybe"}),
        (PreviewStage, {"target_fps": 0}),
        (PreviewStage, {"target_height": 0}),
        (PreviewStage, {"compression_level": 7}),
        (PreviewStage, {"quality": 101}),
        (PreviewStage, {"num_cpus_per_worker": -4}),
        (ClipWriterStage, {"output_path": ""}),
        (DedupSpec, {"eps": 0}),
        (DedupSpec, {"n_clusters": 0}),
        (DedupSpec, {"which_to_keep": "columns"}),
        (DedupSpec, {"which_to_keep": "columns", "rank_columns": ["a"], "ascending": [True, False]}),
        (LimitsSpec, {"max_attempts": 0}),
        (ShardingSpec, {"num_ray_clusters": 0}),
        (CurateSpec, {"video_limit": 0}),
    ],
    ids=lambda value: getattr(value, "__name__", None) or str(value),
)
def test_an_impossible_value_is_refused(kind: type[Spec], fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        make(kind, **fields)


def floats() -> Iterator[Any]:
    for kind in SPECS:
        for name, field in kind.model_fields.items():
            if "float" in str(field.annotation) and not issubclass_of_model(field):
                yield pytest.param(kind, name, id=f"{kind.__name__}.{name}")


def issubclass_of_model(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize(("kind", "name"), list(floats()))
def test_a_number_is_finite(kind: type[Spec], name: str, value: float) -> None:
    with pytest.raises(ValidationError):
        make(kind, **{name: [value] if name == "target_fps" and kind is ClipFrameExtractionStage else value})


def test_bounds_are_finite() -> None:
    with pytest.raises(ValidationError):
        make(QualityFilterStage, sharpness={"min": math.nan})


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
def test_verbose_sets_the_logger_of_that_name_to_debug(
    stage: type[StageSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    loggers = {kind: kind.log() for kind in STAGES}
    for logger in loggers.values():
        monkeypatch.setattr(logger, "level", logging.NOTSET)
        monkeypatch.setattr(logger, "_cache", {})
    apply_verbose([make(stage, verbose=True)])
    same = [kind for kind in STAGES if kind.stage_name == stage.stage_name]
    assert [kind for kind, logger in loggers.items() if logger.level == logging.DEBUG] == same


def test_only_stages_of_embeddings_share_a_logger() -> None:
    """Each of them fills the same place of a run."""
    names = [stage.log().name for stage in STAGES]
    shared = {stage for stage, name in zip(STAGES, names, strict=True) if names.count(name) > 1}
    assert shared == {
        PerceptualEmbeddingStage, LearnedEmbeddingStage, CosmosEmbed1EmbeddingStage,
        InternVideo2EmbeddingStage,
    }  # fmt: skip


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
def test_verbose_changes_no_result(stage: type[StageSpec]) -> None:
    assert make(stage, verbose=True).digest() == make(stage).digest()


def test_the_specs_verbose_is_the_readers() -> None:
    plan = plan_of_spec(CurateSpec(verbose=True), source="films", output="out")
    assert [type(stage) for stage in plan.stages if stage.verbose] == [VideoReader]


def planned(*stages: Stage) -> Plan:
    return plan_of([VideoReader(input_video_path="films"), *stages], limits=LimitsSpec())


def full_plan() -> Plan:
    return planned(
        MotionVectorDecodeStage(num_cpus_per_worker=1),
        ClipTranscodingStage(num_cpus_per_worker=6),
        ClipFrameExtractionStage(num_cpus=64),
        PreviewStage(num_cpus_per_worker=4.0),
    )


def test_one_line_names_the_stages_that_get_fewer_cores(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    build_operators(full_plan(), num_cpus=4)
    assert [record.message for record in caplog.records] == [
        "there are 4 cores; stages that ask for more get all of them: encode (6), frames (64)"
    ]


@pytest.mark.parametrize("num_cpus", [1, 2, 64])
def test_one_worker_of_each_operator_fits_on_the_machine(num_cpus: int) -> None:
    operators = build_operators(full_plan(), num_cpus=num_cpus)
    assert sum(operator.num_cpus for operator in operators) <= num_cpus


def test_a_stage_may_ask_for_less_than_its_share() -> None:
    plan = planned(ClipTranscodingStage(num_cpus_per_worker=0.05))
    assert [operator.num_cpus for operator in build_operators(plan, num_cpus=8)] == [0.25, 0.05]
