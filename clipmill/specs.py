"""What a whole run is asked for: ``CurateSpec`` holds one spec per stage, ``DedupSpec`` the final reduce.

Given as inline JSON or as a YAML or JSON file; unknown keys and impossible values fail before any work
starts.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, ClassVar, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from clipmill.dedup.backend_name import DedupBackend
from clipmill.errors import SpecError
from clipmill.limits import LimitsSpec
from clipmill.stages.base import SPEED, Affects, Spec, Stage, StageSpec
from clipmill.stages.decoder import ANY_DECODER, Decoder, DecoderQuality, Deinterlace
from clipmill.stages.fault_words import nearest
from clipmill.stages.video.caption.caption_enhancement import CaptionEnhancementStage
from clipmill.stages.video.caption.caption_generation import CaptionGenerationStage
from clipmill.stages.video.caption.caption_preparation import CaptionPreparationStage
from clipmill.stages.video.clipping.clip_extraction_stages import (
    ClipTranscodingStage,
    FixedStrideExtractorStage,
)
from clipmill.stages.video.clipping.clip_frame_extraction import ClipFrameExtractionStage
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage, ShotClipRules
from clipmill.stages.video.clipping.transnetv2_extraction import TransNetV2ClipExtractionStage
from clipmill.stages.video.embedding.learned import LearnedEmbeddingStage
from clipmill.stages.video.embedding.perceptual import PerceptualEmbeddingStage
from clipmill.stages.video.filtering.clip_aesthetic_filter import ClipAestheticFilterStage
from clipmill.stages.video.filtering.motion_filter import MotionFilterStage, MotionVectorDecodeStage
from clipmill.stages.video.filtering.quality_filter import QualityFilterStage
from clipmill.stages.video.filtering.question_filter import QuestionFilterStage
from clipmill.stages.video.io.clip_writer import ClipWriterStage
from clipmill.stages.video.io.video_reader import VideoReader
from clipmill.stages.video.preview.preview import PreviewStage


class SplitSpec(Spec):
    """Which extractor cuts videos into clips, and the parameters of each.

    ``auto`` is ``content``, with TransNetV2 as its verifier where that network can run and has its weights:
    rules from shots to clips are those of ``content``, the network's parameters those of ``transnetv2``.
    """

    stage_name: ClassVar[str] = "split"

    algorithm: Literal["content", "fixed_stride", "transnetv2", "auto"] = "content"
    content: ContentClipExtractionStage = ContentClipExtractionStage()
    fixed_stride: FixedStrideExtractorStage = FixedStrideExtractorStage()
    transnetv2: TransNetV2ClipExtractionStage = TransNetV2ClipExtractionStage()

    @property
    def extractor(
        self,
    ) -> ContentClipExtractionStage | FixedStrideExtractorStage | TransNetV2ClipExtractionStage:
        """The spec of the extractor in use. SpecError for ``auto``, unless ``decided`` took it away."""
        if self.algorithm == "auto":
            raise SpecError(
                "split.algorithm: auto was not decided: name content, or transnetv2 with role: verifier"
            )
        return {
            "content": self.content,
            "fixed_stride": self.fixed_stride,
            "transnetv2": self.transnetv2,
        }[self.algorithm]

    def decided(self) -> Self:
        """Returns a copy without ``auto``: what that means on this machine."""
        return self._decided_by(TransNetV2ClipExtractionStage.is_available)

    def decided_for_images(self) -> Self:
        """Returns a copy without ``auto`` for pods whose image the plan chooses: weights decide."""
        return self._decided_by(TransNetV2ClipExtractionStage.has_weights)

    def _decided_by(self, can_verify: Callable[[TransNetV2ClipExtractionStage], bool]) -> Self:
        if self.algorithm != "auto":
            return self
        rules = {name: getattr(self.content, name) for name in ShotClipRules.model_fields}
        verified = self.transnetv2.bound(role="verifier", **rules)
        if not can_verify(verified):
            return self.model_copy(update={"algorithm": "content"})
        return self.model_copy(update={"algorithm": "transnetv2", "transnetv2": verified})


PERCEPTUAL, LEARNED = "(perceptual)", "(learned)"
"""How a fault of a spec names which embedding it read; in brackets, what is no key of the spec."""


def _kind_of_embedding(given: object) -> str:
    """Which spec reads a group; one without an algorithm is as it was before there were others."""
    named = (
        cast("dict[str, object]", given).get("algorithm", "perceptual")
        if isinstance(given, dict)
        else getattr(given, "algorithm", "perceptual")
    )
    return PERCEPTUAL if named == "perceptual" else LEARNED


EmbeddingSpec = Annotated[
    Annotated[PerceptualEmbeddingStage, Tag(PERCEPTUAL)] | Annotated[LearnedEmbeddingStage, Tag(LEARNED)],
    Discriminator(_kind_of_embedding),
]
"""By ``algorithm``."""


WhichToKeep = Literal["best", "hard", "easy", "random", "columns"]


class DedupSpec(StageSpec):
    """Semantic deduplication: k-means, then cosine similarity of all pairs within a cluster.

    A clip is a duplicate when its similarity to an earlier-ranked clip is at least ``1 - eps``; ``eps`` None
    takes the embedding's own value (``clipmill.dedup.groups``). ``which_to_keep`` ``best`` keeps
    the sharpest, largest, longest copy of a group (``clipmill.dedup.best_copy``). The others rank within a
    cluster: ``hard`` keeps outliers (far from the centroid), ``easy`` the typical, ``random`` by
    ``random_state``, ``columns`` by ``rank_columns`` of the clips table, each ascending when ``ascending``
    says so. ``n_clusters`` ``auto`` is 1 up to 256 clips, else sqrt(N), at most 50,000. ``sim_metric`` is the
    distance to the centroid that ``hard`` and ``easy`` rank by; pairs are compared by cosine, which for
    directions orders them as l2 does. ``when`` ``before_captions`` captions only the clips that are kept:
    stages that can wait run behind deduplication, from a second decode of these clips' spans. ``last``
    captions the clips of new videos in the one decode, but for copies of clips that earlier runs compared.
    """

    stage_name: ClassVar[str] = "dedup"

    eps: float | None = Field(default=None, gt=0, lt=1)
    n_clusters: Annotated[int, Field(ge=1, le=1_000_000)] | Literal["auto"] = "auto"
    max_iter: int = Field(default=300, ge=1)
    tol: float = Field(default=1e-4, ge=0)
    random_state: int = Field(default=42, ge=0, le=2**32 - 1)
    init: Literal["k-means||", "random"] = "k-means||"
    n_init: int = Field(default=1, ge=1, le=1000)
    oversampling_factor: float = Field(default=2.0, gt=0, le=1000)
    max_samples_per_batch: int = Field(default=32_768, ge=1, le=1 << 20)
    fit_data_fraction: float | None = Field(default=None, gt=0, le=1)
    sim_metric: Literal["cosine", "l2"] = "cosine"
    which_to_keep: WhichToKeep = "best"
    rank_columns: list[str] = Field(default_factory=list[str])
    ascending: list[bool] = Field(default_factory=list[bool])
    fit_sample: int = Field(default=1_000_000, ge=1)
    mode: Literal["full", "incremental"] = "full"
    replace_keepers: bool = True
    """False: an incremental run keeps what earlier runs kept, also beside a better copy."""
    border_width: float = Field(default=0.2, ge=0, le=2)
    group_linkage: Literal["connected", "complete"] = "complete"
    backend: DedupBackend = "auto"
    on_bad_rows: Literal["error", "skip"] = "error"
    embedding: str | None = Field(default=None, min_length=1)
    """Key of the embedding that clips are compared by; None is the first one of the run."""
    when: Annotated[Literal["last", "before_captions"], SPEED] = "last"
    pairwise_batch_size: Annotated[int, Field(ge=1, le=1 << 16), SPEED] = 1024
    max_groups: Annotated[int, Field(ge=1, le=5000), SPEED] = 64

    @model_validator(mode="after")
    def _check_columns(self) -> Self:
        if (self.which_to_keep == "columns") != bool(self.rank_columns):
            raise ValueError("rank_columns and which_to_keep: columns need each other")
        if self.ascending and len(self.ascending) != len(self.rank_columns):
            raise ValueError("ascending needs one value for each of rank_columns")
        return self


class WriteSpec(StageSpec):
    """What is written beside the tables; ``verbose`` is the writer's.

    ``caption_models`` and ``enhanced_caption_models`` say whose texts are in the JSON, None all.
    """

    stage_name: ClassVar[str] = "write_options"

    upload_clips: bool = True
    dry_run: bool = False
    write_filtered_clips: bool = False
    caption_models: list[str] | None = None
    enhanced_caption_models: list[str] | None = None
    write_json: bool = True


class ShardingSpec(Spec):
    """How the work is spread over tasks; changes no result.

    At most ``max_shards`` map elements inspect ``videos_per_shard`` videos or more each; ``num_ray_clusters``
    Ray tasks share the streaming work.
    """

    stage_name: ClassVar[str] = "sharding"

    videos_per_shard: int = Field(default=64, ge=1)
    max_shards: int = Field(default=500, ge=1, le=5000)
    num_ray_clusters: int = Field(default=1, ge=1, le=64)


class StageUse(BaseModel):
    """A stage that a spec adds: ``use`` names its class, and the other fields are its parameters.

    ``use`` is ``package.module:Class``, or the name of a built-in class. ``key`` tells two stages of one name
    apart; ``after`` is the key of the stage behind which it runs.
    """

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    use: str = Field(min_length=1)
    key: str = Field(default="", pattern=r"^([A-Za-z]\w*)?$")
    after: str = ""

    @model_validator(mode="before")
    @classmethod
    def _names_a_class(cls, given: object) -> object:
        if isinstance(given, dict) and "use" not in given:
            keys = [str(key) for key in cast("dict[object, object]", given)]
            typo = next((key for key in keys if nearest(key, ["use"])), "")
            remedy = f"did you mean use instead of {typo}?" if typo else "it names a class"
            raise ValueError(f"use is missing; {remedy}")
        return cast(object, given)

    @property
    def parameters(self) -> Mapping[str, object]:
        """The parameters of the stage."""
        return dict(self.model_extra or {})


Group = Sequence[tuple[str, Stage]]
"""Keys and stages; an empty key stands for the stage's name."""


