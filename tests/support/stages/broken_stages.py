"""Stages that break at every film but ``GOOD``, and a pipeline of them."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, ClassVar

import pyarrow as pa

from clipmill.engine.machine_check import Engine
from clipmill.errors import ClipmillError, EngineDied
from clipmill.pipeline import Pipeline
from clipmill.stages.base import SPEED, Batch, Column, Grain, Item, Stage, StageContext, Worker
from clipmill.stages.video.clipping.clip_extraction_stages import FixedStrideExtractorStage
from clipmill.stages.video.io.video_reader import VideoReader
from tests.support.films.small_films import draw_film
from tests.support.hand_made import writer

GOOD = "a_good.mp4"
"""The film that even a stage that breaks can do."""
BAD = "bad.mp4"


class Fails(Stage):
    """Raises an error at every clip but those of one film."""

    name: ClassVar[str] = "own"
    grain: ClassVar[Grain] = "clip"
    writes: ClassVar[tuple[Column, ...]] = (Column("own_score", pa.float64(), "0 to 1"),)

    is_well: Annotated[bool, SPEED] = False

    def open(self, context: StageContext) -> Worker:
        def score(batch: Batch) -> Mapping[str, object]:
            if not self.is_well and not all(item.source_uri.endswith(GOOD) for item in batch.items):
                raise ArithmeticError("no such number")
            return {"own_score": [0.5] * len(batch)}

        return score


class Exits(Fails):
    """Ends its process at every clip but those of one film."""

    def open(self, context: StageContext) -> Worker:
        def score(batch: Batch) -> Mapping[str, object]:
            if not all(item.source_uri.endswith(GOOD) for item in batch.items):
                os._exit(3)
            return {"own_score": [0.5] * len(batch)}

        return score


class Dies(Fails):
    """Its model dies at every clip but those of one film."""

    def open(self, context: StageContext) -> "Dying":  # pyright: ignore[reportIncompatibleMethodOverride] a stream
        return Dying(is_well=self.is_well)


class Dying:
    """A model that dies."""

    def __init__(self, *, is_well: bool) -> None:
        self._is_well = is_well

    def stream(self, items: Iterator[Item]) -> Iterator[tuple[str, Mapping[str, object]]]:
        for item in items:
            if not (self._is_well or item.source_uri.endswith(GOOD)):
                raise EngineDied("own", "it was killed")
            yield item.id, {"own_score": 0.5}


def draw_good_and_bad(folder: Path) -> Path:
    """Draws a film that the stage can do and one of thirty clips that it cannot do."""
    draw_film(folder / GOOD, seed=1, shots=(30,))
    draw_film(folder / BAD, seed=2, shots=(180,))
    return folder


def curate(source: str, output: str, engine: Engine, stage: Fails) -> str:
    """Runs the pipeline; returns the error that stopped it, or nothing."""
    cuts = FixedStrideExtractorStage(clip_len_s=0.25, clip_stride_s=0.25, min_clip_length_s=0.2)
    stages = [VideoReader(input_video_path=source), cuts, stage, writer(output, source=source)]
    try:
        Pipeline("broken", stages=stages).run(engine=engine)
    except ClipmillError as error:
        return f"{type(error).__name__}: {error}"
    return ""
