"""Code of users' stages that does odd things: its process moves away, its functions raise errors."""

import json
import os
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pytest

from clipmill.errors import SpecError
from clipmill.pipeline import Pipeline, PipelineRun
from clipmill.stages.base import Batch, Column, Grain, Measure, Reads, Results, Stage, StageContext, Worker
from clipmill.stages.video.clipping.clip_extraction_stages import FixedStrideExtractorStage
from clipmill.stages.video.io.video_reader import VideoReader
from tests.support.films.small_films import draw_film
from tests.support.hand_made import writer
from tests.support.runs.curation import rows

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("shared_codec")]


def breaks(luma: np.ndarray, thumbnail: np.ndarray) -> float:
    """Raises an error on every frame."""
    raise ArithmeticError(f"{luma.shape} and {thumbnail.shape} do not fit")


class Odd(Stage):
    """Measures frames by a function, or moves its process to another folder."""

    name: ClassVar[str] = "odd"
    grain: ClassVar[Grain] = "clip"
    writes: ClassVar[tuple[Column, ...]] = (Column("number", pa.float64(), "a number"),)

    function: str = ""

    def reads(self) -> Reads:
        """Returns the function, or thumbnails."""
        measures = (Measure(self.function, Fraction(1), ()),) if self.function else ()
        return Reads(measures=measures, thumbnails=not measures)

    def open(self, context: StageContext) -> Worker:
        """Returns a worker that leaves the folder of the run."""
        del context

        def numbers(batch: Batch) -> Results:
            os.chdir("/")
            return Results({"number": [1.0] * len(batch)})

        return numbers


def run(stage: Stage) -> PipelineRun:
    """Runs a stage over the film of the folder, by relative paths."""
    stages = [
        VideoReader(input_video_path="films"),
        FixedStrideExtractorStage(clip_len_s=1, clip_stride_s=1, min_clip_length_s=0.5),
        stage,
        writer("curated", source="films"),
    ]
    return Pipeline(name="odd", stages=stages).run()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a film of two seconds; the working directory comes back."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "films").mkdir()
    draw_film(tmp_path / "films" / "a.mp4", seed=1, shots=(60,))
    return tmp_path


def test_a_stage_that_changes_the_folder_of_its_process_moves_no_file(folder: Path) -> None:
    run(Odd())
    assert Path.cwd() == Path("/")
    numbers = {row["number"] for row in rows(folder / "curated", "clips")}
    assert numbers == {1.0}
    assert (folder / "curated" / "report.html").exists()


def test_the_error_of_a_function_that_measures_frames_is_in_the_errors_of_the_clips(folder: Path) -> None:
    function = f"{__name__}:breaks"
    run(Odd(function=function))
    [said] = {json.loads(str(row["errors"]))["odd"] for row in rows(folder / "curated", "clips")}
    assert said.startswith(f"stage odd: measure {function}: ArithmeticError: (")


@pytest.mark.parametrize("function", [f"{__name__}:nothing", f"{__name__}:pytestmark"])
def test_a_function_that_is_not_there_is_refused_before_any_work(folder: Path, function: str) -> None:
    with pytest.raises(SpecError, match=f"stage odd cannot use the measure {function}: "):
        run(Odd(function=function))
    assert not (folder / "curated" / "state").exists()
