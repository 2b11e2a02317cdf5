"""From logical stages to one plan of a run: which specs are on, in which order filters and custom stages act.

Users add the documents' stages in the documents' order; what one decode can feed is decided here, once, and
every result is named by its digest. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, runtime_checkable

from clipmill import identity
from clipmill.errors import SpecError
from clipmill.specs import CurateSpec, LimitsSpec
from clipmill.stages.base import StageSpec
from clipmill.stages.video.caption.caption_enhancement import CaptionEnhancementStage
from clipmill.stages.video.caption.caption_generation import CaptionGenerationStage
from clipmill.stages.video.caption.caption_preparation import CaptionPreparationStage
from clipmill.stages.video.clipping.clip_extraction_stages import (
    ClipTranscodingStage,
    FixedStrideExtractorStage,
)
from clipmill.stages.video.clipping.clip_frame_extraction import ClipFrameExtractionStage
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
from clipmill.used_models import UsedModel, used_models

INSPECT_VERSION = 1
CUSTOM_VERSION = 1
ANSWERS_VERSION = 1
SCAN_VERSION = 1
"""Bumped when the pass itself would give other frames, times or thumbnails for the same file."""

Extractor = ContentClipExtractionStage | FixedStrideExtractorStage | TransNetV2ClipExtractionStage
Embedding = PerceptualEmbeddingStage | LearnedEmbeddingStage
Stage = TypeVar("Stage", bound=StageSpec)
OtherStage = TypeVar("OtherStage", bound=StageSpec)


@runtime_checkable
class CustomStage(Protocol):
    """A stage of the user's own: takes a ``clipmill.video.VideoTask`` and returns it, changed or another.

    With a writer, what was made with custom stages is kept apart from what was made without, by their names,
    their order and, where a stage has one, its ``STAGE_VERSION``: raise that when the stage itself changes.
    """

    name: str

    def process(self, task: object) -> object:
        """Called in a worker, once per chunk of a video's clips."""
        ...


@dataclass(frozen=True)
class PlacedStage:
    """A custom stage and the operator after which it runs, one of ``OPERATOR_ORDER``."""

    after: str
    stage: CustomStage


