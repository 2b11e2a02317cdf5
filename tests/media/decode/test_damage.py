"""What is missing or damaged is named: all of it, frame by frame, and why nothing can be read."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pytest

from clipmill.dataset.rows.clip_rows import damage_columns
from clipmill.errors import UnreadableVideo
from clipmill.media.decode.damage import Damage
from clipmill.media.io.probe import probe
from clipmill.media.io.source import open_source
from clipmill.media.scan.scan import load_arrays, scan
from clipmill.media.types import DamagedFrames, ScanFacts, ScanPlan
from clipmill.records import VideoReason
from clipmill.stages.video.clipping.clip_extraction_stages import FixedStrideExtractorStage
from clipmill.state.schema import SPLIT_STATE
from clipmill.state.splits import splits_of
from tests.support.films.chirps import Codecs, curated, draw_chirp, join, recoded, worst_lag_s
from tests.support.films.container_films import CENC, PLAIN_X264, X264
from tests.support.films.scan_films import paint, read_code, read_codes, write_film
from tests.support.whole_split import split_video

pytestmark = pytest.mark.integration

SIZES = ((0, (128, 72)), (50, (160, 96)))
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}


def look(path: Path) -> ScanFacts:
    return scan(str(path), ScanPlan(), str(path.parent / "spool"))


def boxes(path: Path) -> list[tuple[bytes, bytes]]:
    """The name and the bytes of each box of a file."""
    data, found, at = path.read_bytes(), [], 0
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        found.append((data[at + 4 : at + 8], data[at : at + size]))
        at += size
    return found


def test_missing_fragments_are_counted(tmp_path: Path) -> None:
    options = {**X264, "sc_threshold": "0"}
    film = write_film(tmp_path / "a.mp4", range(60), options=options, mux=FRAGMENTED)
    assert not look(film).is_partial
    whole = boxes(film)
    moofs = [place for place, (name, _) in enumerate(whole) if name == b"moof"]
    left_out = {place + part for place in moofs[2:4] for part in (0, 1)}
    film.write_bytes(b"".join(data for place, (_, data) in enumerate(whole) if place not in left_out))
    facts = look(film)
    assert (facts.is_partial, facts.num_frames) == (True, 40)
    assert "2 fragments of 0.800 s are missing" in facts.partial_reason


def test_a_frame_shown_for_long_is_no_missing_fragment(tmp_path: Path) -> None:
    times = [*range(20), *range(60, 80)]
    facts = look(write_film(tmp_path / "a.mp4", times, options=PLAIN_X264, mux=FRAGMENTED))
    assert (facts.is_partial, facts.num_frames) == (False, 40)


def test_fragments_of_two_films_one_behind_the_other_are_all_shown(tmp_path: Path) -> None:
    parts = [
        draw_chirp(tmp_path / f"{first}.mp4", 75, first=first, container_options=FRAGMENTED)
        for first in (0, 75)
    ]
    found = curated(join(tmp_path / "film.mp4", *parts), tmp_path / "out")
    assert found.facts.repaired_times == "1 frames where timestamps jump back"
    assert [n for read in found.read for n in read.numbers] == list(range(150))
    assert worst_lag_s(found.read) < 0.045


@pytest.mark.parametrize("suffix", [".mp4", ".flv"])
def test_a_film_behind_another_that_is_not_read_is_named(tmp_path: Path, suffix: str) -> None:
    films = [draw_chirp(tmp_path / f"{name}{suffix}", 50) for name in "ab"]
    facts = look(join(tmp_path / f"film{suffix}", *films))
    assert facts.num_frames == 50
    assert f"{films[1].stat().st_size} bytes hold another file, which is not read" in facts.partial_reason


@pytest.mark.parametrize("suffix", [".webm", ".mkv"])
def test_bytes_that_hold_no_packets_are_named(tmp_path: Path, suffix: str) -> None:
    film = draw_chirp(tmp_path / f"film{suffix}", 125)
    data = bytearray(film.read_bytes())
    at = data.rindex(bytes.fromhex("1f43b675")) - 40_000
    data[at : at + 6000] = bytes(6000)
    film.write_bytes(data)
    facts = look(film)
    assert "bytes could not be read" in facts.partial_reason
    assert facts.damaged


def test_a_webm_of_other_codecs_behind_another_makes_the_video_partial(tmp_path: Path) -> None:
    one = draw_chirp(tmp_path / "a.webm", 50)
    other = recoded(tmp_path / "b.webm", one, "-c:v", "copy", "-c:a", "libvorbis")
    assert not look(join(tmp_path / "same.webm", one, one)).partial_reason
    facts = look(join(tmp_path / "film.webm", one, other))
    assert "a file of other codecs follows (V_VP8, A_VORBIS)" in facts.partial_reason


def test_of_ogg_pages_only_damaged_ones_hold_no_packets(tmp_path: Path) -> None:
    """A page of some 60 kB of sound comes behind the pictures that lie behind it in the file."""
    source = draw_chirp(tmp_path / "a.mkv", 150, codecs=Codecs("libx264", "pcm_s16le", X264))
    sound = ("-c:a", "flac", "-af", "aresample=44100,asetnsamples=4096", "-sample_fmt", "s32")
    film = recoded(tmp_path / "film.ogv", source, "-c:v", "libtheora", "-q:v", "5", *sound)
    assert not look(film).partial_reason
    data = bytearray(film.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 100] = bytes(100)
    film.write_bytes(data)
    assert "bytes could not be read" in look(film).partial_reason


def test_a_picture_before_a_change_of_size_is_kept(tmp_path: Path) -> None:
    parts = [draw_chirp(tmp_path / f"{first}.mpg", 50, first=first, size=size) for first, size in SIZES]
    found = curated(join(tmp_path / "film.mpg", *parts), tmp_path / "out")
    assert [n for read in found.read for n in read.numbers] == list(range(100))


def test_an_encrypted_film_is_called_so(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mp4", range(30), options=PLAIN_X264, mux=CENC)
    with open_source(str(film)) as reader, pytest.raises(UnreadableVideo, match="encrypted") as inspected:
        probe(reader, str(film))
    with pytest.raises(UnreadableVideo, match="encrypted") as scanned:
        look(film)
    assert inspected.value.reason == scanned.value.reason == VideoReason.ENCRYPTED


def test_scrambled_television_is_called_encrypted(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.ts", range(60), options=PLAIN_X264)
    packets = np.frombuffer(film.read_bytes(), np.uint8).reshape(-1, 188).copy()
    is_video = (packets[:, 1] & 0x1F == 1) & (packets[:, 2] == 0)  # PID 0x100
    packets[is_video, 3] |= 0x80
    packets[is_video, 4:] = np.random.default_rng(1).integers(0, 256, (int(is_video.sum()), 184))
    film.write_bytes(packets.tobytes())
    with open_source(str(film)) as reader, pytest.raises(UnreadableVideo, match="scrambled") as inspected:
        probe(reader, str(film))
    assert inspected.value.reason == VideoReason.ENCRYPTED


def test_matroska_that_is_encrypted_is_called_so(tmp_path: Path) -> None:
    """The name of the track gives way to a description of the encryption, as WebM has it."""
    film = write_film(tmp_path / "a.mkv", range(30), options=PLAIN_X264)
    with av.open(str(film)) as source, av.open(str(tmp_path / "b.mkv"), "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        stream.metadata["title"] = "A" * 40
        for packet in (packet for packet in source.demux(video=0) if packet.size):
            packet.stream = stream
            output.mux(packet)
    content = (tmp_path / "b.mkv").read_bytes()
    name = ebml("536e", b"A" * 40)
    assert content.count(name) == 1
    scheme = ebml("5035", ebml("47e1", b"\5") + ebml("47e2", b"k" * 15))
    kind = ebml("5031", b"\0") + ebml("5032", b"\1") + ebml("5033", b"\1")
    encrypted = ebml("6d80", ebml("6240", kind + scheme))
    assert len(encrypted) == len(name)
    (tmp_path / "b.mkv").write_bytes(content.replace(name, encrypted))
    with pytest.raises(UnreadableVideo, match="encrypted") as scanned:
        look(tmp_path / "b.mkv")
    assert scanned.value.reason == VideoReason.ENCRYPTED


def ebml(name: str, data: bytes) -> bytes:
    return bytes.fromhex(name) + bytes([0x80 | len(data)]) + data


@pytest.mark.parametrize(("opacity", "said"), [(255, ""), (90, "its transparency was left out")])
def test_transparency_is_said_where_there_is_any(tmp_path: Path, opacity: int, said: str) -> None:
    with av.open(str(tmp_path / "a.mov"), "w") as output:
        stream = output.add_stream("qtrle", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 54, "argb"
        for code in range(4):
            picture = np.dstack([np.full((54, 96), opacity, np.uint8), paint(code)])
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="argb")))
        output.mux(stream.encode(None))
    assert look(tmp_path / "a.mov").oddities == said


def test_two_pictures_in_one_packet_have_times_of_their_own(tmp_path: Path) -> None:
    drawn, film = write_film(tmp_path / "a.mkv", range(60), options=PLAIN_X264), tmp_path / "a.avi"
    recoded(film, drawn, "-c:v", "libxvid", "-bf", "2", "-b:v", "2M")
    facts = look(film)
    arrays = load_arrays(str(tmp_path / "spool"))
    codes = read_codes(arrays.thumbnails)
    assert codes == list(range(len(codes)))
    assert len(codes) >= 57  # the encoder keeps the last ones
    np.testing.assert_allclose(arrays.times_s[:-1], np.arange(len(codes)) / 25, atol=0.041)
    assert facts.repaired_times == "1 frames without a timestamp"  # the last one
    shown: list[int] = []
    for clip in curated(film, tmp_path / "out", clip_s=1.0).clips:
        with av.open(clip.path) as container:
            shown += [read_code(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    assert shown == codes


def test_a_clock_of_milliseconds_costs_no_clip(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mkv", range(48), time_base=Fraction(1, 24), options=PLAIN_X264)
    facts = look(film)
    assert facts.duration_s < 2
    split = split_video("film", facts, load_arrays(str(tmp_path / "spool")), FixedStrideExtractorStage())
    assert [clip.frames.num_frames for clip in split.clips] == [48]


# --- damage


def test_every_cause_is_named_once() -> None:
    damage = Damage()
    for at_s in (1.0, 2.5, 3.0):
        damage.note("a picture is damaged", at_s=at_s)
    damage.note("the file ends", at_s=9.0)
    assert (
        str(damage)
        == "at 1.000 s: a picture is damaged (3 times, last at 3.000 s); at 9.000 s: the file ends"
    )
    for number in range(20):
        damage.note(f"cause {number}", at_s=9.0)
    assert str(damage).endswith("; 14 more faults")


def test_damaged_frames_are_named(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mkv", range(60), options={**PLAIN_X264, "x264-params": "slices=1"})
    with av.open(str(film)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    data = bytearray(film.read_bytes())
    for packet in packets[25:27]:
        start = data.index(bytes(packet))
        data[start : start + packet.size] = b"\xff" * packet.size
    film.write_bytes(data)
    facts = look(film)
    assert facts.is_partial
    hit = sum(one.num_patched + one.num_lost for one in facts.damaged)
    assert 1 <= hit <= 6
    assert all(20 <= one.start_frame <= 30 for one in facts.damaged)


def test_damage_of_a_clip_is_its_share_and_its_first_place() -> None:
    def clip(start: int, end: int) -> dict[str, object]:
        return {"clip_id": f"{start}", "start_frame": start, "end_frame": end, "start_s": start / 10}

    def run(frame: DamagedFrames) -> dict[str, object]:
        return {**vars(frame), "start_s": frame.start_frame / 10}

    damaged = [run(DamagedFrames(8, num_patched=4)), run(DamagedFrames(15, num_lost=10))]
    rows = [
        {"id": "whole", "clips": [clip(0, 10)], "damaged": None},
        {"id": "hit", "clips": [clip(0, 10), clip(10, 20), clip(20, 30)], "damaged": damaged},
    ]
    columns = damage_columns(splits_of(pa.Table.from_pylist(rows, schema=SPLIT_STATE)))
    assert columns["damage"].to_pylist() == pytest.approx([0, 0.2, 12 / 20, 0])
    assert columns["damage_start_s"].to_pylist() == [None, 0.8, 1.0, None]
