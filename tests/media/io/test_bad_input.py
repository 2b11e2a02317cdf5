"""Files that are damaged or lie: what decodes is used and named as partial, the rest is rejected by name."""

import random
import resource
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from clipmill.errors import CodecChildDied, UnreadableVideo
from clipmill.media.decode.limits import FREE_FRAMES
from clipmill.media.frames.timestamps import Timeline
from clipmill.media.io.container import demuxed
from clipmill.media.io.probe import inspect_source
from clipmill.media.scan.scan import load_arrays, scan
from clipmill.media.types import ScanArrays, ScanFacts
from clipmill.records import SourceFile, VideoReason
from clipmill.sandbox.process import CodecChild
from clipmill.specs import LimitsSpec
from tests.support.films.container_films import ENCODERS, PLAIN_X264
from tests.support.films.scan_films import read_codes, write_film
from tests.support.scan_plans import pictures, plan_of

pytestmark = pytest.mark.integration


EVERYTHING = plan_of(frames_fps=4.0, motion_fps=4.0, quality_fps=4.0)
SMALL = (48, 32)
VP8_START = b"\x9d\x01\x2a"
"""Start code of a VP8 key picture; its width and height follow, 14 bits each (RFC 6386, 9.1)."""


def look(path: Path, *, limits: LimitsSpec | None = None) -> tuple[ScanFacts, ScanArrays]:
    spool = str(path.parent / "spool")
    facts = scan(str(path), EVERYTHING, spool, limits=limits or LimitsSpec())
    return facts, load_arrays(spool)


def rejection(path: Path, *, limits: LimitsSpec | None = None) -> tuple[str, str]:
    with pytest.raises(UnreadableVideo) as caught:
        look(path, limits=limits)
    return caught.value.reason, str(caught.value)


def patch(path: Path, at: int, form: str, *values: float) -> Path:
    data = bytearray(path.read_bytes())
    struct.pack_into(form, data, at, *values)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_film_without_frames_is_rejected_by_name(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"empty.{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 54, "yuv420p"
        container.start_encoding()
    reason, message = rejection(path)
    assert reason in {VideoReason.NO_VIDEO_STREAM, VideoReason.UNREADABLE, VideoReason.NO_FRAMES}
    assert path.name in message


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "ts", "h264"])
def test_film_of_one_frame_is_whole(tmp_path: Path, suffix: str) -> None:
    facts, arrays = look(write_film(tmp_path / f"a.{suffix}", range(1), options=PLAIN_X264))
    assert (facts.num_frames, facts.duration_s, facts.is_partial) == (1, pytest.approx(0.04), False)
    assert len(pictures(arrays)) == 1


@pytest.mark.parametrize("factor", [0, 10])
def test_wrong_duration_in_mp4_headers_changes_nothing(tmp_path: Path, factor: int) -> None:
    path = write_film(tmp_path / "a.mp4", range(50), options=PLAIN_X264)
    for name, offset in ((b"mvhd", 20), (b"tkhd", 24), (b"mdhd", 20)):
        at = path.read_bytes().index(name) + offset
        patch(path, at, ">I", factor * struct.unpack_from(">I", path.read_bytes(), at)[0])
    facts, arrays = look(path)
    assert read_codes(arrays.thumbnails) == list(range(50))
    assert (facts.duration_s, facts.is_partial) == (2.0, False)


@pytest.mark.parametrize("duration_ms", [1.0, 1e30, float("nan")], ids=["short", "endless", "no number"])
def test_wrong_duration_in_matroska_changes_nothing(tmp_path: Path, duration_ms: float) -> None:
    path = write_film(tmp_path / "a.mkv", range(50), options=PLAIN_X264)
    facts, _ = look(patch(path, path.read_bytes().index(b"\x44\x89\x88") + 3, ">d", duration_ms))
    assert (facts.num_frames, facts.duration_s) == (50, 2.0)


