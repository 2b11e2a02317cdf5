"""Stereo, spherical pictures, layers and Dolby Vision without a base layer are named."""

from pathlib import Path

import av
import pytest

from clipmill.media.frames.side_tags import has_layers
from clipmill.media.scan.scan import scan
from clipmill.media.types import ScanPlan
from tests.support.films.chirps import curated
from tests.support.films.numbered_films import draw
from tests.support.films.tagged_films import PROFILE_5, PROFILE_8, box, with_dolby_vision, with_entry

pytestmark = pytest.mark.integration

HEVC = {"x265-params": "keyint=10:log-level=none:pools=1:frame-threads=1"}
SPHERE = box(
    b"sv3d",
    box(b"svhd", bytes(4) + b"x\0") + box(b"proj", box(b"prhd", bytes(16)) + box(b"equi", bytes(20))),
)


def oddities(path: Path) -> str:
    return scan(str(path), ScanPlan(thumbnails=False), str(path.parent / "spool")).oddities


@pytest.mark.parametrize(
    ("packing", "said"), [("3", "two views side by side"), ("4", "two views one above the other")]
)
@pytest.mark.parametrize("suffix", [".ts", ".mkv"])
def test_two_views_in_one_picture_are_said(tmp_path: Path, suffix: str, packing: str, said: str) -> None:
    film = draw(tmp_path / f"a{suffix}", 10, options={"x264-params": f"frame-packing={packing}"})
    assert said in oddities(film)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (box(b"st3d", bytes(4) + b"\2"), "stereo 3D, two views side by side, taken as one picture"),
        (SPHERE, "a spherical picture (equirectangular), taken as it is stored"),
        (b"", ""),
    ],
    ids=["stereo", "sphere", "neither"],
)
def test_what_an_mp4_says_of_its_views_is_said(tmp_path: Path, more: bytes, said: str) -> None:
    assert oddities(with_entry(draw(tmp_path / "a.mp4", 10), more=more)) == said


@pytest.mark.parametrize(
    ("profile", "said", "status"),
    [
        (PROFILE_5, "Dolby Vision without a base layer: its colours are wrong", "wrong_colours"),
        (PROFILE_8, "", "none"),
    ],
)
def test_dolby_vision_without_a_base_layer_is_said(
    tmp_path: Path, profile: int, said: str, status: str
) -> None:
    plain = draw(tmp_path / "a.mp4", 50, codec="libx265", options=HEVC, pixel_format="yuv420p10le")
    film = with_dolby_vision(plain, tmp_path / "b.mp4", profile)
    found = curated(film, tmp_path / "out", clip_s=1.0)
    assert found.facts.oddities.startswith(said)
    assert bool(found.facts.oddities) == bool(said)
    assert [clip.pictures.hdr for clip in found.clips] == [status] * 2
    copied = curated(film, tmp_path / "copied", encoder="copy", clip_s=1.0).clips
    assert [clip.pictures.hdr for clip in copied] == ["copied" if said else "none"] * 2


@pytest.mark.parametrize("suffix", [".mp4", ".ts"])
def test_a_second_layer_is_said(tmp_path: Path, suffix: str) -> None:
    """No encoder here makes one: the parameter set of an ordinary film is changed to promise two layers."""
    film = draw(tmp_path / f"a{suffix}", 10, codec="libx265", options=HEVC)
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        assert not has_layers(stream)
        at = bytes(stream.codec_context.extradata or b"").index(b"\x40\x01\x0c")
        data = bytearray(stream.codec_context.extradata or b"")
        data[at + 3] |= 0x10
        stream.codec_context.extradata = bytes(data)
        assert has_layers(stream)
