"""Whole films are not called partial: parts of a broadcast put together, and pictures sent by HTTP."""

from pathlib import Path

import av
import numpy as np
import pytest

from clipmill.media.scan.scan import scan
from clipmill.media.types import ScanFacts, ScanPlan
from tests.support.films.chirps import join
from tests.support.films.scan_films import write_film

pytestmark = pytest.mark.integration

X264 = {"g": "10", "bf": "2", "threads": "1", "sc_threshold": "0"}
X265 = {"x265-params": "keyint=10:log-level=none:pools=1:frame-threads=1"}
MPEG2 = {"g": "10", "bf": "2", "threads": "1"}


def look(path: Path) -> ScanFacts:
    return scan(str(path), ScanPlan(thumbnails=False), str(path.parent / "spool"))


def parts_of_a_broadcast(folder: Path, codec: str, options: dict[str, str]) -> list[Path]:
    """Each goes on at the time at which the one before ends."""
    starts = [10, 60, 110]  # from zero on, the first would be moved to make room for B-frames
    return [
        write_film(folder / f"{start}.ts", range(start, start + 50), codec=codec, options=options)
        for start in starts
    ]


@pytest.mark.parametrize(
    ("codec", "options"),
    [("libx264", X264), ("libx265", X265), ("mpeg2video", MPEG2)],
    ids=["264", "265", "2"],
)
def test_parts_whose_times_go_on_are_whole(tmp_path: Path, codec: str, options: dict[str, str]) -> None:
    facts = look(join(tmp_path / "film.ts", *parts_of_a_broadcast(tmp_path, codec, options)))
    assert (facts.num_frames, facts.duration_s, facts.partial_reason, facts.repaired_times) == (
        150,
        6,
        "",
        "",
    )


@pytest.mark.parametrize("lost", ["end of a part", "beginning of a part"])
def test_what_is_lost_between_parts_is_said(tmp_path: Path, lost: str) -> None:
    parts = parts_of_a_broadcast(tmp_path, "libx264", X264)
    packets = np.frombuffer(parts[0].read_bytes(), np.uint8).reshape(-1, 188)
    video = np.flatnonzero((packets[:, 1] & 0x1F == 1) & (packets[:, 2] == 0))
    if lost == "end of a part":
        parts[0].write_bytes(np.delete(packets, video[-1], 0).tobytes())
    else:
        parts[1].write_bytes(parts[1].read_bytes()[6 * 188 :])
    facts = look(join(tmp_path / "film.ts", *parts))
    assert "a packet is cut off or damaged" in facts.partial_reason


BOUNDARY = b"--frame"


@pytest.mark.parametrize("says_length", [True, False])
@pytest.mark.parametrize("has_end", [True, False])
def test_pictures_sent_by_http_are_whole(tmp_path: Path, says_length: bool, has_end: bool) -> None:
    film = write_film(tmp_path / "a.avi", range(30), codec="mjpeg", pixel_format="yuvj420p")
    with av.open(str(film)) as container:
        pictures = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    lengths = [b"Content-Length: %d\r\n" % len(each) if says_length else b"" for each in pictures]
    sent = [
        b"\r\n".join([BOUNDARY, b"Content-Type: image/jpeg", length + b"", each, b""])
        for each, length in zip(pictures, lengths, strict=True)
    ]
    data = b"".join(sent) + (BOUNDARY + b"--\r\n" if has_end else b"")
    (tmp_path / "a.mjpg").write_bytes(data)
    facts = look(tmp_path / "a.mjpg")
    assert (facts.num_frames, facts.partial_reason) == (30, "")

    (tmp_path / "a.mjpg").write_bytes(data[: data.rindex(pictures[-1]) + 200])
    assert look(tmp_path / "a.mjpg").is_partial
