"""What FFmpeg is shown of joined files: the same bytes however they are read, and of one film its own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from clipmill.media.io.joined_files import CLUSTER, EBML, WithoutHeaders
from clipmill.media.io.joined_ogg import BEGINNING, PAGE, WithOneChain
from clipmill.media.io.reused_pids import PACKET_BYTES, WithOwnPids
from clipmill.media.io.source import CountingReader, bytes_source
from tests.support.films.chirps import X264, Codecs, draw_chirp

pytestmark = pytest.mark.integration

MPEG2 = Codecs("mpeg2video", "mp2", {"g": "12", "b": "2000000"})
AAC = Codecs("libx264", "aac", X264)
Shown = Callable[[CountingReader], WithoutHeaders | WithOneChain | WithOwnPids]


def read_by(shown: Shown, data: bytes, size: int) -> bytes:
    reader = shown(bytes_source(data, "film"))
    parts: list[bytes] = []
    while part := reader.read(size):
        parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize("size", [1, 100, 4099, -1])
def test_headers_in_mid_file_are_void(tmp_path: Path, size: int) -> None:
    film = draw_chirp(tmp_path / "a.webm", 10).read_bytes()
    assert read_by(WithoutHeaders, film, size) == film
    shown = read_by(WithoutHeaders, film * 3, size)
    assert (len(shown), shown.count(EBML)) == (3 * len(film), 1)
    assert shown[: len(film)] == film
    first = film.index(CLUSTER)
    assert shown[len(film) + first :][: len(film) - first] == film[first:]


@pytest.mark.parametrize("size", [100, 4099, -1])
def test_later_ogg_files_are_of_the_streams_of_the_first(tmp_path: Path, size: int) -> None:
    film, other = (
        draw_chirp(tmp_path / f"{width}.ogv", 10, size=(width, 72)).read_bytes() for width in (128, 64)
    )
    assert read_by(WithOneChain, film, size) == film
    shown = read_by(WithOneChain, film * 3, size)
    assert (len(shown), shown[: len(film)]) == (3 * len(film), film)
    assert shown.count(BEGINNING) == 2  # a video and a sound
    assert shown.count(PAGE) == 3 * film.count(PAGE) - 2 * 4  # headers: two pages of each
    assert read_by(WithOneChain, film + other, size) == film + other


@pytest.mark.parametrize("size", [100, 4099, -1])
def test_a_pid_keeps_its_codec(tmp_path: Path, size: int) -> None:
    films = [
        draw_chirp(tmp_path / f"{place}.ts", 10, codecs=codecs).read_bytes()
        for place, codecs in enumerate((AAC, MPEG2))
    ]
    assert read_by(WithOwnPids, films[0] * 2, size) == films[0] * 2
    shown = read_by(WithOwnPids, b"".join(films), size)
    assert shown[: len(films[0])] == films[0]
    first, second = pids_in(shown[: len(films[0])]), pids_in(shown[len(films[0]) :])
    assert len(first - second) == len(second - first) == 2  # a video and a sound


def pids_in(data: bytes) -> set[int]:
    return {
        (data[at + 1] & 0x1F) << 8 | data[at + 2]
        for at in range(0, len(data) - PACKET_BYTES + 1, PACKET_BYTES)
    }
