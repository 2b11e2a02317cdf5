"""Whole sound is called whole, and is heard from the first instant of a clip on."""

from pathlib import Path

import pytest
from av.packet import Packet

from tests.support.films.chirps import X264, Codecs, Curated, curated, draw_chirp, join, recoded, worst_lag_s

pytestmark = pytest.mark.integration

AUDIO_FRAME_S = 0.045
MODES = ("libx264", "smart", "copy")
MPEG2 = {"g": "12", "bf": "2", "b": "2000000"}


def drawn_by_ffmpeg(path: Path, *codecs: str, first: int = 0, num_frames: int = 150) -> Path:
    lossless = Codecs("libx264", "pcm_s16le", X264)
    source = draw_chirp(path.with_suffix(".mkv"), num_frames, first=first, codecs=lossless)
    return recoded(path, source, *codecs)


def check_whole(found: Curated) -> None:
    assert {clip.sound.status for clip in found.clips} <= {"copied", "encoded"}
    assert all(read.silent_s < 0.06 for read in found.read)
    assert worst_lag_s(found.read) < AUDIO_FRAME_S


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("suffix", [".mpg", ".vob"])
def test_two_packets_of_sound_in_one_of_a_program_stream(tmp_path: Path, suffix: str, mode: str) -> None:
    """FFmpeg gives the time of the second also to the first, which began in the packet before."""
    path = draw_chirp(tmp_path / f"film{suffix}", 625, codecs=Codecs("mpeg2video", "ac3", MPEG2))
    check_whole(curated(path, tmp_path / "out", encoder=mode, clip_s=5.0))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("codec", ["wmav1", "wmav2"])
def test_packets_that_need_the_ones_before_them(tmp_path: Path, codec: str, mode: str) -> None:
    path = drawn_by_ffmpeg(tmp_path / "film.wmv", "-c:v", "mpeg4", "-b:v", "2M", "-c:a", codec, "-b:a", "64k")
    found = curated(path, tmp_path / "out", encoder=mode)
    check_whole(found)
    assert all(min(read.heard) < 0.04 for read in found.read[1:])


def test_mp3_that_is_encoded_begins_with_its_clip(tmp_path: Path) -> None:
    path = draw_chirp(tmp_path / "film.mkv", 150, codecs=Codecs("libx264", "libmp3lame", X264))
    found = curated(path, tmp_path / "out", audio={"codec": "aac"})
    check_whole(found)
    assert all(min(read.heard) < 0.04 for read in found.read[1:])


def test_packets_of_varying_length_that_say_none(tmp_path: Path) -> None:
    path = drawn_by_ffmpeg(tmp_path / "film.nut", "-c:v", "copy", "-c:a", "libvorbis")
    check_whole(curated(path, tmp_path / "out"))


def test_a_damaged_packet_that_only_helps_to_decode_is_no_fault_of_the_clip(tmp_path: Path) -> None:
    def zeroed(packet: Packet) -> Packet:
        at_s = (packet.pts or 0) * packet.time_base
        if packet.stream.type != "audio" or not 1.93 <= at_s < 1.96:
            return packet
        wrong = Packet(bytes(packet.size))
        wrong.stream, wrong.time_base = packet.stream, packet.time_base
        wrong.pts, wrong.dts, wrong.duration = packet.pts, packet.dts, packet.duration
        return wrong

    codecs = Codecs("libx264", "libmp3lame", X264)
    found = curated(draw_chirp(tmp_path / "film.mkv", 100, codecs=codecs, edit=zeroed), tmp_path / "out")
    assert [clip.sound.status for clip in found.clips] == ["repaired", "copied"]


def test_sound_of_another_codec_goes_on_whole(tmp_path: Path) -> None:
    """Packets of one of the two say no length."""
    first = draw_chirp(tmp_path / "a.ts", 75, codecs=Codecs("libx264", "eac3", {**X264, "bf": "0"}))
    pictures = ("-c:v", "mpeg2video", "-b:v", "2M")
    second = drawn_by_ffmpeg(tmp_path / "b.ts", *pictures, "-c:a", "s302m", "-ac", "2", first=75)
    found = curated(join(tmp_path / "film.ts", first, second), tmp_path / "out")
    assert all(read.silent_s < 0.2 for read in found.read)
    assert not any("missing" in clip.sound.reason for clip in found.clips)


def test_a_packet_that_the_demuxer_held_back_is_heard_in_no_later_clip(tmp_path: Path) -> None:
    """FFmpeg gives the last packet of DTS at the end of the file."""
    parts = [
        drawn_by_ffmpeg(
            tmp_path / f"{first}.ts", "-c:v", video, "-b:v", "2M", "-bf", "2", "-c:a", sound, "-ac", "2",
            first=first, num_frames=num_frames,
        )
        for first, num_frames, video, sound in (
            (0, 63, "mpeg2video", "dca"),
            (63, 75, "libx264", "s302m"),
        )
    ]  # fmt: skip
    found = curated(join(tmp_path / "film.ts", *parts), tmp_path / "out", clip_s=2.3)
    assert {clip.sound.status for clip in found.clips} == {"encoded"}
    assert worst_lag_s(found.read) < AUDIO_FRAME_S


def test_sound_that_is_silent_in_short_stretches_is_partial(tmp_path: Path) -> None:
    def few(packet: Packet) -> Packet | None:
        number = round((packet.pts or 0) * packet.time_base * 48000 / 1024)
        return None if packet.stream.type == "audio" and number > 94 and number % 3 else packet

    found = curated(draw_chirp(tmp_path / "film.mkv", 100, edit=few), tmp_path / "out")
    assert [clip.sound.status for clip in found.clips] == ["copied", "partial"]
    assert "packets are missing for 1.3" in found.clips[1].sound.reason


def test_private_streams_of_one_type_have_codecs_of_their_own(tmp_path: Path) -> None:
    first = draw_chirp(tmp_path / "a.ts", 75, codecs=Codecs("libx264", "libopus", {**X264, "bf": "0"}))
    second = drawn_by_ffmpeg(
        tmp_path / "b.ts", "-c:v", "libx264", "-bf", "0", "-c:a", "s302m", "-ac", "2", first=75
    )
    found = curated(join(tmp_path / "film.ts", first, second), tmp_path / "out")
    assert {clip.sound.status for clip in found.clips} == {"copied", "encoded"}
    assert worst_lag_s(found.read) < AUDIO_FRAME_S