@dataclass(frozen=True)
class RunPlan:
    """What a run does. None means that a stage is off."""

    reader: VideoReader
    extractor: Extractor
    motion: MotionVectorDecodeStage | None
    motion_filter: MotionFilterStage | None
    quality: QualityFilterStage | None
    transcode: ClipTranscodingStage | None
    frames: ClipFrameExtractionStage | None
    embedding: Embedding | None
    windows: CaptionPreparationStage
    preview: PreviewStage | None
    writer: ClipWriterStage | None
    limits: LimitsSpec
    customs: tuple[PlacedStage, ...] = ()
    thumbnails: VideoFrameExtractionStage | None = None
    aesthetics: ClipAestheticFilterStage | None = None
    questions: tuple[QuestionFilterStage, ...] = ()
    captions: CaptionGenerationStage | None = None
    enhancement: CaptionEnhancementStage | None = None

    def __post_init__(self) -> None:
        if (self.questions or self.enhancement) and self.captions is None:
            what = "questions" if self.questions else "enhancement"
            raise SpecError(f"{what} need captions: a CaptionGenerationStage says which model answers")

    @property
    def stages(self) -> tuple[StageSpec, ...]:
        """The specs of the stages that are on."""
        return tuple(spec for spec in (*vars(self).values(), *self.questions) if isinstance(spec, StageSpec))

    @property
    def models(self) -> tuple[UsedModel, ...]:
        """The models that are used, in the order of the stages."""
        return tuple(
            used_models(
                extractor=self.extractor,
                aesthetics=self.aesthetics,
                embedding=self.embedding,
                captions=self.captions,
                enhancement=self.enhancement,
            )
        )

    @property
    def makes_files(self) -> bool:
        """Whether clips are cut and previews drawn: not in a dry run."""
        return self.writer is None or not self.writer.dry_run

    def customs_after(self, operator: str) -> tuple[CustomStage, ...]:
        """The custom stages that run at the end of ``operator``, in the order they were added."""
        return tuple(placed.stage for placed in self.customs if placed.after == operator)

    def digests(self) -> dict[str, str]:
        """State stage -> stage digest, for the stages that are on and leave rows.

        Custom stages may change whatever they see, so that everything is named after them too.
        """
        customs = {"custom": _customs_digest(self.customs)} if self.customs else {}
        scan = identity.stage_digest("scan", SCAN_VERSION, {}, upstream=customs.values())
        return self._stage_digests(scan) | customs

    def _stage_digests(self, scan: str) -> dict[str, str]:
        digests = {
            "inspect": inspect_digest(self.limits),
            "split": self.extractor.digest(scan, model=self._revision(self.extractor)),
        }
        if self.motion:
            digests["motion"] = self.motion.digest(scan)
        if self.quality:
            digests["quality"] = measured(self.quality).digest(scan)
        if self.aesthetics:
            measured_by = self._revision(self.aesthetics)
            digests["aesthetic"] = measured_aesthetics(self.aesthetics).digest(scan, model=measured_by)
        if self.questions and self.captions:
            digests["answers"] = self._answers_digest(self.captions, scan)
        if self.embedding:
            digests["embed"] = self.embedding.digest(scan, model=self._revision(self.embedding))
        return digests | self._file_digests(scan)

    def _answers_digest(self, captions: CaptionGenerationStage, scan: str) -> str:
        """Which answer filters changes nothing that was answered, nor does the prompt of captions."""
        asking = captions.for_questions().digest(model=self._revision(captions))
        upstream = [scan, self.windows.for_questions().digest(), asking]
        asked = [question.asked().digest() for question in self.questions]
        return identity.stage_digest("answers", ANSWERS_VERSION, {"asked": asked}, upstream=upstream)

    def _caption_digests(self, captions: CaptionGenerationStage, scan: str) -> dict[str, str]:
        seen = self.windows.for_captions().digest()
        caption = captions.digest(scan, seen, model=self._revision(captions))
        if self.enhancement is None:
            return {"caption": caption}
        enhance = self.enhancement.digest(caption, model=self._revision(self.enhancement))
        return {"caption": caption, "enhance": enhance}

    def _revision(self, stage: StageSpec) -> str:
        """Of the weights of a stage; empty for one without."""
        return "+".join(model.revision for model in self.models if model.stage is stage)

    def _file_digests(self, scan: str) -> dict[str, str]:
        digests: dict[str, str] = {}
        if not self.makes_files:
            return digests
        if self.captions:
            digests |= self._caption_digests(self.captions, scan)
        if self.transcode and (self.writer is None or self.writer.upload_clips):
            digests["encode"] = self.transcode.digest(scan)
            if self.writer and self.writer.write_filtered_clips:
                digests["encode_filtered"] = digests["encode"]
        if self.preview and (self.writer is None or self.writer.generate_previews):
            digests["preview"] = self.preview.digest(scan, windowing_digest(self.windows))
        if self.frames and self.frames.write:
            stage = "frames" if self.frames.target == "clips" else "video_frames"
            digests[stage] = self.frames.digest(scan)
        return digests


def inspect_digest(limits: LimitsSpec) -> str:
    """Digest of what a look at the headers finds; the limits decide what is over them."""
    return identity.stage_digest("inspect", INSPECT_VERSION, limits.result_fields())


def _customs_digest(customs: Iterable[PlacedStage]) -> str:
    """Digest of the stages of the user's own."""
    stages = [[one.after, one.stage.name, getattr(one.stage, "STAGE_VERSION", 1)] for one in customs]
    return identity.stage_digest("custom", CUSTOM_VERSION, {"stages": stages})


def measured(quality: QualityFilterStage) -> QualityFilterStage:
    """The part of a quality filter that changes what is measured; bounds only change verdicts."""
    return QualityFilterStage(sample_fps=quality.sample_fps)


