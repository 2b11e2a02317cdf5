"""Clips read back: frames tell their number and sound its time, whatever the file does in the middle."""

import random
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.packet import Packet

from clipmill.records import CutClip
from tests.support.films.chirps import (
    CODECS,
    FPS,
    X264,
    Codecs,
    Curated,
    Edit,
    ReadBack,
    curated,
    draw_chirp,
    join,
    read_back,
    worst_lag_s,
    zero_packets,
)

pytestmark = pytest.mark.integration

AUDIO_FRAME_S = 0.045
"""Sound is copied from within half a packet of the first picture; the pitch tells the time to some 20 ms."""

MODES = ("libx264", "smart", "copy")
TS_AAC = Codecs("libx264", "aac", X264)
JOINABLE = (".ts", ".mpg", ".webm", ".mkv")

Film = Callable[..., Path]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    folder, made = tmp_path_factory.mktemp("chirps"), dict[str, Path]()

    def drawn(suffix: str, first: int = 0) -> Path:
        name = f"from{first}{suffix}"
        if name not in made:
            made[name] = draw_chirp(folder / name, 125, first=first)
        return made[name]

    return drawn


def is_whole(read: ReadBack) -> bool:
    """Sound fills the clip, but for half a window at its end and one packet at either end."""
    return read.silent_s < 0.1 and len(read.heard) * 512 / 48000 > read.times_s[-1] - 0.15


def statuses(found: Curated) -> list[str]:
    return [clip.sound.status for clip in found.clips]


# --- ordinary films


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("suffix", CODECS)
def test_sound_and_pictures_of_a_clip_are_of_one_time(
    film: Film, tmp_path: Path, suffix: str, mode: str
) -> None:
    found = curated(film(suffix), tmp_path, encoder=mode)
    assert all(map(is_whole, found.read))
    assert worst_lag_s(found.read) < AUDIO_FRAME_S
    assert set(statuses(found)) <= {"copied", "encoded"}
    assert found.facts.is_vfr == (suffix == ".avi")  # its first picture is shown twice as long


def test_a_copied_clip_gives_no_reason(film: Film, tmp_path: Path) -> None:
    assert {clip.sound.reason for clip in curated(film(".mp4"), tmp_path).clips} == {""}


def test_an_encoded_clip_says_why(film: Film, tmp_path: Path) -> None:
    found = curated(film(".ts"), tmp_path)
    assert {clip.sound.reason for clip in found.clips} == {"mp2 is not copied into mp4"}


# --- clocks


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("suffix", [*JOINABLE, ".ogv"])
def test_sound_of_joined_files_follows_the_pictures(
    film: Film, tmp_path: Path, suffix: str, mode: str
) -> None:
    path = join(tmp_path / f"joined{suffix}", film(suffix), film(suffix, 125), film(suffix, 250))
    found = curated(path, tmp_path / "out", encoder=mode)
    assert "2 frames where timestamps jump back" in found.facts.repaired_times
    assert not found.facts.partial_reason
    assert [n for read in found.read for n in read.numbers] == list(range(375))
    assert all(map(is_whole, found.read))
    assert worst_lag_s(found.read) < AUDIO_FRAME_S
    assert set(statuses(found)) <= {"copied", "encoded"}


def test_sound_follows_a_clock_that_jumps_ahead(film: Film, tmp_path: Path) -> None:
    ahead = draw_chirp(tmp_path / "ahead.ts", 125, first=125, container_options={"output_ts_offset": "4000"})
    found = curated(join(tmp_path / "film.ts", film(".ts"), ahead), tmp_path / "out")
    assert "timestamps jump ahead" in found.facts.repaired_times
    assert all(map(is_whole, found.read))
    assert worst_lag_s(found.read) < AUDIO_FRAME_S


def test_sound_of_joined_films_of_a_picture_a_second_is_whole(tmp_path: Path) -> None:
    def slow(packet: Packet) -> Packet | None:
        if packet.stream.type == "video":
            packet.dts = (packet.dts or 0) - int(3 / packet.time_base)
            packet.duration = int(1 / packet.time_base)
        return packet if packet.is_keyframe else None

    codecs = Codecs("libx264", "mp2", {**X264, "g": "25", "bf": "0"})
    films = [draw_chirp(tmp_path / f"{at}.ts", 125, first=at, codecs=codecs, edit=slow) for at in (0, 125)]
    found = curated(join(tmp_path / "film.ts", *films), tmp_path / "out")
    assert "timestamps jump back" in found.facts.repaired_times
    assert all(map(is_whole, found.read))
    assert worst_lag_s(found.read) < AUDIO_FRAME_S


