"""A film that begins in mid-stream begins with its first key picture: what needs others is passed over."""

from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.support.films.chirps import curated
from tests.support.films.numbered_films import draw, read_numbers

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("mode", ["libx264", "copy"])
@pytest.mark.parametrize(
    ("codec", "suffix"),
    [
        ("mpeg4", ".avi"), ("mpeg4", ".mp4"), ("mpeg4", ".ts"), ("flv", ".flv"), ("h263", ".3gp"),
        ("msmpeg4", ".avi"), ("wmv1", ".wmv"), ("wmv2", ".wmv"), ("mpeg2video", ".ts"), ("libx264", ".mp4"),
    ],
)  # fmt: skip
def test_pictures_before_the_first_key_picture_are_passed_over(
    tmp_path: Path, codec: str, suffix: str, mode: str
) -> None:
    options = {"g": "20", "bf": "0", "sc_threshold": "0", "qscale": "3"}
    whole = draw(
        tmp_path / f"a{suffix}", 70, codec=codec, options=options, size=(176, 144),
        pts=list(range(70)), time_base=Fraction(1, 25),
    )  # fmt: skip
    late = tmp_path / f"b{suffix}"
    with av.open(str(whole)) as source, av.open(str(late), "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        for place, packet in enumerate(packet for packet in source.demux(video=0) if packet.size):
            if place >= 5:
                packet.stream = stream
                output.mux(packet)
    found = curated(late, tmp_path / "out", encoder=mode, clip_s=2.0)
    assert found.facts.num_frames == 50
    numbers = [number for clip in found.clips for number in read_numbers(av.open(clip.path).decode(video=0))]
    assert numbers == list(range(20, 70))
