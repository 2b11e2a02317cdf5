"""The four roles with hooks of their own in a run: reader, extractor, encoder, writer.

The planner and the engine find these stages by their role and never by their name.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar, Literal, TypeVar

from pydantic import Field

from clipmill.records import CutClip
from clipmill.stages.base import Grain, Spec, Stage, StageContext
from clipmill.stages.clip_rules import ClipRules
from clipmill.stages.cut_finder import CutFinder
from clipmill.stages.decoder import Decoder, DecoderQuality, Deinterlace
from clipmill.stages.encode_options import EncodeOptions

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

R = TypeVar("R", bound="DataclassInstance")


def record_of(kind: type[R], spec: Spec) -> R:
    """Returns a record whose fields have the values of the fields of the same names of ``spec``."""
    return kind(**{field.name: getattr(spec, field.name) for field in fields(kind)})


@dataclass(frozen=True)
class SourceOptions:
    """Which videos a run reads: all below ``path``, or those that a JSON list names.

    ``limit`` keeps the first so many in listing order; None keeps all. ``endings`` leaves out other files,
    such as ``.mp4``. ``metadata`` is a CSV or parquet file with columns about the videos.
    """

    path: str
    list_json_path: str | None
    limit: int | None
    decoder: Decoder
    deinterlace: Deinterlace = "auto"
    decoder_quality: DecoderQuality = "exact"
    metadata: str | None = None
    endings: tuple[str, ...] = ()


class ReaderStage(Stage, abstract=True):
    """Says which videos a run reads."""

    grain: ClassVar[Grain] = "run"

    @abstractmethod
    def source(self) -> SourceOptions:
        """Returns where the videos are."""


class WriterStage(Stage, abstract=True):
    """What a run writes below ``output_path``; names of JSON files are relative to ``input_path``.

    ``dry_run`` writes tables and JSON per video only. ``caption_models`` and ``enhanced_caption_models`` are
    the models whose captions are written, None for all.
    """

    grain: ClassVar[Grain] = "run"

    output_path: str = Field(min_length=1)
    input_path: str = Field(min_length=1)
    upload_clips: bool
    dry_run: bool
    generate_embeddings: bool
    generate_previews: bool
    generate_captions: bool
    embedding_algorithm: str = "perceptual"
    caption_models: tuple[str, ...] | None = None
    enhanced_caption_models: tuple[str, ...] | None = None
    write_filtered_clips: bool = False

    def leaves_out(self, stage: Stage) -> bool:
        """Returns True for a stage whose results this run does not make."""
        del stage
        return False

    def documents(self, stage: Stage) -> bool:
        """Returns True if the documented JSON shows what a stage found."""
        del stage
        return True


class ExtractorStage(Stage, abstract=True):
    """Cuts a video into clips: a finder of cuts, and rules from shots to clips."""

    grain: ClassVar[Grain] = "video"

    @abstractmethod
    def clip_rules(self) -> ClipRules:
        """Returns how shots become clips."""

    @abstractmethod
    def finder(self, context: StageContext | None) -> CutFinder | None:
        """Returns a new finder for one video; None for an extractor that looks at no picture.

        Without a ``context`` it is pure and runs in the codec process; ValueError for a finder that needs a
        worker process, such as one with a model.
        """

    @property
    def decides_early(self) -> bool:
        """True if clips can be encoded while their video is decoded.

        That takes a finder without a context, clips that do not overlap, and clips that do not depend on the
        end of the video.
        """
        rules = self.clip_rules()
        overlaps = rules.stride_s is not None and rules.stride_s < (rules.max_length_s or 0.0)
        return rules.entire_scene_as_clip and not overlaps

    def length_bounds(self) -> tuple[float | None, float | None]:
        """Returns the shortest and the longest clip, in seconds; None for no bound."""
        rules = self.clip_rules()
        return rules.min_length_s, rules.max_length_s


class EncoderStage(Stage, abstract=True):
    """Turns clips into files."""

    grain: ClassVar[Grain] = "clip"

    @abstractmethod
    def options(self) -> EncodeOptions:
        """Returns how clips are encoded."""

    @abstractmethod
    def row(self, cut: CutClip, *, clip_uri: str, clip_digest: str) -> Mapping[str, object]:
        """Returns the stage's columns for a clip file; ``clip_uri`` is relative to the output."""

    @property
    @abstractmethod
    def clips_per_chunk(self) -> int:
        """How many clips of 8 s one JSON of a chunk describes."""


class EmbedderStage(Stage, abstract=True):
    """Gives each clip a vector; a clip without one is rejected.

    ``knows_words`` is True if the model embeds texts in the same space, so that clips can be searched by
    them; such a stage has ``options()``, which says how the model is opened.
    """

    knows_words: ClassVar[bool] = False

    name: ClassVar[str] = "embedding"
    grain: ClassVar[Grain] = "clip"
    on_failure: ClassVar[Literal["keep", "drop"]] = "drop"
    failure_reason: ClassVar[str] = "embedding_failed"

    @property
    @abstractmethod
    def algorithm_name(self) -> str:
        """The algorithm, as the thresholds of deduplication and the embedding files name it."""

    @property
    def file_prefix(self) -> str:
        """What the documented folder ``<prefix>_embd_parquet`` is named after."""
        return self.algorithm_name

    @property
    def is_pickled(self) -> bool:
        """True for a model whose embeddings readers of NeMo Curator's output look for as pickles too."""
        return False

    def folder_prefix(self, key: str) -> str:
        """Returns the prefix of the folder of a stage with a key: its own key, else ``file_prefix``."""
        return self.file_prefix if key == self.name else key


class WindowStage(Stage, abstract=True):
    """Says where the caption windows of a clip lie."""

    grain: ClassVar[Grain] = "run"

    @abstractmethod
    def places_digest(self) -> str:
        """Returns the digest of the parameters that place windows."""

    @property
    def allows_previews(self) -> bool:
        """True if windows have previews, and an MP4 of their own for users' stages."""
        return True
