"""Technical quality scores of clips, and the filter over them."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, ClassVar, Literal, Self

import pyarrow as pa
from pydantic import model_validator

from clipmill.scores.quality import FRAME_MEASURES, clip_quality
from clipmill.stages.base import (
    VERDICT,
    Batch,
    Column,
    Measure,
    Reads,
    Rule,
    SampleRate,
    Stage,
    StageContext,
    Worker,
    rate,
)
from clipmill.stages.value_kinds import CheckedModel


class Bounds(CheckedModel):
    """Inclusive limits of a score; None leaves a side open."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is more than max {self.max}: nothing can pass")
        return self


OPEN = Bounds()

_REASONS = {"black_ratio": "black", "frozen_ratio": "frozen"}
"""Of the scores that have a reason of their own; they are named first."""


def _score(
    name: str, doc: str, rank: Literal["", "asc", "desc"] = "", *, high: float | None = None
) -> Column:
    return Column(name, pa.float64(), doc, plot=True, rank=rank, low=0, high=high)


class QualityFilterStage(Stage):
    """Measures technical quality ``sample_fps`` times a second; filters clips outside the bounds (off by
    default).

    Scores: ``sharpness`` (mean of the frames' log-variance of the Laplacian), ``exposure`` (mean luma, 0..1),
    ``colourfulness`` (Hasler and Suesstrunk), ``blockiness`` (8x8 border steps over inner steps; 1 is none),
    ``black_ratio`` and ``frozen_ratio`` (shares of samples, 0..1), ``letterbox_ratio`` (share of the picture
    that is bars, 0..1), ``text_likeness`` (share of picture and time that lines like overlaid text cover,
    0..1). A clip outside the bounds of ``black_ratio`` is ``black``, of ``frozen_ratio``
    ``frozen``, of any other ``low_quality``. With ``score_only`` nothing is filtered.
    """

    name: ClassVar = "quality"
    version: ClassVar = 3
    grain: ClassVar = "clip"
    runs_on: ClassVar = "all"

    score_only: Annotated[bool, VERDICT] = False
    sample_fps: SampleRate = 1.0
    sharpness: Annotated[Bounds, VERDICT] = OPEN
    exposure: Annotated[Bounds, VERDICT] = OPEN
    colourfulness: Annotated[Bounds, VERDICT] = OPEN
    blockiness: Annotated[Bounds, VERDICT] = OPEN
    black_ratio: Annotated[Bounds, VERDICT] = OPEN
    frozen_ratio: Annotated[Bounds, VERDICT] = OPEN
    letterbox_ratio: Annotated[Bounds, VERDICT] = OPEN
    text_likeness: Annotated[Bounds, VERDICT] = OPEN

    writes: ClassVar = (
        _score("sharpness", "mean log-variance of the Laplacian, 0 (flat) to about 11", "desc"),
        _score("exposure", "mean luma; 0 black, 1 white", high=1),
        _score("colourfulness", "by Hasler and Suesstrunk; 0 is grey, above 80 is vivid"),
        _score("blockiness", "steps at 8 px borders over steps inside; 1 is none", "asc"),
        _score("black_ratio", "share of the samples that are black, 0 to 1", "asc", high=1),
        _score("frozen_ratio", "share of the samples in which nothing moves, 0 to 1", "asc", high=1),
        _score("letterbox_ratio", "share of the picture that is bars, 0 to 1", "asc", high=1),
        _score("text_likeness", "share of picture and time like overlaid text, 0 to 1", "asc", high=1),
    )

    def reads(self) -> Reads:
        """Returns the measures of full-size frames, and the thumbnails by which a still clip is known."""
        measure = Measure(
            "clipmill.scores.quality:frame_measures", rate(self.sample_fps), (len(FRAME_MEASURES),)
        )
        return Reads(thumbnails=True, measures=(measure,))

    def rules(self) -> tuple[Rule, ...]:
        """Returns the bounds that are set: of black and frozen clips first."""
        return () if self.score_only else tuple(self._bounds())

    def _bounds(self) -> Iterator[Rule]:
        for name in sorted(QUALITY_SCORES, key=lambda name: name not in _REASONS):
            bounds: Bounds = getattr(self, name)
            if bounds != OPEN:
                yield Rule(name, _REASONS.get(name, "low_quality"), min=bounds.min, max=bounds.max)

    def open(self, context: StageContext) -> Worker:
        """Returns a worker that turns the samples of each clip into its scores."""
        log = context.log

        def score(batch: Batch) -> dict[str, list[object]]:
            shown = zip(batch.measures, batch.thumbnails, batch.thumbnail_times_s, strict=True)
            found = [asdict(clip_quality(measures[0], *frames)) for measures, *frames in shown]
            for name, scores in zip(batch.ids, found, strict=True):
                log.debug("%s: %s", name, scores)
            return {name: [scores[name] for scores in found] for name in QUALITY_SCORES}

        return score


QUALITY_SCORES: tuple[str, ...] = tuple(column.name for column in QualityFilterStage.writes)