def measured_aesthetics(aesthetics: ClipAestheticFilterStage) -> ClipAestheticFilterStage:
    """The part of an aesthetic filter that changes what is measured: both reductions are kept."""
    return ClipAestheticFilterStage(target_fps=aesthetics.target_fps)


def windowing_digest(windows: CaptionPreparationStage) -> str:
    """Digest of where windows lie; prompts and preprocessing do not move them."""
    return windows.for_windows().digest()


def plan_of_spec(spec: CurateSpec, *, source: str, output: str) -> RunPlan:
    """The plan of a ``CurateSpec`` over a source and an output."""
    writer = ClipWriterStage(
        output_path=output,
        input_path=source,
        upload_clips=spec.write.upload_clips,
        dry_run=spec.write.dry_run,
        generate_embeddings=spec.embedding is not None,
        generate_previews=spec.preview is not None,
        generate_captions=spec.captions is not None,
        write_filtered_clips=spec.write.write_filtered_clips,
        verbose=spec.write.verbose,
    )
    reader = VideoReader(
        input_video_path=source,
        input_list_json_path=spec.input_list_json_path,
        video_limit=spec.video_limit,
        decoder=spec.decoder,
        verbose=spec.verbose,
    )
    return RunPlan(
        reader=reader,
        extractor=spec.split.extractor,
        motion=spec.motion,
        motion_filter=spec.motion_filter,
        quality=spec.quality,
        transcode=spec.transcode,
        frames=spec.frames,
        aesthetics=spec.aesthetics,
        embedding=spec.embedding,
        windows=_windows_for(spec.captions, spec.windows),
        questions=tuple(spec.questions),
        captions=spec.captions,
        enhancement=spec.enhancement,
        preview=spec.preview,
        writer=writer,
        limits=spec.limits,
    )


_KNOWN = (
    VideoReader, ContentClipExtractionStage, FixedStrideExtractorStage, VideoFrameExtractionStage,
    MotionVectorDecodeStage, MotionFilterStage, QualityFilterStage, ClipTranscodingStage,
    ClipFrameExtractionStage, PerceptualEmbeddingStage, CaptionPreparationStage, PreviewStage,
    ClipWriterStage, TransNetV2ClipExtractionStage, ClipAestheticFilterStage, LearnedEmbeddingStage,
    CosmosEmbed1FrameCreationStage, CosmosEmbed1EmbeddingStage, InternVideo2FrameCreationStage,
    InternVideo2EmbeddingStage, QuestionFilterStage, CaptionGenerationStage, CaptionEnhancementStage,
)  # fmt: skip

OPERATOR_ORDER = ("scan", "appraise", "cut", "embed", "caption", "enhance", "finish")
"""The operators, as a parcel passes them; which of them a run has, its stages decide."""

_OPERATOR_OF: dict[type, str] = {
    ClipAestheticFilterStage: "appraise", QuestionFilterStage: "appraise", ClipTranscodingStage: "cut",
    PerceptualEmbeddingStage: "embed", LearnedEmbeddingStage: "embed", CosmosEmbed1EmbeddingStage: "embed",
    InternVideo2EmbeddingStage: "embed", CaptionPreparationStage: "finish", PreviewStage: "finish",
    CaptionGenerationStage: "finish", CaptionEnhancementStage: "finish", ClipWriterStage: "finish",
}  # fmt: skip


