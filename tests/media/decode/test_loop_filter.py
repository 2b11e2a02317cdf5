"""Draft pictures: other values at the same times, and never in a clip file."""

from pathlib import Path

import numpy as np
import pytest

from clipmill.engine.scan.single_pass import same_pass
from clipmill.limits import LimitsSpec
from clipmill.media.scan.scan import load_arrays, scan
from clipmill.media.scan.span_scan import SourceSpan, load_span, scan_spans
from clipmill.media.types import ScanArrays, ScanPlan
from clipmill.planning.plan import plan_of
from clipmill.records import FrameSpan
from clipmill.stages.video.clipping.clip_extraction_stages import (
    ClipTranscodingStage,
    FixedStrideExtractorStage,
)
from clipmill.stages.video.io.video_reader import VideoReader
from tests.support.films.numbered_films import draw
from tests.support.hand_made import work

pytestmark = pytest.mark.integration

ROUGH = {"crf": "40", "g": "25", "bf": "2", "sc_threshold": "0"}


def look(path: Path, plan: ScanPlan) -> ScanArrays:
    scan(str(path), plan, str(path.parent / plan.quality))
    return load_arrays(str(path.parent / plan.quality))


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_draft_pictures_are_rough_and_the_same_in_any_pass(tmp_path: Path, codec: str) -> None:
    options = ROUGH if codec == "libx264" else {"x265-params": "crf=44:keyint=25:log-level=none"}
    film = draw(tmp_path / "a.mp4", 60, codec=codec, options=options)
    exact, draft = look(film, ScanPlan()), look(film, ScanPlan(quality="draft"))
    np.testing.assert_array_equal(exact.pts, draft.pts)
    off = np.abs(exact.thumbnails.astype(int) - draft.thumbnails).mean()
    assert 0 < off < 9
    span = SourceSpan(FrameSpan(25, 50), *exact.pts[[25, 50]].tolist())
    scan_spans(str(film), ScanPlan(quality="draft"), [span], 0, str(tmp_path), limits=LimitsSpec())
    np.testing.assert_array_equal(load_span(str(tmp_path), 0, span).thumbnails, draft.thumbnails[25:50])


@pytest.mark.parametrize(("quality", "is_cut"), [("exact", True), ("draft", False)])
def test_clips_are_never_cut_in_a_draft_pass(quality: str, is_cut: bool) -> None:
    reader = VideoReader.model_validate({"input_video_path": "films", "decoder_quality": quality})
    made = plan_of([reader, FixedStrideExtractorStage(), ClipTranscodingStage()], limits=LimitsSpec())
    assert (same_pass(made, work(), out_dir="") is not None) == is_cut