def test_promised_frames_that_are_missing_make_a_film_partial(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.avi", range(50), options=PLAIN_X264)
    facts, _ = look(patch(path, path.read_bytes().index(b"strh") + 40, "<I", 5000))
    assert facts.num_frames == 50
    assert facts.partial_reason == "at 2.000 s: the file ends, its headers promise 200.000 s"


@pytest.mark.parametrize(("more", "num_frames"), [(25, 50), (-25, 25)], ids=["more", "fewer"])
def test_wrong_frame_count_in_mp4_gives_the_frames_there_are(
    tmp_path: Path, more: int, num_frames: int
) -> None:
    path = write_film(tmp_path / "a.mp4", range(50), options=PLAIN_X264)
    facts, arrays = look(patch(path, path.read_bytes().index(b"stsz") + 12, ">I", 50 + more))
    assert read_codes(arrays.thumbnails) == list(range(num_frames))
    assert facts.is_partial == (num_frames < 50)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_clock_that_jumps_ahead_costs_neither_time_nor_disk(tmp_path: Path, suffix: str) -> None:
    pts = [*range(10), *range(1_000_000, 1_000_010)]
    facts, arrays = look(write_film(tmp_path / f"a.{suffix}", pts, options=PLAIN_X264))
    assert facts.repaired_times == "1 frames where timestamps jump ahead"
    assert facts.duration_s == pytest.approx(0.8)
    assert len(pictures(arrays)) == 4
    assert read_codes(arrays.thumbnails) == list(range(20))


def test_clock_that_starts_again_soon_goes_on_at_its_rate() -> None:
    timeline = Timeline(Fraction(1, 1000))
    placed = [timeline.place(pts, 40) for pts in (0, 40, 80, 0, 40, 80)]
    assert placed == [0, 40, 80, 81, 121, 161]


@pytest.mark.parametrize("fps", [1, 1000])
def test_slow_and_fast_films_are_whole(tmp_path: Path, fps: int) -> None:
    path = write_film(
        tmp_path / "a.mp4", range(50), time_base=Fraction(1, fps), options=PLAIN_X264, size_px=SMALL
    )
    facts, arrays = look(path)
    assert read_codes(arrays.thumbnails) == list(range(50))
    assert facts.duration_s == pytest.approx(50 / fps)


def test_more_frames_a_second_than_the_limit_are_refused(tmp_path: Path) -> None:
    path = write_film(
        tmp_path / "a.mp4",
        range(FREE_FRAMES + 50),
        time_base=Fraction(1, 2000),
        options={**PLAIN_X264, "g": "250"},
        size_px=SMALL,
    )
    limits = LimitsSpec(max_framerate=10)
    reason, message = rejection(path, limits=limits)
    assert reason == VideoReason.OVER_LIMIT
    assert "more than 10 a second" in message


def test_headers_of_a_huge_picture_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    path = write_huge(tmp_path / "a.webm", range(5))
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reason, message = rejection(path)
    assert reason == VideoReason.OVER_LIMIT
    assert "16000x12000 are more than" in message
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 64 << 10


def test_size_in_the_headers_is_refused_before_decoding(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", range(2), options=PLAIN_X264)
    reason, message = rejection(path, limits=LimitsSpec(max_pixels=96 * 54 - 1))
    assert reason == VideoReason.OVER_LIMIT
    assert "96x54" in message


def test_huge_pictures_among_others_are_left_out_and_named(tmp_path: Path) -> None:
    facts, arrays = look(write_huge(tmp_path / "a.webm", [3]))
    assert read_codes(arrays.thumbnails) == [0, 1, 2, 4]
    assert facts.partial_reason.startswith("at 0.120 s: a picture of 16000x12000 is too large")


def write_huge(path: Path, which: range | list[int]) -> Path:
    """Five key pictures; those of ``which`` claim to be 16000x12000."""
    options = {"cpu-used": "8", "deadline": "realtime", "g": "1"}
    data = bytearray(write_film(path, range(5), codec="libvpx", options=options).read_bytes())
    at = -1
    for index in range(5):
        at = data.index(VP8_START, at + 1)
        if index in which:
            struct.pack_into("<HH", data, at + 3, 16000, 12000)
    path.write_bytes(data)
    return path


def test_stream_that_begins_after_the_opening_is_passed_over(tmp_path: Path) -> None:
    with av.open(str(write_film(tmp_path / "a.mkv", range(6), options=PLAIN_X264))) as film:
        packets = list(demuxed(cast(InputContainer, _GrowingContainer(film)), film.streams))
    assert sum(packet.size > 0 for packet in packets) == 6


class _GrowingContainer:
    """Fails as PyAV does at the packet of a stream it does not know: once, at the third packet."""

    def __init__(self, film: InputContainer) -> None:
        self._film, self.format = film, film.format
        self._num_packets = 0

    def demux(self, streams: list[Stream]) -> Iterator[Packet]:
        for packet in self._film.demux(streams):
            self._num_packets += 1
            yield packet
            if self._num_packets == 3:
                raise IndexError("list index out of range")


NUM_FLIPPED = 120


def test_flipped_bits_end_in_facts_or_in_a_named_rejection(tmp_path: Path) -> None:
    films = [
        write_film(tmp_path / f"{codec}.{suffix}", range(12), codec=encoder, options=options)
        for codec, suffix in FUZZED
        for encoder, options in [ENCODERS[codec]]
    ]
    rng = random.Random(7)
    outcomes = {"whole": 0, "damaged": 0, "rejected": 0}
    with CodecChild(memory_limit_bytes=4 << 30) as child:
        for index in range(NUM_FLIPPED):
            film = films[index % len(films)]
            path = tmp_path / f"flipped{film.suffix}"
            path.write_bytes(_flipped(film.read_bytes(), rng, num_bits=rng.choice([1, 5, 20, 100])))
            outcomes[_outcome(child, path)] += 1
    assert min(outcomes.values()) > 0, outcomes


FUZZED = [
    ("h264", "mp4"),
    ("hevc", "mkv"),
    ("vp9", "webm"),
    ("mpeg2", "ts"),
    ("mpeg4", "avi"),
    ("av1", "mp4"),
]


def _flipped(data: bytes, rng: random.Random, *, num_bits: int) -> bytes:
    flipped = bytearray(data)
    for _ in range(num_bits):
        bit = rng.randrange(8 * len(data))
        flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped)


def _outcome(child: CodecChild, path: Path) -> str:
    """Inspected and scanned in a codec process; anything but facts or a named end fails the test."""
    spool = str(path.parent / "spool")
    source = SourceFile(str(path), path.stat().st_size, "fuzz")
    try:
        child.run(inspect_source, source, limits=LimitsSpec(), timeout_s=20, stall_s=20)
        facts = child.run(scan, str(path), EVERYTHING, spool, timeout_s=20, stall_s=20)
    except (UnreadableVideo, CodecChildDied):
        return "rejected"
    arrays = load_arrays(spool)
    assert len(arrays.thumbnails) == facts.num_frames > 0
    assert (np.diff(arrays.pts) > 0).all()
    return "damaged" if facts.is_partial or facts.repaired_times else "whole"
