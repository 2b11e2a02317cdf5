"""Films in which the clock of the sound jumps and that of the pictures does not, or the other way round."""

from pathlib import Path

import pytest
from av.packet import Packet

from tests.media.sound.test_read_back import AUDIO_FRAME_S, MODES, is_whole, statuses, without_sound
from tests.support.films.chirps import (
    CODECS,
    X264,
    Codecs,
    Edit,
    curated,
    draw_chirp,
    join,
    worst_lag_s,
)

pytestmark = pytest.mark.integration

JUMP_AT_S = 2.2
TS_PACKET = 188
SOUND_IDS, PICTURE_IDS = range(0xC0, 0xE0), range(0xE0, 0xF0)
"""Kinds of streams in a transport stream."""


def jumps(kind: str, by_s: float) -> Edit:
    """Moves one kind of packets behind a time; the muxer sorts all packets by their times."""

    def edit(packet: Packet) -> Packet:
        if packet.stream.type == kind and (packet.pts or 0) * packet.time_base >= JUMP_AT_S:
            ticks = round(by_s / packet.time_base)
            packet.pts, packet.dts = (packet.pts or 0) + ticks, (packet.dts or 0) + ticks
        return packet

    return edit


def move_in_place(path: Path, ids: range, by_s: float) -> None:
    """Moves times of streams behind ``JUMP_AT_S`` of a transport stream, which begins at 1.4 s."""
    data = bytearray(path.read_bytes())
    for at in range(0, len(data), TS_PACKET):
        start = at + 4 + (1 + data[at + 4] if data[at + 3] & 0x20 else 0)
        if data[start : start + 3] == b"\0\0\1" and data[start + 3] in ids:
            put = start + 9
            pts = (data[put] >> 1 & 7) << 30 | (data[put + 1] << 8 | data[put + 2]) >> 1 << 15
            pts |= (data[put + 3] << 8 | data[put + 4]) >> 1
            if pts >= (JUMP_AT_S + 1.4) * 90000:
                pts += round(by_s * 90000)
                data[put] = data[put] & 0xF1 | pts >> 30 << 1
                data[put + 1 : put + 3] = ((pts >> 15 & 0x7FFF) << 1 | 1).to_bytes(2, "big")
                data[put + 3 : put + 5] = ((pts & 0x7FFF) << 1 | 1).to_bytes(2, "big")
    path.write_bytes(data)


@pytest.mark.parametrize("by_s", [3, 700])
@pytest.mark.parametrize("suffix", [".ts", ".mpg", ".mkv", ".webm", ".mp4", ".flv", ".wmv", ".ogv"])
def test_sound_whose_clock_jumped_is_heard_with_its_pictures(
    tmp_path: Path, suffix: str, by_s: float
) -> None:
    codecs = Codecs("mpeg2video", "mp2", CODECS[".mpg"].options) if suffix == ".mpg" else CODECS[suffix]
    path = draw_chirp(tmp_path / f"film{suffix}", 200, codecs=codecs, edit=jumps("audio", by_s))
    found = curated(path, tmp_path / "out")
    assert all(map(is_whole, found.read))
    assert worst_lag_s(found.read) < AUDIO_FRAME_S
    assert statuses(found)[1:] == ["repaired"] * 3
    assert "packets had wrong times" in found.clips[2].sound.reason
    assert "beside which only the clock of the sound jumps" in found.facts.repaired_times


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("by_s", [3, 700, -1.5, -3])
def test_sound_goes_by_its_place_in_the_file(tmp_path: Path, by_s: float, mode: str) -> None:
    path = draw_chirp(tmp_path / "film.ts", 200)
    move_in_place(path, SOUND_IDS, by_s)
    found = curated(path, tmp_path / "out", encoder=mode)
    assert all(map(is_whole, found.read))
    assert worst_lag_s(found.read) < AUDIO_FRAME_S
    assert found.facts.clock_jumps


@pytest.mark.parametrize("by_s", [25, 700, -3])
def test_sound_follows_pictures_whose_clock_jumps_alone(tmp_path: Path, by_s: float) -> None:
    codecs = Codecs("libx264", "mp2", {**X264, "bf": "0"})
    path = draw_chirp(tmp_path / "film.ts", 200, codecs=codecs)
    move_in_place(path, PICTURE_IDS, by_s)
    found = curated(path, tmp_path / "out", clip_s=30.0 if by_s == 25 else 2.0)
    assert worst_lag_s(found.read[-1:]) < AUDIO_FRAME_S
    assert is_whole(found.read[-1])


def test_sound_that_is_missing_for_long_is_no_jump(tmp_path: Path) -> None:
    path = draw_chirp(tmp_path / "film.ts", 250, edit=without_sound(2.2, 6.5))
    found = curated(path, tmp_path / "out")
    assert not found.facts.repaired_times
    assert statuses(found) == ["encoded", "partial", "none", "partial", "encoded"]
    assert worst_lag_s(found.read) < AUDIO_FRAME_S


@pytest.mark.parametrize(
    ("first", "second"), [("aac", "flac"), ("flac", "aac"), ("libopus", "libmp3lame"), ("ac3", "aac")]
)
def test_sound_of_a_joined_matroska_file_of_another_codec_is_read_by_its_own_headers(
    tmp_path: Path, first: str, second: str
) -> None:
    parts = [
        draw_chirp(tmp_path / f"{at}.mkv", 125, first=at, codecs=Codecs("libx264", encoder, X264))
        for at, encoder in ((0, first), (125, second), (250, first))
    ]
    found = curated(join(tmp_path / "film.mkv", *parts), tmp_path / "out")
    assert all(map(is_whole, found.read))
    assert worst_lag_s(found.read) < AUDIO_FRAME_S
    assert found.clips[3].sound.reason.startswith("it goes on in another stream")
    assert set(statuses(found)) <= {"copied", "encoded"}
