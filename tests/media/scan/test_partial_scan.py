"""A scan of films that are cut off, damaged, beyond the limits, or in a store that fails."""

import itertools
from pathlib import Path

import av
import pytest

from clipmill.errors import StoreError, UnreadableVideo
from clipmill.media.io import container, source
from clipmill.media.scan.scan import scan
from clipmill.records import VideoReason
from clipmill.specs import LimitsSpec
from tests.support.films.scan_films import read_codes, write_film
from tests.support.scan_plans import THUMBNAILS, scanned

NO_B_FRAMES = {"preset": "ultrafast", "g": "10", "bf": "0"}


def test_truncated_film_gives_the_frames_before_the_end(tmp_path: Path) -> None:
    whole = write_film(tmp_path / "whole.mp4", range(100), options=NO_B_FRAMES, mux={"movflags": "faststart"})
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.6)])
    facts, arrays = scanned(cut)
    assert 10 < facts.num_frames < 90
    assert read_codes(arrays.thumbnails) == list(range(facts.num_frames))
    assert facts.is_partial
    assert facts.partial_reason.startswith(f"at {facts.duration_s:.3f} s: ")


def test_film_that_ends_before_its_headers_say_is_partial(tmp_path: Path) -> None:
    whole = write_film(tmp_path / "whole.mkv", range(100), options=NO_B_FRAMES)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.6)])
    facts, _ = scanned(cut)
    assert "headers promise 4.000 s" in facts.partial_reason


def test_decoding_goes_on_after_damage_at_the_next_key_picture(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", range(40), options=NO_B_FRAMES)
    _blank_packet(path, index=13)
    facts, arrays = scanned(path)
    assert read_codes(arrays.thumbnails) == [*range(13), *range(20, 40)]
    assert facts.partial_reason.startswith("at 0.520 s: ")
    assert "next key picture" in facts.partial_reason


def _blank_packet(path: Path, *, index: int) -> None:
    with av.open(str(path)) as film:
        packet = next(itertools.islice(film.demux(video=0), index, None))
        start, size = packet.pos, packet.size
    data = bytearray(path.read_bytes())
    data[start : start + size] = b"\xff" * size
    path.write_bytes(data)


def test_film_without_a_decodable_frame_is_rejected(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", range(3), options=NO_B_FRAMES)
    for index in range(3):
        _blank_packet(path, index=index)
    with pytest.raises(UnreadableVideo, match=r"a\.mp4.*no frame could be decoded.*Invalid data") as caught:
        scanned(path)
    assert caught.value.reason == VideoReason.NO_FRAMES


@pytest.mark.parametrize(
    "limits", [LimitsSpec(max_pixels=1000), LimitsSpec(max_duration_s=0.5)], ids=["pixels", "duration"]
)
def test_film_beyond_the_limits_is_stopped(tmp_path: Path, limits: LimitsSpec) -> None:
    path = write_film(tmp_path / "a.mp4", range(25), options=NO_B_FRAMES)
    with pytest.raises(UnreadableVideo) as caught:
        scan(str(path), THUMBNAILS, str(tmp_path / "spool"), limits=limits)
    assert caught.value.reason == VideoReason.OVER_LIMIT


def test_store_failure_is_not_taken_for_the_end_of_the_film(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_film(tmp_path / "a.mkv", range(200), options=NO_B_FRAMES).read_bytes()
    monkeypatch.setattr(source, "BLOCK_BYTES", 1 << 10)
    monkeypatch.setattr(container, "IO_BUFFER_BYTES", 1 << 10)
    failing = _FailingStore(data, good_bytes=len(data) // 2)
    monkeypatch.setattr(source, "store_of", lambda wanted, max_bytes: failing)
    with pytest.raises(StoreError, match="the disk is gone"):
        scanned(tmp_path / "a.mkv")


class _FailingStore:
    is_verified = True

    def __init__(self, data: bytes, *, good_bytes: int) -> None:
        self._data, self._good_bytes = data, good_bytes
        self.size_bytes = len(data)

    def fetch(self, start: int, end: int) -> bytes:
        if end > self._good_bytes:
            raise OSError("the disk is gone")
        return self._data[start:end]

    def close(self) -> None:
        pass
