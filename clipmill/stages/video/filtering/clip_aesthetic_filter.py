"""Aesthetic scores of clips, and the filter over them."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
from pydantic import Field

from clipmill.models.aesthetic import ENCODER, HEAD, AestheticScorer
from clipmill.models.registry import model_named
from clipmill.models.runtime import Device
from clipmill.stages.base import (
    BOUND,
    SPEED,
    VERDICT,
    Batch,
    Column,
    Failed,
    Frames,
    ModelRef,
    Reads,
    Resources,
    Results,
    Rule,
    RunView,
    SampleRate,
    Stage,
    StageContext,
    Worker,
    rate,
)
from clipmill.stages.columns import RULE_DIGITS
from clipmill.stages.video.clipping.clip_frame_extraction import at_size, target_res_of

FRAME_HEIGHT_PX = 240
"""A little above the side of the square that CLIP looks at."""

NO_SCORES = Failed("final", "no_frames", "the clip has no sampled frames")

_REDUCTIONS: dict[str, Callable[[np.ndarray], np.floating]] = {
    "aesthetic_min": np.min,
    "aesthetic_mean": np.mean,
}
"""Columns of the state: both reductions are kept, so that another one needs no pixels."""


class ClipAestheticFilterStage(Stage):
    """Filters a clip whose aesthetic score is below ``score_threshold``.

    The score of a clip is the ``reduction`` of the scores of its frames, sampled at ``target_fps``: the LAION
    head over CLIP ViT-L/14, about 1 (ugly) to 10 (beautiful), most footage between 4 and 6. With
    ``score_only`` nothing is filtered. A clip without frames has no score and is never filtered by it.
    """

    name: ClassVar = "aesthetic"
    version: ClassVar = 2
    grain: ClassVar = "clip"
    environment: ClassVar = "models"

    # Where weights lie changes nothing; which ones they are is said by the model table.
    model_dir: Annotated[str, Field(min_length=1), SPEED] = "models/clip_aesthetic"
    score_threshold: Annotated[float, VERDICT] = 0.5
    reduction: Annotated[Literal["min", "mean"], VERDICT] = "min"
    target_fps: SampleRate = 1.0
    num_gpus_per_worker: Annotated[float, Field(ge=0), SPEED] = 0.25
    score_only: Annotated[bool, VERDICT] = False
    device: Annotated[Device, SPEED] = "auto"
    batch_size: Annotated[int, Field(ge=1), SPEED] = 32
    frame_res: Annotated[list[int] | None, BOUND] = None

    writes: ClassVar = (
        Column("aesthetic_min", pa.float64(), "score of the worst frame, about 1 to 10", table="state"),
        Column("aesthetic_mean", pa.float64(), "mean score of the frames, about 1 to 10", table="state"),
        Column(
            "aesthetic_score", pa.float64(), "score of the learned head, about 1 (ugly) to 10 (beautiful)",
            derived=True, json="aesthetic_score", plot=True, rank="desc",
        ),
    )  # fmt: skip

    def bind(self, run: RunView) -> Self:
        """Returns this stage at the size of frames that ``ClipFrameExtractionStage`` asks for."""
        size = target_res_of(run)
        return self.bound(frame_res=size) if size else self

    def reads(self) -> Reads:
        """Returns the frames that are scored."""
        height_px = max(FRAME_HEIGHT_PX, *(self.frame_res or (0,))[:1])
        return Reads(frames=Frames(rate(self.target_fps), height_px))

    def resources(self) -> Resources:
        """Returns the share of a GPU that one worker asks for; none on a CPU."""
        return Resources(gpus=0 if self.device == "cpu" else self.num_gpus_per_worker)

    def models(self) -> tuple[ModelRef, ...]:
        """Returns the encoder, and the head over its features."""
        return tuple(ModelRef(name, model_named(name).revision, self.model_dir) for name in (ENCODER, HEAD))

    def check(self, *, num_gpus: float) -> None:
        from clipmill.models.preflight import ModelNeeds, check_models

        for name in (ENCODER, HEAD):
            needs = ModelNeeds(self.name, model_named(name), self.model_dir, self.device)
            check_models(needs, num_gpus=num_gpus)

    def rules(self) -> tuple[Rule, ...]:
        """Returns the threshold of the score, unless the stage only scores."""
        return (
            () if self.score_only else (Rule("aesthetic_score", "low_aesthetic", min=self.score_threshold),)
        )

    def published(self, rows: pa.Table) -> pa.Table:
        """Returns ``rows`` with ``aesthetic_score``, the reduction that was asked for."""
        return rows.append_column("aesthetic_score", rows[f"aesthetic_{self.reduction}"])

    def open(self, context: StageContext) -> Worker:
        from clipmill.models.aesthetic import load_aesthetic_scorer

        device = context.device if self.device == "auto" else self.device
        scorer = load_aesthetic_scorer(
            context.weights(ENCODER),
            context.weights(HEAD),
            device=device,
            batch_size=self.batch_size,
            num_threads=context.num_threads,
        )
        return AestheticWorker(scorer, context.log, self.frame_res)


@dataclass(frozen=True)
class AestheticWorker:
    """Reduces the scores of a clip's frames; a clip of which no frame has a score fails for good."""

    scorer: AestheticScorer
    log: logging.Logger
    frame_res: Sequence[int] | None = None

    def __call__(self, batch: Batch) -> Results:
        """Returns both reductions of each clip."""
        frames = [at_size(one, self.frame_res) for one in batch.frames]
        scores = [_rounded(one) for one in self.scorer.score(frames)]
        failed = {index: NO_SCORES for index, one in enumerate(scores) if not len(one)}
        columns = {name: [_reduced(one, reduce) for one in scores] for name, reduce in _REDUCTIONS.items()}
        for row in zip(batch.ids, *columns.values(), strict=True):
            self.log.debug("%s: least %s, mean %s", *row)
        return Results(columns, failed)


def _rounded(scores: np.ndarray) -> np.ndarray:
    return scores.astype(np.float32).round(RULE_DIGITS)


def _reduced(scores: np.ndarray, reduce: Callable[[np.ndarray], np.floating]) -> float | None:
    return round(float(reduce(scores)), RULE_DIGITS) if len(scores) else None
