"""What the stages that embed by a learned model have in common."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal, Self

import pyarrow as pa
from pydantic import Field

from clipmill.errors import SpecError
from clipmill.models.embedding.base import Embedded, EmbedderOptions
from clipmill.models.embedding.remote_code import check_allowed
from clipmill.models.embedding.tower_embedder import TowerEmbedder
from clipmill.models.registry import model_named
from clipmill.models.runtime import Device
from clipmill.stages.base import (
    BOUND,
    SPEED,
    Batch,
    Column,
    Failed,
    Frames,
    ModelRef,
    Reads,
    Resources,
    Results,
    RunView,
    SampleRate,
    Stage,
    StageContext,
    Worker,
    rate,
)
from clipmill.stages.columns import CARD
from clipmill.stages.roles import EmbedderStage
from clipmill.stages.video.clipping.clip_frame_extraction import at_size, target_res_of
from clipmill.stages.video.embedding.columns import ALGORITHM, EMBEDDING

LearnedAlgorithm = Literal[
    "cosmos-embed1-224p",
    "cosmos-embed1-336p",
    "cosmos-embed1-448p",
    "internvideo2",
    "siglip2",
    "videoprism",
    "clip",
]

_SIDE_PX: dict[LearnedAlgorithm, int] = {
    "cosmos-embed1-224p": 224, "cosmos-embed1-336p": 336, "cosmos-embed1-448p": 448, "internvideo2": 224,
    "siglip2": 224, "videoprism": 288, "clip": 224,
}  # fmt: skip
_LEAST_HEIGHT_PX = 240
_FAMILIES = {"cosmos-embed1": ("ce1", "cosmos_embed1"), "internvideo2": ("iv2", "intern_video_2")}
"""Family -> documented short name of its folder, and its name in the documented JSON."""

TEXT = Column("text_match", pa.string(), "the given text that fits the clip best", role=CARD)
PROBABILITY = Column(
    "text_match_score", pa.float64(), "probability of that text among the given ones, 0 to 1", role=CARD
)


class LearnedEmbedding(EmbedderStage, abstract=True):
    """What all stages have in common that embed by a learned model and match texts.

    A subclass says by ``model_name`` which model of the table it is.
    """

    knows_words: ClassVar = True
    version: ClassVar = 2
    environment: ClassVar = "models"
    writes: ClassVar = (EMBEDDING, TEXT, PROBABILITY, ALGORITHM)

    # Where weights lie changes nothing; which ones they are is said by the revision.
    model_dir: Annotated[str, Field(min_length=1), SPEED] = "models"
    revision: str | None = Field(default=None, min_length=1)
    target_fps: SampleRate = 2.0
    num_frames: int | None = Field(default=None, ge=1, le=256)
    texts_to_verify: list[str] | None = Field(default=None, min_length=1)
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    batch_size: Annotated[int, Field(ge=1), SPEED] = 8
    gpu_memory_gb: Annotated[float, Field(ge=0), SPEED] = 20
    device: Annotated[Device, SPEED] = "auto"
    frame_res: Annotated[list[int] | None, BOUND] = None

    def model_name(self) -> LearnedAlgorithm:
        """Returns the name of the model in the table."""
        raise NotImplementedError(f"{type(self).__name__} must define model_name()")

    @property
    def algorithm_name(self) -> str:
        """The name of the model."""
        return self.model_name()

    @property
    def file_prefix(self) -> str:
        """The documented short name of a family; any other model is its own name."""
        return self._family_names[0]

    @property
    def _family_names(self) -> tuple[str, str]:
        name = self.model_name()
        return next((known for family, known in _FAMILIES.items() if name.startswith(family)), (name, name))

    @property
    def is_pickled(self) -> bool:
        """True for the families with a documented short name."""
        return self._family_names in _FAMILIES.values()

    def documented(self, own: Mapping[str, object]) -> Mapping[str, object]:
        """Returns ``<family>_text_match``: the text and its probability."""
        if own.get(TEXT.name) is None:
            return {}
        return {f"{self._family_names[1]}_text_match": [own[TEXT.name], own[PROBABILITY.name]]}

    def allowed_code(self) -> Sequence[str]:
        """Returns the models whose own code may run: adding a stage of one model says so for that model."""
        return (self.model_name(),)

    @property
    def frame_height_px(self) -> int:
        """Least height of the sampled frames: the side of the square that the model looks at."""
        return _SIDE_PX[self.model_name()]

    @property
    def result_class(self) -> str:
        """The same for every way to ask for one model."""
        return LearnedEmbedding.__name__

    def result_fields(self) -> dict[str, object]:
        """Returns the fields that change results, the same for every way to ask for one model."""
        fields = super().result_fields()
        shared = {name: fields[name] for name in LearnedEmbedding.model_fields if name in fields}
        return {"algorithm": self.model_name(), **shared}

    def bind(self, run: RunView) -> Self:
        """Returns this stage at the size of frames that ``ClipFrameExtractionStage`` asks for.

        SpecError for a model whose own code is not allowed.
        """
        check_allowed(model_named(self.model_name()), self.allowed_code())
        size = target_res_of(run)
        return self.bound(frame_res=size) if size else self

    def reads(self) -> Reads:
        """Returns the frames of which the model's are taken."""
        height_px = max(_LEAST_HEIGHT_PX, self.frame_height_px, *(self.frame_res or ())[:1])
        return Reads(frames=Frames(rate(self.target_fps), height_px))

    def resources(self) -> Resources:
        """Returns the memory of a GPU that one worker asks for; none on a CPU."""
        return Resources(gpu_memory_gb=0 if self.device == "cpu" else self.gpu_memory_gb)

    def models(self) -> tuple[ModelRef, ...]:
        """Returns the model."""
        entry = model_named(self.model_name())
        return (ModelRef(entry.name, self.revision or entry.revision, self.model_dir),)

    @property
    def worker_environment(self) -> str:
        """The environment that the model's entry names."""
        return model_named(self.model_name()).environment

    def check(self, *, num_gpus: float) -> None:
        from clipmill.models.preflight import ModelNeeds, check_models

        needs = ModelNeeds(
            self.name,
            model_named(self.model_name()),
            self.model_dir,
            self.device,
            revision=self.revision,
            allow_remote_code=self.allowed_code(),
        )
        check_models(needs, num_gpus=num_gpus)

    def options(self) -> EmbedderOptions:
        """Returns how the model is opened."""
        return EmbedderOptions(
            algorithm=self.model_name(),
            model_dir=self.model_dir,
            revision=self.revision,
            num_frames=self.num_frames,
            dtype=self.dtype,
            batch_size=self.batch_size,
            device=self.device,
            allow_remote_code=tuple(self.allowed_code()),
        )

    def open(self, context: StageContext) -> Worker:
        from clipmill.models.embedding.open import load_embedder

        options = self.options()
        if options.device == "auto":
            options = replace(options, device=context.device)
        folder = context.weights(options.algorithm)
        embedder = load_embedder(options, folder, num_threads=context.num_threads)
        return EmbeddingWorker(embedder, tuple(self.texts_to_verify or ()), context.log, self.frame_res)