def test_a_clock_that_jumps_between_key_pictures_moves_sound_too(tmp_path: Path) -> None:
    def ahead(packet: Packet) -> Packet:
        if packet.pts is not None and packet.pts * packet.time_base >= Fraction(27, 10):
            ticks = int(700 / packet.time_base)
            packet.pts, packet.dts = packet.pts + ticks, (packet.dts or 0) + ticks
        return packet

    codecs = Codecs("libx264", "mp2", {**X264, "bf": "0"})
    path = draw_chirp(tmp_path / "film.ts", 150, codecs=codecs, edit=ahead)
    found = curated(path, tmp_path / "out", encoder="smart")
    assert "timestamps jump ahead" in found.facts.repaired_times
    assert [n for read in found.read for n in read.numbers] == list(range(150))
    assert all(map(is_whole, found.read))
    assert worst_lag_s(found.read) < AUDIO_FRAME_S


def test_recordings_that_overlap_by_less_than_a_second_are_whole(film: Film, tmp_path: Path) -> None:
    later = draw_chirp(tmp_path / "later.ts", 125, first=125, container_options={"output_ts_offset": "4.4"})
    found = curated(join(tmp_path / "film.ts", film(".ts"), later), tmp_path / "out")
    assert "timestamps jump back" in found.facts.repaired_times
    assert not found.facts.partial_reason
    assert [n for read in found.read for n in read.numbers] == list(range(250))


def test_sound_that_outlasts_its_pictures_is_not_heard_over_the_next(film: Film, tmp_path: Path) -> None:
    def short(packet: Packet) -> Packet | None:
        is_late = (packet.pts or 0) * packet.time_base >= Fraction(7, 2)
        return None if packet.stream.type == "video" and is_late else packet

    first = draw_chirp(tmp_path / "short.ts", 125, edit=short)
    found = curated(join(tmp_path / "film.ts", first, film(".ts", 125)), tmp_path / "out")
    assert all(read.silent_s < 0.1 for read in found.read)
    assert worst_lag_s(found.read) < 2 * AUDIO_FRAME_S


def test_encoded_sound_of_a_matroska_clip_begins_with_its_pictures(tmp_path: Path) -> None:
    """Its first packet primes the decoder: without it 21 ms are missing."""
    path = draw_chirp(tmp_path / "film.mkv", 75, codecs=Codecs("ffv1", "pcm_s16le", {}))
    found = curated(path, tmp_path / "out", encoder="copy", clip_s=3.0)
    assert (Path(found.clips[0].path).suffix, statuses(found)) == (".mkv", ["encoded"])
    assert min(found.read[0].heard) < 0.025


def test_sound_of_joined_avi_files_follows_the_pictures(film: Film, tmp_path: Path) -> None:
    short = draw_chirp(tmp_path / "short.avi", 125, edit=without_sound(3.5, 9))
    path = join(tmp_path / "film.avi", short, film(".avi", 125), film(".avi", 250))
    found = curated(path, tmp_path / "out")
    assert found.facts.repaired_times.startswith("2 frames behind which another file goes on")
    assert not found.facts.partial_reason
    assert [n for read in found.read for n in read.numbers] == list(range(375))
    assert worst_lag_s(found.read) < 2 * AUDIO_FRAME_S


def test_sound_of_long_fragments_lies_beside_its_pictures(tmp_path: Path) -> None:
    """FFmpeg would give all pictures of the second film before the last sound of the first."""
    fragments = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    parts = [
        draw_chirp(tmp_path / f"{first}.mp4", 250, first=first, container_options=fragments)
        for first in (0, 250)
    ]
    found = curated(join(tmp_path / "film.mp4", *parts), tmp_path / "out", clip_s=4.0)
    assert all(map(is_whole, found.read))
    assert worst_lag_s(found.read) < AUDIO_FRAME_S