class CurateSpec(StageSpec):
    """A whole curation run. A stage set to null is off.

    ``input_list_json_path``, ``metadata``, ``video_limit``, ``decoder``, ``deinterlace``, ``decoder_quality``
    and ``verbose`` are the reader's. ``stages`` adds stages to the groups.
    """

    stage_name: ClassVar[str] = "curate"

    input_list_json_path: str | None = Field(default=None, min_length=1)
    metadata: str | None = Field(default=None, min_length=1)
    video_limit: int | None = Field(default=None, ge=1)
    decoder: Annotated[Decoder, SPEED] = ANY_DECODER
    deinterlace: Annotated[Deinterlace, Affects("interlaced", before="off")] = "auto"
    decoder_quality: Annotated[DecoderQuality, Affects("loop_filter")] = "exact"
    split: SplitSpec = SplitSpec()
    motion: MotionVectorDecodeStage | None = MotionVectorDecodeStage()
    motion_filter: MotionFilterStage | None = MotionFilterStage(score_only=True)
    quality: QualityFilterStage | None = QualityFilterStage()
    transcode: ClipTranscodingStage = ClipTranscodingStage()
    frames: ClipFrameExtractionStage | None = None
    aesthetics: ClipAestheticFilterStage | None = None
    embedding: EmbeddingSpec | None = PerceptualEmbeddingStage()
    windows: CaptionPreparationStage = CaptionPreparationStage()
    questions: list[QuestionFilterStage] = Field(default_factory=list[QuestionFilterStage])
    captions: CaptionGenerationStage | None = None
    enhancement: CaptionEnhancementStage | None = None
    preview: PreviewStage | None = PreviewStage()
    stages: list[StageUse] = Field(default_factory=list[StageUse])
    dedup: DedupSpec | None = DedupSpec()
    write: WriteSpec = WriteSpec()
    limits: LimitsSpec = LimitsSpec()
    sharding: Annotated[ShardingSpec, SPEED] = ShardingSpec()

    @model_validator(mode="after")
    def _check_answering_model(self) -> Self:
        if (self.questions or self.enhancement) and self.captions is None:
            raise ValueError("questions and enhancement need captions, which say what model answers")
        return self

    def decided(self) -> Self:
        """Returns a copy in which nothing depends on the machine any more."""
        return self._with_split(self.split.decided())

    def decided_for_images(self) -> Self:
        """Returns a copy in which nothing depends on a machine, for pods whose image the plan chooses."""
        return self._with_split(self.split.decided_for_images())

    def _with_split(self, split: SplitSpec) -> Self:
        return self if split is self.split else self.model_copy(update={"split": split})

    def groups(self, *, source: str, output: str) -> tuple[Group, Group]:
        """Returns the stages of the groups that are on: those up to the filters, and those behind them."""
        is_asked = "motion_filter" in self.model_fields_set
        motion_filter = self.motion_filter if self.motion or is_asked else None
        filters = [self.split.extractor, self.motion, motion_filter, self.quality, self.aesthetics]
        behind = [
            self.transcode, self.embedding, self.windows, self.captions, self.enhancement, self.preview,
            self.frames, self._reader(source), self._writer(source, output),
        ]  # fmt: skip
        return [*_on(filters), *self._questions()], _on(behind)

    def _questions(self) -> Group:
        if len(self.questions) == 1:
            return [("", self.questions[0])]
        return [(f"{stage.name}_{number}", stage) for number, stage in enumerate(self.questions, 1)]

    def _reader(self, source: str) -> VideoReader:
        own = VideoReader.model_fields.keys() & CurateSpec.model_fields.keys()
        return VideoReader(input_video_path=source, **{name: getattr(self, name) for name in own})

    def _writer(self, source: str, output: str) -> ClipWriterStage:
        own = WriteSpec.model_fields.keys() & ClipWriterStage.model_fields.keys()
        return ClipWriterStage(
            output_path=output,
            input_path=source,
            # A stage in the list is wanted, whatever it makes.
            generate_embeddings=self.embedding is not None or bool(self.stages),
            generate_previews=self.preview is not None or bool(self.stages),
            generate_captions=self.captions is not None or bool(self.stages),
            **{name: getattr(self.write, name) for name in own},
        )


def _on(stages: Iterable[Stage | None]) -> Group:
    return [("", stage) for stage in stages if stage is not None]
