"""The stages that a spec may name: one line for each built-in class, and classes of the user's own."""

import importlib
import inspect
from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import TypeVar, cast

from clipmill.errors import SpecError, foreign, said_by
from clipmill.stages.base import Stage, StageSpec
from clipmill.stages.fault_words import checked, free_fields, nearest
from clipmill.stages.process_stage import TaskProcessor
from clipmill.stages.roles import ExtractorStage, WindowStage

BUILT_IN: tuple[str, ...] = (
    "clipmill.stages.video.io.video_reader:VideoReader",
    "clipmill.stages.video.clipping.content_extraction:ContentClipExtractionStage",
    "clipmill.stages.video.clipping.clip_extraction_stages:FixedStrideExtractorStage",
    "clipmill.stages.video.clipping.transnetv2_extraction:TransNetV2ClipExtractionStage",
    "clipmill.stages.video.clipping.video_frame_extraction:VideoFrameExtractionStage",
    "clipmill.stages.video.filtering.motion_filter:MotionVectorDecodeStage",
    "clipmill.stages.video.filtering.motion_filter:MotionFilterStage",
    "clipmill.stages.video.filtering.quality_filter:QualityFilterStage",
    "clipmill.stages.video.filtering.clip_aesthetic_filter:ClipAestheticFilterStage",
    "clipmill.stages.video.filtering.question_filter:QuestionFilterStage",
    "clipmill.stages.video.clipping.clip_extraction_stages:ClipTranscodingStage",
    "clipmill.stages.video.embedding.cosmos_embed1:CosmosEmbed1FrameCreationStage",
    "clipmill.stages.video.embedding.internvideo2:InternVideo2FrameCreationStage",
    "clipmill.stages.video.embedding.perceptual:PerceptualEmbeddingStage",
    "clipmill.stages.video.embedding.learned:LearnedEmbeddingStage",
    "clipmill.stages.video.embedding.cosmos_embed1:CosmosEmbed1EmbeddingStage",
    "clipmill.stages.video.embedding.internvideo2:InternVideo2EmbeddingStage",
    "clipmill.stages.video.caption.caption_preparation:CaptionPreparationStage",
    "clipmill.stages.video.caption.caption_generation:CaptionGenerationStage",
    "clipmill.stages.video.caption.caption_enhancement:CaptionEnhancementStage",
    "clipmill.stages.video.preview.preview:PreviewStage",
    "clipmill.stages.video.clipping.clip_frame_extraction:ClipFrameExtractionStage",
    "clipmill.stages.video.io.clip_writer:ClipWriterStage",
)
"""Import paths of the built-in stages, in the order in which they run."""

DEFAULTS: Mapping[type[Stage], str] = {
    ExtractorStage: "ContentClipExtractionStage",
    WindowStage: "CaptionPreparationStage",
}
"""Role -> the stage that has it where a run names none."""

StageClass = type[Stage] | type[TaskProcessor]


def stage_class(use: str) -> StageClass:
    """Returns the class that ``use`` of a spec names; one that is no ``Stage`` has ``process``.

    ``use`` is the class name or the name of a built-in stage, or ``package.module:Class``. SpecError in one
    line for anything else.
    """
    if ":" in use:
        return _checked(use, *_found(use))
    paths = [path for path in BUILT_IN if path.partition(":")[2] == use] or _named_stages().get(use, [])
    if len(paths) > 1:
        classes = " and ".join(path.partition(":")[2] for path in paths)
        raise SpecError(f"use: {use} names {classes}; use the name of the class")
    if not paths:
        raise SpecError(f"use: there is no built-in stage {use!r}; {_advice_for(use)}")
    return cast(StageClass, _loaded(paths[0]))


def default_stage(role: type[Stage]) -> Stage:
    """Returns the stage that has a role of ``DEFAULTS`` where a run names none."""
    return cast(type[Stage], stage_class(DEFAULTS[role]))()


