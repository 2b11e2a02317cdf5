"""Clips that newly pass are decoded alone where that saves work, with the results of a whole pass."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from clipmill.engine.scan.scan_driver import Passes
from clipmill.engine.scan.span_pass import LEAD_S, PARTIAL, first_pts_of, is_inside, wanted_spans
from clipmill.engine.work import Work
from clipmill.media.scan.span_scan import SourceSpan, SpanFault, merged_spans
from clipmill.media.types import ScanPlan
from clipmill.pipeline import Pipeline
from clipmill.records import FrameSpan
from clipmill.specs import CurateSpec
from clipmill.stages.reads import Motion, rate
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage
from clipmill.stages.video.filtering.quality_filter import Bounds, QualityFilterStage
from clipmill.stages.video.io.video_reader import VideoReader
from clipmill.tasks.video import VideoTask
from tests.support.films.small_films import draw_film
from tests.support.hand_made import FACTS, SPANS, span, work, writer
from tests.support.runs.curation import curate_here, laps, plain_spec, published_files, rows

pytestmark = pytest.mark.integration


PLAN = ScanPlan()


def lacking(*clips: int, **fields: object) -> Work:
    """A plain video of a minute, of which some clips lack something."""
    facts = replace(FACTS, duration_s=60.0, num_frames=1440)
    made = tuple(span(index) for index in clips)
    return replace(work(), **{"facts": facts, "clips": made, "is_plain": True, **fields})  # pyright: ignore[reportArgumentType] by name


def test_clips_that_touch_or_overlap_share_a_span() -> None:
    shifted = replace(SPANS[1], frames=FrameSpan(60, 150), start_pts=60, end_pts=150)
    assert merged_spans([shifted, span(9), SPANS[1], SPANS[0]]) == [
        SourceSpan(FrameSpan(0, 150), 0, 150),
        SourceSpan(FrameSpan(432, 480), 432, 480),
    ]


def test_a_clip_inside_a_longer_one_does_not_shorten_the_span() -> None:
    inside = replace(SPANS[0], frames=FrameSpan(10, 20), start_pts=10, end_pts=20)
    assert merged_spans([SPANS[0], inside]) == [SourceSpan(FrameSpan(0, 48), 0, 48)]


def test_spans_are_decoded_where_they_are_a_small_part() -> None:
    assert wanted_spans(lacking(2, 20), PLAN) == merged_spans([span(2), span(20)])


@pytest.mark.parametrize(
    "changed",
    [
        {"clips": None},
        {"is_plain": False},
        {"video_lacks": frozenset({"video_frames"})},
        {"clips": tuple(span(index) for index in range(0, 30, 3))},
        {"facts": replace(FACTS, duration_s=LEAD_S + 2)},
    ],
    ids=["not split", "damaged or repaired", "whole video", "most of it", "short"],
)
def test_a_video_is_decoded_as_a_whole_otherwise(changed: dict[str, object]) -> None:
    assert wanted_spans(lacking(2, **changed), PLAN) == []


@pytest.mark.parametrize(
    "plan",
    [ScanPlan(decoder="nvdec"), ScanPlan(samples=(Motion(rate(2), "vectors"),))],
    ids=["nvdec", "vectors"],
)
def test_a_decoder_that_needs_the_beginning_decodes_as_a_whole(plan: ScanPlan) -> None:
    assert wanted_spans(lacking(2), plan) == []


def test_first_frame_is_found_from_any_clip() -> None:
    late = replace(span(3), start_pts=span(3).start_pts + 777)
    assert first_pts_of(lacking(0)) == 0
    assert first_pts_of(lacking(clips=(late,))) == 777


def test_a_clip_belongs_to_the_span_that_covers_it() -> None:
    first, second = merged_spans([span(0), span(1), span(5)])
    assert [is_inside(span(1), one) for one in (first, second)] == [True, False]
    assert [is_inside(span(5), one) for one in (first, second)] == [False, True]


# --- in a run


def spec(least: float | None) -> CurateSpec:
    bounds = {} if least is None else {"sharpness": {"min": least}}
    content = {"min_length_s": 0.5, "crop_s": 0.0}
    return plain_spec(
        split={"content": content},
        quality=bounds,
        preview={"target_height": 90},
        frames={"write": True, "target_fps": [3.0]},
    )


def scans(output: Path) -> list[str]:
    """What each chunk of a run's scan was."""
    return [str(lap["detail"]) for lap in laps(output) if lap["operator"] == "scan"]


