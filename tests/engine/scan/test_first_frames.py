"""A clip without an instant of a grid: its first frame stands for it, whichever way the video is decoded."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pytest

from clipmill.engine.scan.chunker import Chunker
from clipmill.engine.scan.first_frames import FirstFrames
from clipmill.engine.work import Work
from clipmill.limits import LimitsSpec
from clipmill.media.io.probe import probe
from clipmill.media.io.source import open_source
from clipmill.media.scan.clip_samples import ClipSamples
from clipmill.media.scan.scan import load_arrays, scan
from clipmill.media.scan.span_scan import load_span, merged_spans, scan_spans
from clipmill.media.types import ScanArrays, ScanPlan
from clipmill.records import ClipSpan, SourceFile
from clipmill.stages.base import Column, Frames, Reads, Stage
from tests.support.films.numbered_films import draw, read_number, source_pts, spans
from tests.support.hand_made import plan

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("shared_codec")]

EVERY_S, EVERY_2_S = Frames(Fraction(1), 72), Frames(Fraction(1, 2), 36)
CUTS = [(0, 10), (3, 9), (12, 20), (20, 30), (30, 49)]


class Often(Stage):
    name: ClassVar = "often"
    grain: ClassVar = "clip"
    writes: ClassVar = (Column("often", pa.float64(), "a number"),)

    def reads(self) -> Reads:
        return Reads(frames=EVERY_S)


class Seldom(Often):
    name: ClassVar = "seldom"
    writes: ClassVar = (Column("seldom", pa.float64(), "a number"),)

    def reads(self) -> Reads:
        return Reads(frames=EVERY_2_S)


PLAN = plan(Often(), Seldom())


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("first") / "film.mp4", 60, options={"g": "15"})


@pytest.fixture(scope="module")
def work(film: Path) -> Work:
    with open_source(str(film)) as reader:
        return Work(SourceFile(str(film), film.stat().st_size, "v1"), "film", probe(reader, str(film)))


@pytest.fixture(scope="module")
def clips(film: Path) -> list[ClipSpan]:
    return spans(60, *CUTS, pts=source_pts(film))


@pytest.fixture(scope="module")
def whole(film: Path, tmp_path_factory: pytest.TempPathFactory) -> ScanArrays:
    spool = str(tmp_path_factory.mktemp("whole"))
    scan(str(film), ScanPlan(samples=(EVERY_S, EVERY_2_S)), spool)
    return load_arrays(spool)


def seen(work: Work, clips: Sequence[ClipSpan], arrays: ScanArrays, read: Frames) -> list[ClipSamples]:
    chunks = Chunker(work, PLAN, {}, first=FirstFrames(PLAN)).chunks(clips, arrays)
    return [found for chunk in chunks for found in chunk.samples[read] if found is not None]


@pytest.mark.parametrize(
    ("read", "numbers"),
    [(EVERY_S, [[0], [3], [12], [25], [30]]), (EVERY_2_S, [[0], [3], [12], [20], [30]])],
    ids=["every second", "every two seconds"],
)
def test_it_is_the_frame_that_the_clip_begins_with(
    work: Work, clips: list[ClipSpan], whole: ScanArrays, read: Frames, numbers: list[list[int]]
) -> None:
    found = seen(work, clips, whole, read)
    assert [one.frames.tolist() for one in found] == numbers
    assert [one.times_s.tolist() for one in found] == [[first / 25 for first in each] for each in numbers]
    pictures = [one.values[0] for one in found]
    assert [list(map(read_number, each)) for each in pictures] == numbers
    assert {each.shape for each in pictures} == {(1, read.height_px, read.height_px * 16 // 9, 3)}


def test_a_decode_of_spans_sees_the_same(
    work: Work, clips: list[ClipSpan], whole: ScanArrays, film: Path, tmp_path: Path
) -> None:
    found = merged_spans(clips)
    reads = ScanPlan(samples=(EVERY_S, EVERY_2_S))
    scan_spans(str(film), reads, found, int(whole.pts[0]), str(tmp_path), limits=LimitsSpec())
    for number, span in enumerate(found):
        arrays = load_span(str(tmp_path), number, span)
        inside = [one for one in clips if span.start_pts <= one.start_pts < span.end_pts]
        for read in (EVERY_S, EVERY_2_S):
            pairs = zip(seen(work, inside, arrays, read), seen(work, inside, whole, read), strict=True)
            for ours, theirs in pairs:
                assert np.array_equal(ours.frames, theirs.frames)
                assert np.array_equal(ours.values[0], theirs.values[0])


def test_there_is_none_where_times_were_made_up(work: Work, clips: list[ClipSpan], whole: ScanArrays) -> None:
    found = seen(replace(work, repaired_times="2 frames"), clips, whole, EVERY_S)
    assert [one.frames.tolist() for one in found] == [[0], [], [], [25], []]
