"""Segments of one video in several codec processes give the pieces of one pass."""

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clipmill.engine.graph import build_operators
from clipmill.engine.scan import scan_driver, segmented_scan
from clipmill.engine.scan.frame_buffer import FrameBuffer
from clipmill.engine.scan.scan_driver import WHOLE, Passes
from clipmill.engine.scan.segmented_scan import skip_frames
from clipmill.engine.work import Work
from clipmill.errors import UnreadableVideo
from clipmill.media.io.probe import inspect_source
from clipmill.media.scan.scan import load_arrays, scan
from clipmill.media.scan.spool import ScanSegment
from clipmill.media.scan.tracks import named_arrays, tracks_in
from clipmill.media.types import ScanFacts, ScanPlan
from clipmill.planning.from_spec import plan_of_spec
from clipmill.records import SourceFile, VideoReason
from clipmill.sandbox.runner import InThisProcess
from tests.support.films.scan_films import read_codes, write_film
from tests.support.runs.curation import plain_spec
from tests.support.scan_plans import plan_of

pytestmark = pytest.mark.integration


PLAN = plan_of(motion_fps=10.0, quality_fps=7.0, frames_fps=6.0, height_px=36, piece_frames=40)
KEYS = "keyint=12:min-keyint=12:scenecut=0:log-level=none"
CLOSED = {"preset": "veryfast", "x264-params": f"open-gop=0:bframes=3:{KEYS}"}
RUN = plan_of_spec(plain_spec(), source="films", output="out")


@pytest.fixture(autouse=True)
def short_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmented_scan, "SEGMENT_FRAMES", 20)
    monkeypatch.setattr(scan_driver, "LONG_S", 1.0)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments are scanned by threads, which takes no time to start."""
    for module in (segmented_scan, scan_driver):
        monkeypatch.setattr(module, "codec_runner", lambda _: InThisProcess())


def work_of(film: Path) -> Work:
    source = SourceFile(str(film), film.stat().st_size, "1")
    facts = inspect_source(source, limits=RUN.limits).facts
    assert facts is not None
    return Work(source, "feed" * 8, facts)


def passed(
    film: Path, spool: Path, *, width: int, plan: ScanPlan = PLAN
) -> tuple[list[ScanSegment], ScanFacts]:
    pieces: list[ScanSegment] = []
    running = Passes(RUN, width=width).pieces(work_of(film), plan, str(spool))
    while True:
        try:
            pieces.append(next(running))
        except StopIteration as end:
            return pieces, end.value[0]


def assert_whole(pieces: list[ScanSegment], film: Path, folder: Path) -> None:
    """The pieces are what one pass leaves."""
    scan(str(film), replace(PLAN, piece_frames=None), str(folder / "whole"))
    whole = load_arrays(str(folder / "whole"))
    buffer = FrameBuffer()
    for piece in pieces:
        buffer.append(piece.arrays)
    found = named_arrays(buffer.part(0, buffer.num_frames))
    found["pts"], found["times_s"] = buffer.pts, buffer.times_s
    assert all(np.array_equal(found[name], array) for name, array in named_arrays(whole).items())


def test_segments_in_two_processes_are_one_pass(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mp4", range(130), options=CLOSED)
    pieces, facts = passed(film, tmp_path / "spool", width=2)
    assert len(pieces) == 5
    assert facts.num_frames == 130
    assert_whole(pieces, film, tmp_path)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("asked", "num_pieces"), [({"decoder": "auto"}, 5), ({"piece_frames": WHOLE}, 1)], ids=["auto", "whole"]
)
def test_what_is_asked_of_the_pass_decides_whether_it_is_segments(
    tmp_path: Path, asked: dict[str, object], num_pieces: int
) -> None:
    film = write_film(tmp_path / "a.mp4", range(130), options=CLOSED)
    plan = replace(PLAN, **asked)
    pieces, facts = passed(film, tmp_path / "spool", width=2, plan=plan)
    assert len(pieces) == num_pieces
    assert facts.num_frames == 130


@pytest.mark.usefixtures("here")
def test_video_without_borders_is_one_pass_and_the_log_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("logging.Logger.propagate", True, raising=False)
    film = write_film(tmp_path / "a.mp4", range(60), options={"preset": "veryfast", "g": "250"})
    with caplog.at_level("INFO", logger="clipmill.engine.scan.scan_driver"):
        pieces, _ = passed(film, tmp_path / "spool", width=2)
    assert [len(piece.arrays.is_key) for piece in pieces] == [40, 20]
    assert "in one pass: it has no key pictures" in caplog.text


def test_rest_is_all_that_is_behind(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mp4", range(60), options=CLOSED)
    scan(str(film), replace(PLAN, piece_frames=None), str(tmp_path / "whole"))
    whole = load_arrays(str(tmp_path / "whole"))
    rest = skip_frames(ScanSegment(whole, "said"), 25)
    assert read_codes(rest.arrays.thumbnails) == list(range(25, 60))
    assert rest.arrays.pts.tolist() == whole.pts[25:].tolist()
    for track, samples in tracks_in(rest.arrays).items():
        before = tracks_in(whole)[track].frames
        assert samples.frames.tolist() == before[before >= 25].tolist()
        assert all(len(value) == len(samples.frames) for value in samples.values)
    assert rest.repaired_times == "said"


@pytest.mark.usefixtures("here")
def test_fault_found_late_leaves_what_was_handed_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = write_film(tmp_path / "a.mp4", range(130), options=CLOSED)
    whole_next_piece = segmented_scan.next_piece
    handed_out: list[ScanSegment] = []

    def next_piece(one: segmented_scan.Running, joining: segmented_scan.Joining) -> ScanSegment:
        if len(handed_out) == 2:
            raise segmented_scan.SegmentFault("a picture is damaged")
        handed_out.append(whole_next_piece(one, joining))
        return handed_out[-1]

    monkeypatch.setattr(segmented_scan, "next_piece", next_piece)
    pieces, facts = passed(film, tmp_path / "spool", width=2)
    assert len(pieces) == 3
    assert facts.num_frames == 130
    assert_whole(pieces, film, tmp_path)


@pytest.mark.usefixtures("here")
def test_a_process_that_ends_does_not_wait_for_a_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_daemon: list[bool] = []

    def scan_and_cut(*_: object, **__: object) -> None:
        in_daemon.append(threading.current_thread().daemon)
        raise UnreadableVideo("a.mp4", VideoReason.NO_FRAMES, "it is empty")

    monkeypatch.setattr(scan_driver, "scan_and_cut", scan_and_cut)
    with pytest.raises(UnreadableVideo):
        passed(write_film(tmp_path / "a.mp4", range(5)), tmp_path / "spool", width=1)
    assert in_daemon == [True]


@pytest.mark.parametrize(
    ("num_videos", "width"), [(1, 8), (3, 2), (8, 1), (100, 1)], ids=["one", "few", "enough", "many"]
)
def test_cores_that_videos_leave_idle_scan_segments(num_videos: int, width: int) -> None:
    scanner, *_ = build_operators(RUN, num_cpus=8, num_videos=num_videos)
    assert getattr(scanner.make, "arguments")[1] == width  # noqa: B009 - of a private closure
