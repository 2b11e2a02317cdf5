"""Which models the stages of a run use, where their weights lie, and of which revision they are. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePath

from clipmill.errors import SpecError
from clipmill.models.table import ModelEntry, ModelKind, model_named
from clipmill.stages.base import StageSpec
from clipmill.stages.video.caption.caption_enhancement import CaptionEnhancementStage
from clipmill.stages.video.caption.caption_generation import CaptionGenerationStage
from clipmill.stages.video.caption.serving import ServedModel
from clipmill.stages.video.clipping.transnetv2_extraction import TransNetV2ClipExtractionStage
from clipmill.stages.video.embedding.learned import LearnedEmbeddingStage
from clipmill.stages.video.filtering.clip_aesthetic_filter import ClipAestheticFilterStage

AESTHETIC_MODELS = ("clip", "laion-aesthetic")
"""The encoder and the head over it."""
LANGUAGE_MODELS = {"qwen": "qwen_lm", "qwen2.5": "qwen_lm", "qwen3": "qwen3_lm"}
"""Variant of the enhancement -> model of the table."""
SERVED_LIKE: dict[ModelKind, str] = {"caption": "qwen", "language": "qwen_lm"}
"""Whose backend and environment a model has that a stage names by its id."""


@dataclass(frozen=True)
class UsedModel:
    """A model that a stage of a plan uses, where its weights lie, and of which revision they are."""

    stage: StageSpec
    entry: ModelEntry
    model_dir: str
    revision: str


def used_models(
    *,
    extractor: StageSpec,
    aesthetics: ClipAestheticFilterStage | None,
    embedding: StageSpec | None,
    captions: CaptionGenerationStage | None,
    enhancement: CaptionEnhancementStage | None,
) -> Iterator[UsedModel]:
    """The models, in the order of the stages; SpecError for a name that the table of models does not have."""
    if isinstance(extractor, TransNetV2ClipExtractionStage):
        yield _used(extractor, "transnetv2", extractor.model_dir, extractor.revision)
    if aesthetics:
        for name in AESTHETIC_MODELS:
            yield _used(aesthetics, name, aesthetics.model_dir)
    if isinstance(embedding, LearnedEmbeddingStage):
        yield _used(embedding, embedding.algorithm, embedding.model_dir, embedding.revision)
    for stage in (captions, enhancement):
        if stage and not stage.is_remote:
            yield model_of(stage)


def _used(stage: StageSpec, name: str, model_dir: str, revision: str | None = None) -> UsedModel:
    entry = model_named(name)
    return UsedModel(stage, entry, model_dir, revision or entry.revision)


def model_of(stage: ServedModel) -> UsedModel:
    """The model of the table that a variant names, or whatever weights the stage names itself.

    SpecError for a variant that the table does not have, or has for something else.
    """
    kind: ModelKind = "caption" if isinstance(stage, CaptionGenerationStage) else "language"
    variant = stage.model_variant
    if stage.model is None:
        name = variant if kind == "caption" else LANGUAGE_MODELS.get(variant, variant)
        return _of_kind(_used(stage, name, stage.model_dir, stage.revision), kind)
    like = model_named(SERVED_LIKE[kind])
    if _is_place(stage.model):
        entry = replace(like, name=stage.model, source=PurePath(stage.model).name, revision="main")
        return UsedModel(stage, entry, stage.model, stage.revision or entry.revision)
    entry = replace(like, name=stage.model, source=stage.model, revision="main")
    return UsedModel(stage, entry, stage.model_dir, stage.revision or entry.revision)


def _of_kind(used: UsedModel, kind: ModelKind) -> UsedModel:
    if used.entry.kind != kind:
        raise SpecError(f"{used.entry.name} is a model of kind {used.entry.kind}, not {kind}: name another")
    return used


def _is_place(model: str) -> bool:
    """Whether a model is named by the folder or URI of its weights, not by its id on the hub."""
    return "://" in model or model.startswith(("/", ".", "~"))


def environment_of(models: Iterable[UsedModel], *, decoder: str = "auto") -> str:
    """The one environment in which a run's workers find all libraries: an extra, an image, a machine.

    The later of models, legacy and vllm holds what the earlier ones need. NVDEC has one of its own; beside
    models it is taken where their image has it. SpecError where two exclude each other.
    """
    needed = {_environment(used) for used in models}
    if {"legacy", "vllm"} <= needed:
        raise SpecError(
            "the embedding needs the legacy environment and vllm its own, and a cluster has one: let "
            "captions come from an endpoint (endpoint_url), or from backend: transformers"
        )
    without_models = "nvdec" if decoder == "nvdec" else "cpu"
    return next((name for name in ("vllm", "legacy", "models") if name in needed), without_models)


def _environment(used: UsedModel) -> str:
    """A served model runs where its backend does; vllm is for GPUs."""
    if isinstance(used.stage, ServedModel):
        is_for_vllm = used.stage.backend != "transformers" and used.stage.device != "cpu"
        return used.entry.environment if is_for_vllm else "models"
    return used.entry.environment