def lowered(film: Path, output: Path) -> list[str]:
    """Runs over a film with a threshold that two clips miss, and then without; what the second scan did.

    What it leaves is what a run without the threshold leaves.
    """
    curate_here(film.parent, output, spec(None))
    fresh = published_files(output)
    sharpness = sorted(float(str(row["sharpness"])) for row in rows(output, "clips"))
    shutil.rmtree(output)
    curate_here(film.parent, output, spec(sharpness[1] + 1e-6))
    shutil.rmtree(output / "runs")
    curate_here(film.parent, output, spec(None))
    assert len(rows(output, "clips")) == len(sharpness)
    assert without_report(published_files(output)) == without_report(fresh)
    return scans(output)


def without_report(files: dict[str, bytes]) -> dict[str, bytes]:
    """The report counts what its own run did."""
    return {name: data for name, data in files.items() if name != "report.html"}


SHOTS = (60, 55, 70, 65, 60, 58, 62, 66)


@pytest.mark.usefixtures("shared_codec")
def test_clips_that_newly_pass_are_those_of_a_whole_pass(tmp_path: Path) -> None:
    film = draw_film(tmp_path / "films" / "film.mp4", seed=12, shots=SHOTS)
    assert lowered(film, tmp_path / "out") == [PARTIAL] * 2


@pytest.mark.usefixtures("shared_codec")
def test_a_damaged_video_is_decoded_as_a_whole(tmp_path: Path) -> None:
    film = draw_film(tmp_path / "films" / "film.mp4", seed=12, shots=SHOTS)
    data = bytearray(film.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 200] = b"\xff" * 200
    film.write_bytes(data)
    assert PARTIAL not in lowered(film, tmp_path / "out")
    assert rows(tmp_path / "out", "videos")[0]["is_partial"]


@pytest.mark.usefixtures("shared_codec")
def test_a_video_with_repaired_times_is_decoded_as_a_whole(tmp_path: Path) -> None:
    film = draw_film(tmp_path / "films" / "film.avi", seed=12, shots=SHOTS)
    assert PARTIAL not in lowered(film, tmp_path / "out")
    assert "without a timestamp" in str(rows(tmp_path / "out", "videos")[0]["oddities"])


@pytest.mark.usefixtures("shared_codec")
def test_a_span_that_does_not_decode_alone_is_left_to_a_whole_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise SpanFault("a span has other frames")

    monkeypatch.setattr(Passes, "spans", fail)
    film = draw_film(tmp_path / "films" / "film.mp4", seed=12, shots=SHOTS)
    details = lowered(film, tmp_path / "out")
    assert details
    assert PARTIAL not in details


class Looker:
    """Notes of each task whether the whole source is shown."""

    name = "looker"
    seen: ClassVar[list[bool]] = []

    def process(self, task: VideoTask) -> VideoTask:
        self.seen.append(task.data.frame_array is not None)
        return task


@pytest.mark.usefixtures("shared_codec")
def test_a_process_stage_that_may_look_at_all_of_a_video_gets_it_whole(tmp_path: Path) -> None:
    film = draw_film(tmp_path / "films" / "film.mp4", seed=12, shots=SHOTS)
    output = tmp_path / "out"

    def run(least: float | None) -> None:
        quality = QualityFilterStage(sharpness=Bounds(min=least))
        cuts = ContentClipExtractionStage(min_length_s=0.5, crop_s=0.0)
        stages = [VideoReader(input_video_path=str(film.parent)), cuts, quality, Looker()]
        Looker.seen.clear()
        Pipeline("looking", stages=[*stages, writer(str(output), source=str(film.parent))]).run()

    run(None)
    sharpness = sorted(float(str(row["sharpness"])) for row in rows(output, "clips"))
    shutil.rmtree(output)
    run(sharpness[1] + 1e-6)
    shutil.rmtree(output / "runs")
    run(None)
    assert PARTIAL not in scans(output)
    assert Looker.seen == [True]