def plan_of_stages(stages: Sequence[object]) -> RunPlan:
    """The plan of stages in the order they were added. SpecError for a list that cannot run."""
    for stage in stages:
        if not isinstance(stage, _KNOWN) and not isinstance(stage, CustomStage):
            raise SpecError(f"{type(stage).__name__} is no stage: it needs a name and process(task)")
    reader = _only(stages, VideoReader)
    if reader is None:
        raise SpecError("the pipeline has no VideoReader: add one as its first stage")
    captions = _only(stages, CaptionGenerationStage)
    motion = _only(stages, MotionVectorDecodeStage)
    motion_filter = _only(stages, MotionFilterStage)
    return RunPlan(
        reader=reader,
        extractor=_extractor(stages),
        motion=motion or (MotionVectorDecodeStage() if motion_filter else None),
        motion_filter=motion_filter,
        quality=_only(stages, QualityFilterStage),
        transcode=_only(stages, ClipTranscodingStage),
        frames=_only(stages, ClipFrameExtractionStage),
        aesthetics=_only(stages, ClipAestheticFilterStage),
        embedding=_embedding(stages),
        questions=tuple(stage for stage in stages if isinstance(stage, QuestionFilterStage)),
        captions=captions,
        enhancement=_only(stages, CaptionEnhancementStage),
        windows=_windows_for(captions, _only(stages, CaptionPreparationStage) or CaptionPreparationStage()),
        preview=_only(stages, PreviewStage),
        writer=_only(stages, ClipWriterStage),
        limits=LimitsSpec(),
        customs=tuple(_placed(stages)),
        thumbnails=_only(stages, VideoFrameExtractionStage),
    )


def _windows_for(
    captions: CaptionGenerationStage | None, windows: CaptionPreparationStage
) -> CaptionPreparationStage:
    """The windows as the captioner gets them. SpecError where the two stages name different variants."""
    if captions is None or windows.model_variant == captions.model_variant:
        return windows
    if "model_variant" in windows.model_fields_set and "model_variant" in captions.model_fields_set:
        raise SpecError(
            f"windows are prepared for {windows.model_variant}, captions come from {captions.model_variant}"
        )
    return windows.model_copy(update={"model_variant": captions.model_variant})


def with_limits(plan: RunPlan, limits: LimitsSpec) -> RunPlan:
    """The same plan under other limits."""
    return replace(plan, limits=limits)


def _extractor(stages: Sequence[object]) -> Extractor:
    kinds = (FixedStrideExtractorStage, ContentClipExtractionStage, TransNetV2ClipExtractionStage)
    return _one_of([_only(stages, kind) for kind in kinds], "extractors") or ContentClipExtractionStage()


def _embedding(stages: Sequence[object]) -> Embedding | None:
    """The one stage that embeds; the documents' pairs of frame creation and embedding become one."""
    cosmos, cosmos_frames = _pair(stages, CosmosEmbed1EmbeddingStage, CosmosEmbed1FrameCreationStage)
    video2, video2_frames = _pair(stages, InternVideo2EmbeddingStage, InternVideo2FrameCreationStage)
    found = [
        _only(stages, PerceptualEmbeddingStage),
        _only(stages, LearnedEmbeddingStage),
        cosmos.as_learned(cosmos_frames) if cosmos else None,
        video2.as_learned(video2_frames) if video2 else None,
    ]
    return _one_of(found, "embeddings")


def _pair(
    stages: Sequence[object], embeds: type[Stage], makes: type[OtherStage]
) -> tuple[Stage | None, OtherStage | None]:
    stage, frames = _only(stages, embeds), _only(stages, makes)
    if frames and stage is None:
        raise SpecError(f"{makes.__name__} makes frames for nobody: add {embeds.__name__}")
    return stage, frames


def _one_of(found: Iterable[Stage | None], what: str) -> Stage | None:
    """The only one that is there."""
    present = [stage for stage in found if stage]
    if len(present) > 1:
        names = " and ".join(type(stage).__name__ for stage in present[:2])
        raise SpecError(f"the pipeline has two {what}: {names}")
    return present[0] if present else None


def _only(stages: Iterable[object], kind: type[Stage]) -> Stage | None:
    found = [stage for stage in stages if isinstance(stage, kind)]
    if len(found) > 1:
        raise SpecError(f"the pipeline has {len(found)} stages of {kind.__name__}, and can have one")
    return found[0] if found else None


def _placed(stages: Iterable[object]) -> Iterable[PlacedStage]:
    after = "scan"
    for stage in stages:
        if isinstance(stage, _KNOWN):
            after = max(after, _OPERATOR_OF.get(type(stage), after), key=OPERATOR_ORDER.index)
        elif isinstance(stage, CustomStage):
            yield PlacedStage(after, stage)
