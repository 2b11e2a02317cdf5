"""A video scanned in segments is the video scanned in one pass; frames carry their number."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clipmill.errors import UnreadableVideo
from clipmill.media.scan.packet_index import PacketIndex, Segment, index_packets, segments_of
from clipmill.media.scan.scan import load_arrays, scan
from clipmill.media.scan.segments import Joining, SegmentFault, scan_segment
from clipmill.media.scan.tracks import named_arrays
from clipmill.media.types import ScanArrays, ScanFacts
from clipmill.specs import LimitsSpec
from tests.support.films.scan_films import read_codes, write_film
from tests.support.scan_plans import plan_of

pytestmark = pytest.mark.integration


PLAN = plan_of(motion_fps=10.0, quality_fps=7.0, frames_fps=6.0, height_px=36)
LIMITS = LimitsSpec()
KEYS = "keyint=12:min-keyint=12:scenecut=0"
CLOSED = {"preset": "veryfast", "x264-params": f"open-gop=0:bframes=3:{KEYS}:log-level=none"}
OPEN = {"preset": "veryfast", "x264-params": f"open-gop=1:bframes=3:{KEYS}:log-level=none"}
X265 = {"preset": "ultrafast", "x265-params": f"log-level=none:bframes=4:open-gop=1:{KEYS}"}
REFRESH = {"preset": "veryfast", "x264-params": f"intra-refresh=1:bframes=0:{KEYS}:log-level=none"}


MIN_FRAMES = 20


def in_segments(film: Path, folder: Path) -> tuple[list[ScanArrays], ScanFacts, PacketIndex]:
    index = index_packets(str(film), PLAN, MIN_FRAMES, limits=LIMITS)
    joining = Joining()
    parts: list[ScanArrays] = []
    for number, segment in enumerate(index.segments):
        spool = str(folder / str(number))
        facts = scan_segment(str(film), PLAN, segment, index.segments[0].start_pts, spool, limits=LIMITS)
        parts.append(joining.add(load_arrays(spool), facts, is_last=segment.end_pts is None))
    return parts, joining.facts(index), index


def together(parts: list[ScanArrays], name: str) -> np.ndarray:
    rows = [named_arrays(part)[name] for part in parts]
    return np.concatenate([part for part in rows if len(part)] or rows[:1])


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", CLOSED),
        ("a.mkv", "libx264", CLOSED),
        ("a.mp4", "libx265", X265),
        ("a.mkv", "libx265", X265),
        ("a.mp4", "mpeg4", {"g": "12"}),
    ],
    ids=["x264 in mp4", "x264 in mkv", "x265 in mp4", "x265 in mkv", "mpeg4"],
)
def test_segments_are_one_pass(tmp_path: Path, name: str, codec: str, options: dict[str, str]) -> None:
    film = write_film(tmp_path / name, range(130), codec=codec, options=options, sound=True)
    whole_facts = scan(str(film), PLAN, str(tmp_path / "whole"))
    whole = load_arrays(str(tmp_path / "whole"))
    parts, facts, index = in_segments(film, tmp_path)
    assert len(index.segments) >= 4
    assert read_codes(together(parts, "thumbnails")) == list(range(130))
    for name, array in named_arrays(whole).items():
        assert np.array_equal(together(parts, name), array), name
    assert replace(facts, cpu_s=0.0, bytes_read=0) == replace(whole_facts, cpu_s=0.0, bytes_read=0)


def test_open_gop_of_x264_has_no_border_but_idr_pictures(tmp_path: Path) -> None:
    """Its recovery points are no borders; so all of it is one pass."""
    film = write_film(tmp_path / "a.mp4", range(130), options=OPEN)
    index = index_packets(str(film), PLAN, MIN_FRAMES, limits=LIMITS)
    assert index.segments == ()
    assert "no key pictures" in index.whole_because


def test_intra_refresh_is_one_pass_and_says_so(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mp4", range(130), options=REFRESH)
    index = index_packets(str(film), PLAN, MIN_FRAMES, limits=LIMITS)
    assert index.segments == ()
    assert "no key pictures" in index.whole_because


def test_container_without_an_index_is_one_pass(tmp_path: Path) -> None:
    index = index_packets(
        str(write_film(tmp_path / "a.ts", range(60), options=CLOSED)), PLAN, MIN_FRAMES, limits=LIMITS
    )
    assert index.segments == ()
    assert "no index" in index.whole_because


def test_file_that_ends_too_early_is_one_pass(tmp_path: Path) -> None:
    """Its packets are all whole; only the headers say that there should be more."""
    film = write_film(tmp_path / "a.mkv", range(130), options=CLOSED)
    cut_off = tmp_path / "b.mkv"
    cut_off.write_bytes(film.read_bytes()[: film.stat().st_size * 2 // 3])
    assert scan(str(cut_off), PLAN, str(tmp_path / "whole")).is_partial
    index = index_packets(str(cut_off), PLAN, MIN_FRAMES, limits=LIMITS)
    assert index.segments == ()
    assert "the file ends" in index.whole_because


def test_film_that_lasts_longer_than_allowed_is_refused_by_its_packets(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mp4", range(130), options=CLOSED)
    with pytest.raises(UnreadableVideo, match=r"more than 5\.0 s"):
        index_packets(str(film), PLAN, MIN_FRAMES, limits=LimitsSpec(max_duration_s=5.0))


def test_vfr_film_in_segments_has_the_times_of_one_pass(tmp_path: Path) -> None:
    steps = np.random.default_rng(3).integers(1, 4, 130)
    film = write_film(tmp_path / "a.mkv", np.cumsum(steps).tolist(), options=CLOSED)
    whole_facts = scan(str(film), PLAN, str(tmp_path / "whole"))
    parts, facts, _ = in_segments(film, tmp_path)
    assert np.array_equal(together(parts, "times_s"), load_arrays(str(tmp_path / "whole")).times_s)
    assert facts.is_vfr
    assert facts.duration_s == whole_facts.duration_s


def test_segment_with_fewer_frames_than_packets_is_a_fault(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mp4", range(60), options=CLOSED)
    first, *_ = index_packets(str(film), PLAN, MIN_FRAMES, limits=LIMITS).segments
    promised = replace(first, num_frames=first.num_frames + 1)
    with pytest.raises(SegmentFault, match=f"gave {first.num_frames} frames"):
        scan_segment(str(film), PLAN, promised, 0, str(tmp_path / "spool"), limits=LIMITS)


def test_frames_before_the_start_are_dropped_not_shown(tmp_path: Path) -> None:
    """A CRA picture is followed by pictures shown before it, which cannot be decoded without those before."""
    film = write_film(tmp_path / "a.mp4", range(130), codec="libx265", options=X265)
    segments = index_packets(str(film), PLAN, MIN_FRAMES, limits=LIMITS).segments
    facts = scan_segment(
        str(film), PLAN, segments[1], segments[0].start_pts, str(tmp_path / "spool"), limits=LIMITS
    )
    codes = read_codes(load_arrays(str(tmp_path / "spool")).thumbnails)
    assert codes == list(range(segments[0].num_frames, segments[0].num_frames + facts.num_frames))


def test_segments_that_look_other_are_a_fault(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mp4", range(60), options=CLOSED)
    first, *_ = index_packets(str(film), PLAN, MIN_FRAMES, limits=LIMITS).segments
    facts = scan_segment(str(film), PLAN, first, 0, str(tmp_path / "spool"), limits=LIMITS)
    joining = Joining()
    joining.add(load_arrays(str(tmp_path / "spool")), facts, is_last=False)
    with pytest.raises(SegmentFault, match="changes"):
        joining.add(load_arrays(str(tmp_path / "spool")), replace(facts, look="9x9 "), is_last=False)


@pytest.mark.parametrize(
    ("keys", "starts"),
    [
        ([0, 25, 50, 75], [0, 25, 50, 75]),
        ([0, 10, 19, 40, 45], [0, 40]),
        ([0, 90], []),
        ([0], []),
        ([5, 50], []),
    ],
    ids=["far apart", "too near", "too near the end", "one", "none at the start"],
)
def test_borders_are_key_pictures_far_enough_apart(keys: list[int], starts: list[int]) -> None:
    segments = segments_of(keys, np.arange(100), min_frames=MIN_FRAMES)
    assert [segment.start_pts for segment in segments] == starts
    assert sum(segment.num_frames for segment in segments) in (0, 100)


def test_last_segment_has_no_end() -> None:
    assert segments_of([0, 50], np.arange(100), min_frames=MIN_FRAMES) == (
        Segment(0, 50, 50),
        Segment(50, None, 50),
    )


def test_times_that_come_twice_leave_one_pass() -> None:
    assert segments_of([0, 50], np.array([*range(99), 60]), min_frames=MIN_FRAMES) == ()
