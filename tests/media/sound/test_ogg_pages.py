"""Ogg files that lack pages of sound: what lies behind is heard when it was recorded."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.media.sound.test_read_back import AUDIO_FRAME_S
from tests.support.films.chirps import CODECS, RATE, Codecs, curated, draw_chirp, worst_lag_s

pytestmark = pytest.mark.integration

PAGE_US = "400000"


@pytest.mark.parametrize("encoder", ["flac", "libopus"])
def test_sound_behind_lost_pages_is_of_its_time(tmp_path: Path, encoder: str) -> None:
    codecs = Codecs("libvpx", encoder, CODECS[".webm"].options)
    path = draw_chirp(tmp_path / "film.ogv", 150, codecs=codecs, container_options={"page_duration": PAGE_US})
    without_pages(path, 2.6, 3.3)
    found = curated(path, tmp_path / "out")
    assert worst_lag_s(found.read) < AUDIO_FRAME_S
    assert found.clips[1].sound.status == "repaired"
    assert 0.3 < found.read[1].silent_s < 1.0


def without_pages(path: Path, start_s: float, end_s: float) -> None:
    """Takes the pages of sound out that end within a time; sound is the second stream."""
    data, kept = path.read_bytes(), bytearray()
    numbers: list[bytes] = []
    for start, end in pages(data):
        number, ticks = data[start + 14 : start + 18], int.from_bytes(data[start + 6 : start + 14], "little")
        numbers += [] if number in numbers else [number]
        if number == numbers[0] or not start_s < ticks / RATE < end_s:
            kept += data[start:end]
    path.write_bytes(kept)


def pages(data: bytes) -> Iterator[tuple[int, int]]:
    start = 0
    while start < len(data):
        end = start + 27 + data[start + 26] + sum(data[start + 27 : start + 27 + data[start + 26]])
        yield start, end
        start = end