@pytest.mark.parametrize("mode", MODES)
def test_sound_before_the_clock_of_33_bits_wraps_is_there(tmp_path: Path, mode: str) -> None:
    options = {"mpegts_copyts": "1", "output_ts_offset": "95440.7"}
    path = draw_chirp(tmp_path / "wraps.ts", 125, codecs=TS_AAC, container_options=options)
    found = curated(path, tmp_path / "out", encoder=mode)
    assert all(map(is_whole, found.read))
    assert worst_lag_s(found.read) < AUDIO_FRAME_S


# --- packets


@pytest.mark.parametrize("mode", MODES)
def test_packets_with_repeated_times_keep_their_place(tmp_path: Path, mode: str) -> None:
    def repeat(packet: Packet) -> Packet:
        if packet.stream.type == "audio" and packet.pts is not None and packet.pts // 1024 % 30 == 7:
            packet.pts = packet.dts = packet.pts - 1023
        return packet

    path = draw_chirp(tmp_path / "repeated.mkv", 125, edit=repeat)
    found = curated(path, tmp_path / "out", encoder=mode)
    assert "repaired" in statuses(found)
    assert "packets had wrong times" in found.clips[0].sound.reason
    assert all(map(is_whole, found.read))
    assert worst_lag_s(found.read) < AUDIO_FRAME_S


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".webm", ".opus.mp4"])
def test_missing_packets_become_silence(tmp_path: Path, suffix: str, mode: str) -> None:
    codecs = Codecs("libx264", "libopus", X264) if "opus" in suffix else None
    path = draw_chirp(tmp_path / f"holes{suffix}", 125, codecs=codecs, edit=without_sound(2.6, 3.1))
    found = curated(path, tmp_path / "out", encoder=mode)
    assert found.clips[1].sound.status == "repaired"
    assert "packets are missing" in found.clips[1].sound.reason
    assert found.read[1].silent_s == pytest.approx(0.5, abs=0.12)
    assert worst_lag_s(found.read) < AUDIO_FRAME_S


def test_an_mp4_does_not_hide_a_hole_of_five_packets_of_opus(tmp_path: Path) -> None:
    """It gives the packet before the length that the longest packets of Opus have."""
    codecs = Codecs("libx264", "libopus", X264)
    path = draw_chirp(tmp_path / "hole.mp4", 125, codecs=codecs, edit=without_sound(2.6, 2.7))
    found = curated(path, tmp_path / "out")
    assert found.clips[1].sound.status == "repaired"
    assert found.clips[1].sound.reason == "packets are missing for 0.100 s"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_packets_that_do_not_decode_become_silence(tmp_path: Path, suffix: str, mode: str) -> None:
    path = draw_chirp(tmp_path / f"damaged{suffix}", 125)
    zero_packets(path, 130, 140)
    found = curated(path, tmp_path / "out", encoder=mode)
    assert (found.clips[1].sound.status, found.clips[1].sound.reason) == (
        "repaired",
        "10 packets do not decode",
    )
    assert found.read[1].silent_s == pytest.approx(10 * 1024 / 48000, abs=0.09)
    assert worst_lag_s(found.read) < AUDIO_FRAME_S
    assert statuses(found)[0] == "copied"


def test_packets_with_wrong_bits_become_silence(tmp_path: Path) -> None:
    """The decoder patches them unless it is asked not to: the header of the packet is whole."""

    def flip(packet: Packet) -> Packet:
        if packet.stream.type != "audio" or not 0.9 <= (packet.pts or 0) * packet.time_base < 1.0:
            return packet
        data = bytearray(bytes(packet))
        data[8:40] = bytes(byte ^ 0x5A for byte in data[8:40])
        wrong = Packet(bytes(data))
        wrong.stream, wrong.time_base = packet.stream, packet.time_base
        wrong.pts, wrong.dts, wrong.duration = packet.pts, packet.dts, packet.duration
        return wrong

    codecs = Codecs("libx264", "ac3", X264)
    found = curated(draw_chirp(tmp_path / "film.mkv", 125, codecs=codecs, edit=flip), tmp_path / "out")
    assert statuses(found)[0] == "repaired"
    assert "packets do not decode" in found.clips[0].sound.reason
    assert statuses(found)[1] == "copied"
    assert worst_lag_s(found.read) < AUDIO_FRAME_S


