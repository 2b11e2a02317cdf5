"""Pictures whose parameters change in mid-stream, and files with more than one video."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from clipmill.media.io.probe import probe
from clipmill.media.io.source import open_source
from tests.support.films.chirps import CODECS, X264, Codecs, curated, draw_chirp, join, worst_lag_s

pytestmark = pytest.mark.integration

WIDE = Fraction(4, 3)
TS = Codecs("libx264", "aac", {**X264, "bf": "0"})


@pytest.mark.parametrize("mode", ["libx264", "smart", "copy"])
@pytest.mark.parametrize("suffix", [".ts", ".mpg"])
def test_each_clip_has_the_aspect_of_its_own_pictures(tmp_path: Path, suffix: str, mode: str) -> None:
    codecs = TS if suffix == ".ts" else CODECS[suffix]
    parts = [
        draw_chirp(tmp_path / f"{first}{suffix}", 50, first=first, codecs=codecs, sar=sar)
        for first, sar in ((0, Fraction(1)), (50, WIDE), (100, Fraction(1)))
    ]
    found = curated(join(tmp_path / f"film{suffix}", *parts), tmp_path / "out", encoder=mode)
    exactness = 0.1 if suffix == ".mpg" else 0  # MPEG-2 has four aspects of the whole picture
    expected = pytest.approx([1, float(WIDE), 1], rel=exactness)
    assert [aspect_of(clip.path) for clip in found.clips] == expected


def test_each_clip_has_the_size_of_its_own_pictures(tmp_path: Path) -> None:
    small = draw_chirp(tmp_path / "a.ts", 50, codecs=TS)
    large = draw_chirp(tmp_path / "b.ts", 50, first=50, codecs=TS, size=(192, 108))
    found = curated(join(tmp_path / "film.ts", small, large), tmp_path / "out")
    assert [(clip.width, clip.height) for clip in found.clips] == [(128, 72), (192, 108)]
    assert [read.numbers for read in found.read] == [list(range(50)), list(range(50, 100))]


def aspect_of(path: str) -> float:
    with av.open(path) as container:
        return float(container.streams.video[0].sample_aspect_ratio or 1)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_picture_before_the_film_is_not_the_film(tmp_path: Path, suffix: str) -> None:
    path = with_cover(draw_chirp(tmp_path / f"film{suffix}", 100), tmp_path / f"covered{suffix}")
    with open_source(str(path)) as reader:
        facts = probe(reader, str(path))
    assert (facts.video_codec, facts.audio_codec) == ("h264", "aac")
    found = curated(path, tmp_path / "out")
    assert [n for read in found.read for n in read.numbers] == list(range(100))
    assert worst_lag_s(found.read) < 0.045


def test_the_default_track_is_heard(tmp_path: Path) -> None:
    film, quiet = draw_chirp(tmp_path / "film.mkv", 75), draw_chirp(tmp_path / "other.mkv", 75, first=200)
    path = tmp_path / "tracks.mkv"
    with av.open(str(film)) as one, av.open(str(quiet)) as other, av.open(str(path), "w") as output:
        copy_streams(
            output,
            [(one.streams.video[0], True), (other.streams.audio[0], False), (one.streams.audio[0], True)],
        )
    assert worst_lag_s(curated(path, tmp_path / "default").read) < 0.045
    named = curated(path, tmp_path / "named", audio={"track": 0})
    assert named.clips[0].has_audio
    assert worst_lag_s(named.read) == pytest.approx(8.0, abs=0.045)
    both = curated(path, tmp_path / "both", audio={"track": "all"})
    with av.open(both.clips[1].path) as container:
        assert len(container.streams.audio) == 2
    missing = curated(path, tmp_path / "missing", audio={"track": 7})
    assert {clip.sound.reason for clip in missing.clips} == {"the source has 2 audio tracks"}


def with_cover(film: Path, path: Path) -> Path:
    """The film behind a still picture, whose stream comes first and is not flagged as a cover."""
    cover = film.with_name("cover.mp4")
    with av.open(str(cover), "w") as output:
        stream = output.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
        output.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        output.mux(stream.encode(None))
    with av.open(str(cover)) as one, av.open(str(film)) as other, av.open(str(path), "w") as output:
        streams = [
            (one.streams.video[0], False),
            (other.streams.video[0], True),
            (other.streams.audio[0], True),
        ]
        copy_streams(output, streams)
    return path


def copy_streams(output: av.container.OutputContainer, streams: list[tuple[av.stream.Stream, bool]]) -> None:
    """Packets of the streams, in this order of tracks; those with True are flagged as default."""
    packets: list[av.Packet] = []
    for stream, is_default in streams:
        target = output.add_stream_from_template(stream)
        target.disposition = Disposition.default if is_default else Disposition(0)
        own = [packet for packet in stream.container.demux(stream) if packet.size]
        for packet in own:
            packet.stream = target
        packets += own
        stream.container.seek(0)
    for packet in sorted(packets, key=lambda each: (each.dts or 0) * each.time_base):
        output.mux_one(packet)
