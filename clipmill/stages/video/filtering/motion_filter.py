"""Motion scores of clips, and the filter over them."""

from typing import Annotated, ClassVar, Literal, Self

import pyarrow as pa
from pydantic import Field, model_validator

from clipmill.scores.motion import MotionScores, clip_motion, spread_share
from clipmill.stages.base import (
    IGNORED,
    VERDICT,
    Batch,
    Column,
    Cpus,
    Failed,
    Item,
    Motion,
    Reads,
    Resources,
    Results,
    Rule,
    SampleRate,
    Stage,
    StageContext,
    Worker,
    rate,
)

NO_DATA = Failed("final", "no_motion_data", "no motion data")


def _score(name: str, doc: str) -> Column:
    return Column(f"motion_{name}", pa.float64(), doc, json=f"motion_score.{name}", plot=True, low=0, high=1)


class MotionVectorDecodeStage(Stage):
    """How motion is measured: at ``target_fps`` instants a second, between a frame and the one before it.

    ``target_duration_ratio`` is the share of those instants that is used, spread over the whole clip.
    ``motion_source`` ``blocks`` is one estimator for every codec; ``vectors`` reads the decoder's own (H.264
    only). ``separate_camera`` also scores the motion of the camera apart from that of objects.
    """

    name: ClassVar = "motion"
    version: ClassVar = 2
    grain: ClassVar = "clip"
    runs_on: ClassVar = "all"

    num_cpus_per_worker: Cpus = 6.0
    target_fps: SampleRate = 2.0
    target_duration_ratio: float = Field(default=1.0, gt=0, le=1)
    motion_source: Literal["blocks", "vectors"] = "blocks"
    separate_camera: bool = False

    writes: ClassVar = (
        _score("global_mean", "mean flow a frame over height + width, from 0"),
        _score("per_patch_min_256", "mean flow of the stillest 256 px patch over height + width, from 0"),
        _score("camera_mean", "mean flow of pan, zoom and roll over height + width, from 0"),
        _score("object_mean", "mean flow besides the camera's over height + width, from 0"),
        Column("motion_source", pa.string(), "how motion was measured: blocks or vectors", derived=True),
    )

    @model_validator(mode="after")
    def _camera_needs_blocks(self) -> Self:
        if self.separate_camera and self.motion_source == "vectors":
            raise ValueError("separate_camera needs motion_source: blocks")
        return self

    def reads(self) -> Reads:
        """Returns the motion at ``target_fps`` instants a second."""
        motion = Motion(rate(self.target_fps), self.motion_source, separate_camera=self.separate_camera)
        return Reads(motion=motion)

    def resources(self) -> Resources:
        """Returns the cores that the stage asks for."""
        return Resources(cpus=self.num_cpus_per_worker)

    def published(self, rows: pa.Table) -> pa.Table:
        """Returns ``rows`` with ``motion_source``."""
        return rows.append_column("motion_source", pa.repeat(self.motion_source, len(rows)))

    def open(self, context: StageContext) -> Worker:
        """Returns a worker that scores each clip; one without an instant inside fails for good."""
        log = context.log

        def score(batch: Batch) -> Results:
            found = [self._scores(item) for item in batch.items]
            for name, scores in zip(batch.ids, found, strict=True):
                log.debug("%s: %s", name, scores or NO_DATA.message)
            failed = {index: NO_DATA for index, scores in enumerate(found) if scores is None}
            return Results(
                {name: [getattr(one, field, None) for one in found] for name, field in _FIELDS}, failed
            )

        return score

    def _scores(self, item: Item) -> MotionScores | None:
        if item.motion is None:
            return None
        width_px, height_px = item.video.shown_size_px
        share = self.target_duration_ratio
        parts = spread_share(item.motion.parts, share=share) if self.separate_camera else None
        blocks = spread_share(item.motion.blocks, share=share)
        return clip_motion(blocks, width_px=width_px, height_px=height_px, parts=parts)


_FIELDS = [
    (column.name, column.name.removeprefix("motion_"))
    for column in MotionVectorDecodeStage.writes
    if not column.derived
]
"""Columns that the worker fills, and the fields of ``MotionScores`` that they hold."""


class MotionFilterStage(Stage):
    """Filters a clip whose mean motion, or the least motion of its 256x256 patches, is below its threshold.

    Scores are the mean length of the flow over (height + width). With ``score_only`` nothing is filtered.
    A clip without motion data has no score and is never filtered by it.
    """

    name: ClassVar = "motion_filter"
    grain: ClassVar = "clip"

    score_only: Annotated[bool, VERDICT] = False
    global_mean_threshold: Annotated[float, Field(ge=0), VERDICT] = 0.00098
    per_patch_min_256_threshold: Annotated[float, Field(ge=0), VERDICT] = 0.000001
    num_gpus_per_worker: Annotated[float, Field(ge=0), IGNORED] = 0
    motion_filter_batch_size: Annotated[int, Field(ge=1), IGNORED] = 256

    def requires(self) -> tuple[Stage, ...]:
        """Returns the stage that measures what is filtered by."""
        return (MotionVectorDecodeStage(),)

    def reads(self) -> Reads:
        """Returns the two scores that have a threshold."""
        return Reads(columns=(_MEAN, _LEAST))

    def rules(self) -> tuple[Rule, ...]:
        """Returns both thresholds, unless the stage only scores."""
        if self.score_only:
            return ()
        return (
            Rule(_MEAN, "low_motion", min=self.global_mean_threshold),
            Rule(_LEAST, "low_motion", min=self.per_patch_min_256_threshold),
        )


_MEAN, _LEAST = (f"{MotionVectorDecodeStage.name}:{name}" for name, _ in _FIELDS[:2])
