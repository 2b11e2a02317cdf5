"""Stages of whole videos: columns in the videos table, failures that are named and tried again."""

import json
from pathlib import Path
from typing import Annotated, ClassVar

import pyarrow as pa
import pytest

from clipmill.errors import SpecError
from clipmill.pipeline import Pipeline
from clipmill.records import VideoFacts
from clipmill.stages.base import (
    SPEED,
    Column,
    Grain,
    Reads,
    Rule,
    Stage,
    StageContext,
    VideoPart,
    VideoWorker,
    Worker,
)
from clipmill.stages.video.clipping.clip_extraction_stages import FixedStrideExtractorStage
from clipmill.stages.video.io.video_reader import VideoReader
from tests.support.films.small_films import draw_film
from tests.support.hand_made import writer
from tests.support.runs.curation import rows

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("shared_codec")]

SHORT_FRAMES = 40


class Length(Stage):
    """Counts what it is shown; cannot do short films until it is mended."""

    name: ClassVar[str] = "length"
    grain: ClassVar[Grain] = "video"
    writes: ClassVar[tuple[Column, ...]] = (Column("num_seen", pa.int64(), "frames that were shown"),)

    does_short: Annotated[bool, SPEED] = False
    rejects_short: bool = False

    def reads(self) -> Reads:
        """Returns every frame."""
        return Reads(thumbnails=True)

    def rules(self) -> tuple[Rule, ...]:
        """Returns a bound where it is asked for."""
        return (Rule("num_seen", "short", min=SHORT_FRAMES),) if self.rejects_short else ()

    def open(self, context: StageContext) -> VideoWorker:
        """Returns the worker."""
        del context
        return Counter(self)


class Counter:
    """Counts frames."""

    def __init__(self, stage: Length) -> None:
        self._stage = stage

    def begin(self, video_id: str, video: VideoFacts) -> None:
        """Begins to count."""
        self._num_seen = 0

    def feed(self, part: VideoPart) -> None:
        """Counts frames."""
        self._num_seen += len(part.times_s)

    def finish(self, num_frames: int, duration_s: float) -> dict[str, object]:
        """Returns the count."""
        if num_frames < SHORT_FRAMES and not self._stage.does_short:
            raise ArithmeticError("too short to tell")
        return {"num_seen": self._num_seen}


class Reader(Stage):
    """A stage of clips that asks for what is known of the whole video."""

    name: ClassVar[str] = "reader"
    grain: ClassVar[Grain] = "clip"
    writes: ClassVar[tuple[Column, ...]] = (Column("share", pa.float64(), "share of the video"),)

    def reads(self) -> Reads:
        """Returns the count."""
        return Reads(columns=("length:num_seen",))

    def open(self, context: StageContext) -> Worker:
        """Returns the worker."""
        del context
        return lambda batch: {"share": [1.0] * len(batch)}


def pipeline(films: Path, output: Path, *stages: Stage, key: str = "") -> Pipeline:
    stride = FixedStrideExtractorStage(clip_len_s=1, clip_stride_s=1, min_clip_length_s=0.5)
    made = Pipeline(name="lengths").add_stage(VideoReader(input_video_path=str(films))).add_stage(stride)
    for stage in stages:
        made.add_stage(stage, key=key)
    return made.add_stage(writer(str(output), source=str(films)))


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    draw_film(folder / "long.mp4", seed=1, shots=(60,))
    draw_film(folder / "short.mp4", seed=2, shots=(30,))
    return folder


def by_name(output: Path, column: str) -> dict[str, object]:
    return {Path(str(row["uri"])).stem: row[column] for row in rows(output, "videos")}


def test_columns_are_published_and_failures_named_and_tried_again(films: Path, tmp_path: Path) -> None:
    broken = pipeline(films, tmp_path, Length(), key="own").run()
    assert by_name(tmp_path, "own_num_seen") == {"long": 60, "short": None}
    errors = {name: json.loads(str(text)) for name, text in by_name(tmp_path, "errors").items()}
    assert errors["long"] == {}
    assert errors["short"]["own"].startswith("stage own: ArithmeticError: too short to tell")
    assert "own, stage_error, tried again" in broken.summary()
    assert "tries 1 failed item again" in broken.summary()

    mended = pipeline(films, tmp_path, Length(does_short=True), key="own").run()
    assert by_name(tmp_path, "own_num_seen") == {"long": 60, "short": 30}
    assert set(by_name(tmp_path, "errors").values()) == {"{}"}
    assert "failures" not in mended.summary()


def test_a_column_of_the_table_is_taken(films: Path, tmp_path: Path) -> None:
    class Uri(Length):
        """Writes a column that every video has."""

        name: ClassVar[str] = "own"
        writes: ClassVar[tuple[Column, ...]] = (Column("uri", pa.string(), "a place"),)

    with pytest.raises(SpecError, match="stage own writes uri, which is a column of every table: rename it"):
        pipeline(films, tmp_path, Uri()).run()


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        (
            (Length(), Reader()),
            "stage reader reads length:num_seen, which is known only when",
        ),
        (
            (Length(rejects_short=True),),
            "stage length sees whole videos and has rules: only a stage",
        ),
    ],
    ids=["read by clips", "rules"],
)
def test_what_would_never_be_seen_is_refused(
    films: Path, tmp_path: Path, stages: tuple[Stage, ...], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        pipeline(films, tmp_path, *stages).run()
