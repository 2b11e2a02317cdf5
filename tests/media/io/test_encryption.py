"""Encrypted files are called so, also where FFmpeg knows no codec for them; encrypted parts are named."""

from pathlib import Path

import numpy as np
import pytest

from clipmill.errors import UnreadableVideo
from clipmill.media.io.probe import probe
from clipmill.media.io.source import open_source
from clipmill.media.scan.scan import scan
from clipmill.media.types import ScanPlan
from clipmill.records import VideoReason
from tests.support.films.container_films import PLAIN_X264
from tests.support.films.scan_films import write_film
from tests.support.films.tagged_films import box, with_entry

pytestmark = pytest.mark.integration

ORIGINAL = box(b"sinf", box(b"frma", b"avc1") + box(b"schm", bytes(4) + b"itun" + bytes(4)))
"""Says which codec is encrypted, and by which scheme: FFmpeg decodes that codec."""


def noise(path: Path, start: int, end: int) -> None:
    """Bytes of a file without meaning."""
    data = bytearray(path.read_bytes())
    data[start:end] = np.random.default_rng(1).integers(0, 256, end - start, np.uint8).tobytes()
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(("name", "more"), [(b"drmi", b""), (b"drmi", ORIGINAL), (b"encv", b"")])
def test_a_locked_entry_of_an_mp4_is_called_encrypted(tmp_path: Path, name: bytes, more: bytes) -> None:
    film = with_entry(write_film(tmp_path / "a.mp4", range(30), options=PLAIN_X264), name=name, more=more)
    with open_source(str(film)) as reader, pytest.raises(UnreadableVideo, match="encrypted") as inspected:
        probe(reader, str(film))
    assert inspected.value.reason == VideoReason.ENCRYPTED


def test_pictures_that_do_not_decode_behind_a_locked_entry_are_called_encrypted(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mp4", range(30), options=PLAIN_X264)
    with_entry(film, name=b"encv", more=ORIGINAL)
    assert scan(str(film), ScanPlan(), str(tmp_path / "spool")).num_frames == 30  # they were not locked
    data = film.read_bytes()
    noise(film, data.index(b"mdat") + 4, data.index(b"moov") - 4)
    with pytest.raises(UnreadableVideo, match="encrypted") as scanned:
        scan(str(film), ScanPlan(), str(tmp_path / "spool"))
    assert scanned.value.reason == VideoReason.ENCRYPTED


@pytest.mark.parametrize(
    ("start", "end"), [(0.5, 1.0), (0.3, 0.6), (0.0, 0.4)], ids=["end", "middle", "head"]
)
def test_a_scrambled_part_is_said(tmp_path: Path, start: float, end: float) -> None:
    film = write_film(tmp_path / "a.ts", range(250), options={**PLAIN_X264, "g": "10", "crf": "5"})
    packets = np.frombuffer(film.read_bytes(), np.uint8).reshape(-1, 188).copy()
    place = np.arange(len(packets)) / len(packets)
    hit = (packets[:, 1] & 0x1F == 1) & (packets[:, 2] == 0) & (start <= place) & (place < end)
    packets[hit, 3] |= 0x80
    packets[hit, 4:] = np.random.default_rng(1).integers(0, 256, (int(hit.sum()), 184))
    film.write_bytes(packets.tobytes())
    facts = scan(str(film), ScanPlan(), str(tmp_path / "spool"))
    assert "bytes are scrambled" in facts.partial_reason
    at_s = float(facts.partial_reason.split()[1])
    assert at_s == pytest.approx(10 * start, abs=1.0)
