"""Stages of whole videos see every sample once, in pieces of any length; what they raise is their own."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pytest

from clipmill.engine.chunk import Chunk
from clipmill.engine.scan.video_stages import VideoStages
from clipmill.media.scan.scan import scan
from clipmill.media.scan.spool import load_piece
from clipmill.media.types import ScanFacts, ScanPlan
from clipmill.planning.nodes import decode_reads
from clipmill.records import VideoFacts
from clipmill.stages.base import Column, Frames, Grain, Reads, Stage, StageContext, VideoPart, VideoWorker
from tests.support.films.scan_films import read_codes, write_film
from tests.support.hand_made import chunk, plan, work

NUM_FRAMES = 70


class Watcher(Stage):
    """Notes which frames it was shown, and when, and how many thumbnails."""

    name: ClassVar[str] = "watcher"
    grain: ClassVar[Grain] = "video"
    writes: ClassVar[tuple[Column, ...]] = (
        Column("codes", pa.list_(pa.int64()), "numbers drawn on the frames"),
        Column("numbers", pa.list_(pa.int64()), "numbers of the frames"),
        Column("times_s", pa.list_(pa.float64()), "their times"),
        Column("num_thumbnails", pa.int64(), "how many"),
    )

    fails_in: str = ""

    def reads(self) -> Reads:
        return Reads(frames=Frames(Fraction(25), 48), thumbnails=True)

    def open(self, context: StageContext) -> VideoWorker:
        return Watching(self.fails_in)


class Watching:
    """The worker of a ``Watcher``; raises an error in a method."""

    def __init__(self, fails_in: str) -> None:
        self._fails_in = fails_in
        self._codes: list[int] = []
        self._numbers: list[int] = []
        self._times_s: list[float] = []
        self._num_thumbnails = 0

    def begin(self, video_id: str, video: VideoFacts) -> None:
        self._may_fail("begin")

    def feed(self, part: VideoPart) -> None:
        self._may_fail("feed")
        (frames,) = part.frames
        assert part.thumbnails is not None
        assert len(part.thumbnails) == len(part.times_s)
        self._codes += read_codes(frames.frames)
        self._numbers += frames.numbers.tolist()
        self._times_s += frames.times_s.tolist()
        self._num_thumbnails += len(part.thumbnails)

    def finish(self, num_frames: int, duration_s: float) -> Mapping[str, object]:
        self._may_fail("finish")
        return {
            "codes": self._codes,
            "numbers": self._numbers,
            "times_s": self._times_s,
            "num_thumbnails": self._num_thumbnails,
        }

    def _may_fail(self, method: str) -> None:
        if method == self._fails_in:
            raise ArithmeticError("no such number")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_film(tmp_path_factory.mktemp("watched") / "film.mp4", range(NUM_FRAMES))


def watched(film: Path, spool: Path, piece_frames: int, stage: Stage) -> Chunk:
    """The last chunk of a video whose pass hands out pieces of so many frames."""
    made = plan(stage)
    reads = decode_reads(made.sampled)
    scan_plan = ScanPlan(reads.thumbnails, reads.samples, piece_frames=piece_frames)
    facts: ScanFacts = scan(str(film), scan_plan, str(spool))
    stages = VideoStages(made)
    stages.begin(work())
    number = 0
    while (piece := load_piece(str(spool), number)) is not None:
        stages.feed(piece)
        number += 1
    return stages.finish(chunk(), facts)


@pytest.mark.parametrize("piece_frames", [7, 16, 35, 1000])
def test_every_frame_is_shown_once_in_pieces_of_any_length(
    film: Path, tmp_path: Path, piece_frames: int
) -> None:
    made = watched(film, tmp_path / "spool", piece_frames, Watcher())
    (row,) = made.made["watcher"].to_pylist()
    assert row["outcome"] == "result"
    assert row["codes"] == row["numbers"] == list(range(NUM_FRAMES))
    np.testing.assert_allclose(row["times_s"], np.arange(NUM_FRAMES) / 25)
    assert row["num_thumbnails"] == NUM_FRAMES


@pytest.mark.parametrize("method", ["begin", "feed", "finish"])
def test_what_a_stage_raises_is_its_own_failure(film: Path, tmp_path: Path, method: str) -> None:
    made = watched(film, tmp_path / "spool", 16, Watcher(fails_in=method))
    (row,) = made.made["watcher"].to_pylist()
    assert (row["outcome"], row["reason"]) == ("retryable", "stage_error")
    assert row["message"].startswith("stage watcher: ArithmeticError: no such number\n")
    assert "in _may_fail" in row["message"]
    assert row["codes"] is None


class Undeclared(Watcher):
    """Answers what it did not declare."""

    name: ClassVar[str] = "undeclared"

    def open(self, context: StageContext) -> VideoWorker:
        worker = Watching("")
        worker.finish = lambda num_frames, duration_s: {"points": 1}  # pyright: ignore[reportAttributeAccessIssue] a fake
        return worker


def test_an_answer_that_does_not_fit_is_its_own_failure(film: Path, tmp_path: Path) -> None:
    made = watched(film, tmp_path / "spool", 16, Undeclared())
    (row,) = made.made["undeclared"].to_pylist()
    assert (row["outcome"], row["reason"]) == ("retryable", "bad_result")
    assert row["message"].startswith("stage undeclared: it returned column points")
