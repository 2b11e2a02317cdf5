"""Damage in an asf (wmv), which its demuxer passes over, is named; clips have the pictures of the scan."""

import random
from contextlib import closing
from pathlib import Path

import pytest

from clipmill.media.decode.seek import ClipSource
from clipmill.media.io.source import open_source
from clipmill.media.scan.scan import load_arrays, scan
from clipmill.media.types import ScanPlan
from tests.support.films.chirps import Codecs, draw_chirp

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("asf") / "a.wmv"
    return draw_chirp(path, 125, codecs=Codecs("wmv2", "ac3", {"g": "12", "b": "400000"})).read_bytes()


def test_a_whole_film_is_whole(tmp_path: Path, film: bytes) -> None:
    (tmp_path / "a.wmv").write_bytes(film)
    assert not scan(str(tmp_path / "a.wmv"), ScanPlan(), str(tmp_path / "spool")).is_partial


@pytest.mark.parametrize(
    ("is_cut_out", "said"), [(True, "shorter than its header says"), (False, "could not")]
)
def test_packets_that_are_missing_are_said(tmp_path: Path, film: bytes, is_cut_out: bool, said: str) -> None:
    middle = len(film) // 2
    filling = b"" if is_cut_out else bytes(12_000)
    (tmp_path / "a.wmv").write_bytes(film[:middle] + filling + film[middle + 12_000 :])
    assert said in scan(str(tmp_path / "a.wmv"), ScanPlan(), str(tmp_path / "spool")).partial_reason


@pytest.mark.parametrize("seed", [78, 99, 276, 279])
def test_clips_have_the_pictures_of_the_scan(tmp_path: Path, film: bytes, seed: int) -> None:
    """FFmpeg gave other pictures where it was asked for these only, and not for the sound."""
    data, chance = bytearray(film), random.Random(seed)
    size = chance.choice([200, 1000, 2000, 4000])
    first = chance.randrange(len(film) // 5, len(film) - size)
    for place in range(first, len(data), chance.choice([1500, 2000, 3000])):
        data[place] ^= 1 << chance.randrange(8)
    (tmp_path / "a.wmv").write_bytes(data)
    facts = scan(str(tmp_path / "a.wmv"), ScanPlan(), str(tmp_path / "spool"))
    scanned = load_arrays(str(tmp_path / "spool")).pts[: facts.num_frames].tolist()
    with open_source(str(tmp_path / "a.wmv")) as reader, closing(ClipSource(reader)) as source:
        assert len(list(source.frames_from_beginning())) == len(scanned)