def test_sound_of_which_nothing_decodes_is_lost(tmp_path: Path) -> None:
    path = draw_chirp(tmp_path / "damaged.mp4", 125)
    zero_packets(path, 93, 191)
    found = curated(path, tmp_path / "out")
    assert statuses(found)[1] == "lost"
    assert found.clips[1].sound.reason == "no packet of its sound could be decoded"
    assert not found.clips[1].has_audio
    assert found.clips[1].num_frames == 50


@pytest.mark.parametrize("suffix", [".mkv", ".flv"])
def test_sound_that_begins_late_is_partial(tmp_path: Path, suffix: str) -> None:
    codecs = Codecs("libx264", "libmp3lame", X264) if suffix == ".flv" else None
    path = draw_chirp(tmp_path / f"late{suffix}", 125, codecs=codecs, edit=without_sound(-1, 2.8))
    found = curated(path, tmp_path / "out")
    assert statuses(found)[:2] == ["none", "partial"]
    assert found.clips[1].sound.reason.startswith("no sound from 0.00 to 0.8")


def without_sound(start_s: float, end_s: float) -> Edit:
    """Leaves out the sound of a time."""

    def edit(packet: Packet) -> Packet | None:
        at_s = (packet.pts or 0) * packet.time_base
        return None if packet.stream.type == "audio" and start_s <= at_s < end_s else packet

    return edit


# --- streams


@pytest.mark.parametrize("suffix", [".ts", ".mpg"])
def test_sound_that_changes_its_channels_goes_on(film: Film, tmp_path: Path, suffix: str) -> None:
    codecs = TS_AAC if suffix == ".ts" else None
    mono = draw_chirp(tmp_path / f"mono{suffix}", 75, codecs=codecs)
    stereo = draw_chirp(tmp_path / f"stereo{suffix}", 75, first=75, channels=2, codecs=codecs)
    found = curated(join(tmp_path / f"film{suffix}", mono, stereo), tmp_path / "out")
    assert all(map(is_whole, found.read))
    assert worst_lag_s(found.read) < AUDIO_FRAME_S
    assert num_channels(found.clips) == [1, 2, 2]
    assert "rate or channels" in found.clips[1].sound.reason


def num_channels(clips: list[CutClip]) -> list[int]:
    found: list[int] = []
    for clip in clips:
        with av.open(clip.path) as container:
            found.append(container.streams.audio[0].layout.nb_channels)
    return found


@pytest.mark.parametrize("offset_s", [None, 5], ids=["clock jumps", "clock goes on"])
def test_sound_that_goes_on_in_another_stream_is_followed(tmp_path: Path, offset_s: int | None) -> None:
    no_b_frames = {**X264, "bf": "0"}
    first = draw_chirp(tmp_path / "a.ts", 125, codecs=Codecs("libx264", "aac", no_b_frames))
    second = draw_chirp(
        tmp_path / "b.ts",
        125,
        first=125,
        codecs=Codecs("libx264", "aac", no_b_frames, sound_id=0x123),
        container_options={"output_ts_offset": str(offset_s)} if offset_s else {},
    )
    found = curated(join(tmp_path / "film.ts", first, second), tmp_path / "out")
    assert all(map(is_whole, found.read))
    assert worst_lag_s(found.read) < AUDIO_FRAME_S
    assert "it goes on in another stream" in found.clips[-1].sound.reason


def test_a_stream_that_only_the_middle_of_a_file_has_is_followed(tmp_path: Path) -> None:
    options = {**X264, "bf": "0", "crf": "1"}
    parts = [
        draw_chirp(
            tmp_path / f"{first}.ts", num, first=first, size=(320, 192),
            codecs=Codecs("libx264", "mp2", options, sound_id),
            container_options={"output_ts_offset": str(Fraction(first, FPS))},
        )
        for first, num, sound_id in ((0, 325, None), (325, 125, 0x123), (450, 325, None))
    ]  # fmt: skip
    found = curated(join(tmp_path / "film.ts", *parts), tmp_path / "out", clip_s=5.0)
    assert all(read.silent_s < 0.2 for read in found.read)
    assert worst_lag_s(found.read) < AUDIO_FRAME_S
    assert "it goes on in another stream" in found.clips[3].sound.reason