class FrameCreation(Stage, abstract=True):
    """The first of the documented pairs of stages: how often frames are sampled for the second."""

    grain: ClassVar = "run"

    model_dir: Annotated[str, Field(min_length=1), SPEED] = "models"
    target_fps: SampleRate = 2.0

    def embedded_by(self) -> type[Stage]:
        """Returns the class of the second stage."""
        raise NotImplementedError(f"{type(self).__name__} must define embedded_by()")

    def bind(self, run: RunView) -> Self:
        """Returns this stage. SpecError for a run in which no stage embeds the frames."""
        if run.find(self.embedded_by()) is None:
            name, other = type(self).__name__, self.embedded_by().__name__
            raise SpecError(f"no stage embeds the frames of {name}: add {other}")
        return self


class PairedEmbedding(LearnedEmbedding, abstract=True):
    """The second of a pair: it embeds at the rate of the first, where that is there."""

    frames_by: ClassVar[type[FrameCreation]]
    environment: ClassVar = "legacy"

    target_fps: Annotated[SampleRate, BOUND] = 2.0

    def bind(self, run: RunView) -> Self:
        """Returns this stage at the rate of the stage that makes frames. SpecError when the two differ."""
        frames = run.find(self.frames_by)
        fed = self.fed_by(frames) if frames else self
        return super(PairedEmbedding, fed).bind(run)

    def fed_by(self, frames: FrameCreation) -> Self:
        """Returns this stage at the rate of ``frames``."""
        return self.bound(target_fps=frames.target_fps, verbose=self.verbose or frames.verbose)


@dataclass(frozen=True)
class EmbeddingWorker:
    """Embeds clips and finds which of ``texts`` fits each best; without texts there is none."""

    embedder: TowerEmbedder
    texts: tuple[str, ...]
    log: logging.Logger
    frame_res: Sequence[int] | None = None

    def __call__(self, batch: Batch) -> Results:
        """Returns a row for each clip; one of which the model makes no vector fails for good."""
        embedded = self.embedder.embed([at_size(frames, self.frame_res) for frames in batch.frames])
        done = [index for index in range(len(batch)) if index not in embedded.errors]
        self.log.debug("%d of %d clips embedded", len(done), len(batch))
        matches = self._matches(embedded, done)
        names = (EMBEDDING.name, ALGORITHM.name, TEXT.name, PROBABILITY.name)
        rows = [
            (embedded.rows[index], self.embedder.algorithm, *matches.get(index, _NO_MATCH))
            if index not in embedded.errors
            else (None,) * len(names)
            for index in range(len(batch))
        ]
        columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
        failed = {index: Failed("final", "no_vector", why) for index, why in embedded.errors.items()}
        return Results(columns, failed)

    def _matches(self, embedded: Embedded, done: Sequence[int]) -> dict[int, tuple[str, float]]:
        """By the index of the clip."""
        if not (done and self.texts):
            return {}
        return dict(zip(done, self.embedder.match(embedded.rows[list(done)], self.texts), strict=True))


_NO_MATCH = (None, None)
