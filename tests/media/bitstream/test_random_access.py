"""Where decoding, or a file, may begin: real streams whose containers call all of these pictures key."""

from pathlib import Path

import av
import numpy as np
import pytest

from clipmill.media.bitstream.random_access import decodable_from, startable
from clipmill.media.cut.copy import decodable_prefix, decode_times
from clipmill.media.decode.seek import ClipSource
from clipmill.media.io.source import open_source
from tests.support.films.numbered_films import FRAME, draw, read_number

X265 = "log-level=none:pools=1:frame-threads=1"
STREAMS = {
    "closed": ("libx264", {"x264-params": "keyint=20:scenecut=0:bframes=3"}),
    "open": ("libx264", {"x264-params": "open-gop=1:keyint=20:scenecut=0:bframes=3"}),
    "refresh": ("libx264", {"x264-params": "intra-refresh=1:keyint=20"}),
    "hevc": ("libx265", {"x265-params": f"keyint=20:open-gop=1:scenecut=0:b-adapt=0:bframes=3:{X265}"}),
}


def drawn(directory: Path, stream: str, suffix: str) -> Path:
    codec, options = STREAMS[stream]
    return draw(directory / f"{stream}{suffix}", 60, codec=codec, options=options)


@pytest.mark.parametrize("suffix", [".mp4", ".ts"])
@pytest.mark.parametrize(
    ("stream", "decodable", "starts"),
    [("closed", 3, 3), ("open", 3, 1), ("refresh", 1, 1), ("hevc", 3, 3)],
)
def test_key_pictures(tmp_path: Path, stream: str, suffix: str, decodable: int, starts: int) -> None:
    with av.open(str(drawn(tmp_path, stream, suffix))) as container:
        context = container.streams.video[0].codec_context
        tests = [
            make(context.codec.canonical_name, context.extradata or b"")
            for make in (decodable_from, startable)
        ]
        keys = [bytes(packet) for packet in container.demux(video=0) if packet.is_keyframe and packet.size]
    assert [sum(bool(test and test(key)) for key in keys) for test in tests] == [decodable, starts]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize("stream", STREAMS)
def test_decoding_begins_at_or_before_the_wanted_frame(tmp_path: Path, stream: str, suffix: str) -> None:
    with open_source(str(drawn(tmp_path, stream, suffix))) as reader:
        source = ClipSource(reader)
        frames = list(source.frames_from_beginning())
        shown = [frame.pts or 0 for frame in frames]
        for wanted in (0, 17, 18, 19, 20, 21, 39, 45, 59):
            again = next(found for found in source.frames_from(shown[wanted]) if found.pts == shown[wanted])
            assert read_number(again.to_ndarray(format="rgb24")) == wanted
            assert np.array_equal(again.to_ndarray(), frames[wanted].to_ndarray())
        source.close()


def test_decoding_begins_no_earlier_than_it_must(tmp_path: Path) -> None:
    with open_source(str(drawn(tmp_path, "closed", ".mp4"))) as reader:
        source = ClipSource(reader)
        assert read_number(next(source.frames_from(45 * FRAME)).to_ndarray(format="rgb24")) == 40
        source.close()


def test_a_seek_is_worth_it_when_a_key_picture_lies_between(tmp_path: Path) -> None:
    with open_source(str(drawn(tmp_path, "closed", ".mp4"))) as reader:
        source = ClipSource(reader)
        assert source.saves_decoding(after_pts=5 * FRAME, before_pts=45 * FRAME)
        assert not source.saves_decoding(after_pts=41 * FRAME, before_pts=45 * FRAME)
        source.close()


@pytest.mark.parametrize(
    ("pts", "end", "expected"),
    [
        ([0, 1, 2, 3], 9, 4),
        ([0, 1, 2, 3], 2, 2),
        ([0, 3, 1, 2, 6, 4, 5], 7, 7),
        ([0, 3, 1, 2, 6, 4, 5], 5, 4),
        ([0, 3, 1, 2, 6, 4, 5], 2, 1),
        ([0, 8, 4, 2, 1, 3, 16, 6], 9, 1),
        ([5], 5, 0),
    ],
    ids=["all", "no reordering", "all reordered", "refers beyond the end", "only the key", "hole", "none"],
)
def test_packets_that_are_shown_first_and_decoded_first(pts: list[int], end: int, expected: int) -> None:
    assert decodable_prefix(pts, end=end) == expected


def test_decode_times_ascend_and_precede_what_is_shown() -> None:
    pts = [0, 300, 100, 250, 700, 500]
    decoded = decode_times(pts)
    assert decoded == sorted(set(decoded))
    assert all(at <= own for at, own in zip(decoded, pts, strict=True))
    assert any(at == own for at, own in zip(decoded, pts, strict=True))