def test_sound_that_ends_early_leaves_clips_without(tmp_path: Path) -> None:
    path = draw_chirp(tmp_path / "ends.ts", 150, edit=without_sound(2.5, 9))
    found = curated(path, tmp_path / "out")
    assert statuses(found) == ["encoded", "partial", "none"]
    assert found.clips[1].sound.reason == "no sound from 0.51 to 2.00 s"


def test_a_codec_that_changes_within_a_pid_is_followed(tmp_path: Path) -> None:
    first = draw_chirp(tmp_path / "a.ts", 100, codecs=TS_AAC)
    mpeg2 = Codecs("mpeg2video", "mp2", {"g": "12", "bf": "2", "b": "2000000"})
    second = draw_chirp(tmp_path / "b.ts", 100, first=100, codecs=mpeg2)
    found = curated(join(tmp_path / "film.ts", first, second), tmp_path / "out")
    numbers = [n for read in found.read for n in read.numbers]
    assert sorted({*range(200)} - {*numbers})[0] > 95  # the demuxer holds back the last two of a stream
    assert len(numbers) == 198
    assert all(read.silent_s < 0.2 for read in found.read)
    assert worst_lag_s(found.read) < AUDIO_FRAME_S


# --- options


@pytest.mark.parametrize(
    ("audio", "codec", "rate", "channels"),
    [
        ({"codec": "aac"}, "aac", 48000, 1),
        ({"codec": "flac", "rate": 16000}, "flac", 16000, 1),
        ({"channels": 2}, "aac", 48000, 2),
    ],
    ids=["encoded", "lossless", "stereo"],
)
def test_sound_is_encoded_as_asked(
    film: Film, tmp_path: Path, audio: dict[str, object], codec: str, rate: int, channels: int
) -> None:
    found = curated(film(".mp4"), tmp_path, audio=audio)
    with av.open(found.clips[1].path) as container:
        sound = container.streams.audio[0]
        assert (sound.codec_context.codec.canonical_name, sound.rate) == (codec, rate)
        assert sound.layout.nb_channels == channels
    assert {clip.sound.reason for clip in found.clips} == {"as asked"}
    assert worst_lag_s(found.read) < AUDIO_FRAME_S


# --- drawn by chance


def test_files_edited_by_chance(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    num_edits = int(request.config.getoption("--random-edits"))
    for seed in range(num_edits):
        check_edited(tmp_path / str(seed), seed)


def check_edited(folder: Path, seed: int) -> None:
    """Join films with holes, jumps and other layouts; what is heard has to be of the time of its picture."""
    folder.mkdir()
    chance = random.Random(seed)
    suffix = chance.choice(JOINABLE)
    parts: list[Path] = []
    first = 0
    for part in range(chance.randint(1, 3)):
        num_frames = chance.randint(50, 120)
        hole_s, length_s = chance.uniform(0, num_frames / FPS), chance.choice((0, 0.03, 0.5))
        if suffix == ".mpg":  # which dates one packet in five: behind a hole, four have wrong times
            length_s = 0
        channels = chance.choice((1, 2)) if suffix in (".ts", ".mpg") else 1
        offset_s = chance.choice((0, 0, 700, 5000)) if suffix == ".ts" else 0
        parts.append(
            draw_chirp(
                folder / f"{part}{suffix}", num_frames, first=first, channels=channels,
                edit=without_sound(hole_s, hole_s + length_s),
                container_options={"output_ts_offset": str(offset_s)} if offset_s else {},
            )
        )  # fmt: skip
        first += num_frames
    mode = chance.choice(MODES)
    found = curated(join(folder / f"film{suffix}", *parts), folder / "out", encoder=mode)
    for clip in found.clips:
        assert clip.path, f"seed {seed}: {clip.message}"
        read = read_back(clip.path)
        assert worst_lag_s([read]) < 2 * AUDIO_FRAME_S, f"seed {seed}, {clip.clip_id}: {clip.sound}"
        if clip.sound.status in ("copied", "encoded"):
            assert is_whole(read), f"seed {seed}, {clip.clip_id}: {clip.sound}"