def rank_of(cls: type) -> int | None:
    """Returns the place of a built-in class in the order of a run; None for any other class."""
    path = f"{cls.__module__}:{cls.__qualname__}"
    return BUILT_IN.index(path) if path in BUILT_IN else None


def _loaded(path: str) -> object:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


@cache
def _named_stages() -> dict[str, list[str]]:
    """Returns the name of each built-in stage -> the import paths of the classes that have it."""
    named: dict[str, list[str]] = {}
    for path in BUILT_IN:
        named.setdefault(_name_of(_loaded(path)), []).append(path)
    return named


def _name_of(cls: object) -> str:
    return getattr(cls, "name", "") or getattr(cls, "stage_name", "")


def _advice_for(use: str) -> str:
    classes = [path.partition(":")[2] for path in BUILT_IN]
    if close := nearest(use, [*_named_stages(), *classes]):
        return close.removeprefix("; ")
    if "." in use:
        return "write a class of your own as package.module:Class"
    return f"built-in are {', '.join(_named_stages())}; write a class of your own as package.module:Class"


def _found(use: str) -> tuple[ModuleType, str]:
    """Returns the module of a user's class and the name of the class."""
    module, _, name = use.partition(":")
    if not name.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
        raise SpecError(f"use: {use!r} must look like package.module:Class")
    try:
        return importlib.import_module(module), name
    except ModuleNotFoundError as error:
        is_whole_package = error.name == module.partition(".")[0]
        remedy = f"; put the folder that holds {error.name} on PYTHONPATH" if is_whole_package else ""
        raise SpecError(f"use: {use}: cannot import {module}: {_cause(error)}{remedy}") from error
    except foreign() as error:
        raise SpecError(f"use: {use}: cannot import {module}: {_cause(error)}") from error


def _cause(error: BaseException) -> str:
    return " ".join(said_by(error).split())


def _checked(use: str, module: ModuleType, name: str) -> StageClass:
    found: object = getattr(module, name, None)
    if found is None:
        classes = [one for one, value in vars(module).items() if inspect.isclass(value)]
        raise SpecError(f"use: {use}: {module.__name__} has no class {name}{nearest(name, classes)}")
    if not inspect.isclass(found):
        raise SpecError(f"use: {use}: {name} is no class, but {_article(type(found).__name__)}")
    if issubclass(found, Stage) and not found.name:
        raise SpecError(f"use: {use}: {name} has no name, so it is no stage; use a class that extends it")
    if not issubclass(found, StageSpec) and not callable(getattr(found, "process", None)):
        raise SpecError(f"use: {use}: {name} is no stage: let it extend clipmill.stages.base.Stage")
    return cast(StageClass, found)


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0].lower() in "aeiou" else f"a {noun}"


S = TypeVar("S", bound=StageSpec)

PLACING = ("use", "key", "after")
"""What an entry of ``stages:`` says beside parameters."""


def parameters_of(cls: type[StageSpec]) -> tuple[str, ...]:
    """Returns the names of the parameters that a spec may set, in their order."""
    return tuple(free_fields(cls))


def make_stage(cls: type[S], parameters: Mapping[str, object], *, key: str = "") -> S:
    """Returns a stage with the parameters that a spec gives.

    SpecError in one line that begins with ``stage`` and the key, else the name: for unknown parameters, for
    values that are impossible, and for parameters that other stages set (BOUND).
    """
    stage = f"stage {key or getattr(cls, 'name', '') or cls.stage_name}"
    if unknown := [fault for name in parameters if (fault := _refusal(cls, name))]:
        raise SpecError(f"{stage}: {'; '.join(unknown)}")
    return checked(cls, parameters, stage)


def _refusal(cls: type[StageSpec], name: str) -> str:
    """Returns why a spec may not set a parameter; empty where it may."""
    allowed = parameters_of(cls)
    if name in allowed:
        return ""
    if name in cls.model_fields:
        return f"{name} follows from other stages and cannot be set"
    advice = nearest(name, (*allowed, *PLACING)) or f"; it has {', '.join(allowed)}"
    return f"there is no parameter {name}{advice}"
