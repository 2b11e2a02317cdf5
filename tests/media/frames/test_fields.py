"""HEVC that is coded field by field gives whole pictures, as H.264 and MPEG-2 do."""

import itertools
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.video.frame import VideoFrame

from clipmill.media.frames.deinterlace import is_combed
from clipmill.media.frames.fields import Weaver
from clipmill.media.io.probe import probe
from clipmill.media.io.source import open_source
from clipmill.records import VideoFacts
from tests.media.cut.test_picture_kinds import EVERY_FRAME, bars, firsts, look, rgb
from tests.support.films.chirps import curated, join
from tests.support.films.numbered_films import draw, draw_coded_fields, read_number
from tests.support.scan_plans import pictures, scanned

pytestmark = pytest.mark.integration


def probed(path: Path) -> VideoFacts:
    with open_source(str(path)) as reader:
        return probe(reader, str(path))


@pytest.mark.parametrize("order", ["top", "bottom"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".hevc"])
def test_fields_become_whole_pictures(tmp_path: Path, suffix: str, order: str) -> None:
    film = draw_coded_fields(tmp_path / f"a{suffix}", 50, order=order)
    facts, arrays = scanned(film, EVERY_FRAME)
    assert (facts.num_frames, facts.duration_s, facts.is_partial) == (50, pytest.approx(2.0), False)
    assert "50 interlaced frames" in facts.oddities
    assert bars(list(pictures(arrays))) == pytest.approx(firsts(0, 50), abs=1.5)

    found = curated(film, tmp_path / "out", clip_s=1.0)
    assert [clip.pictures.fields for clip in found.clips] == ["deinterlaced"] * 2
    for clip, shown in zip(found.clips, look(found), strict=True):
        start = 25 * found.clips.index(clip)
        assert (clip.width, clip.height) == (128, 96)
        assert [read_number(rgb(frame)) for frame in shown] == list(range(start, start + 25))
        assert bars([rgb(frame) for frame in shown]) == pytest.approx(firsts(start, start + 25), abs=1.5)


@pytest.mark.parametrize("mode", ["copy", "smart"])
def test_single_fields_are_never_copied(tmp_path: Path, mode: str) -> None:
    found = curated(draw_coded_fields(tmp_path / "a.mp4", 50), tmp_path / "out", encoder=mode)
    assert [(clip.clip_mode, clip.height) for clip in found.clips] == [("encode", 96)]
    assert "coded field by field" in found.clips[0].mode_reason


def test_woven_lines_are_left_where_that_is_asked_for(tmp_path: Path) -> None:
    found = curated(draw_coded_fields(tmp_path / "a.mp4", 50), tmp_path / "out", deinterlace="off")
    assert found.clips[0].pictures.fields == "left"
    assert is_combed(look(found)[0][20])


@pytest.mark.parametrize(
    ("written", "shown"), [(None, 1), (Fraction(4, 3), Fraction(4, 3)), (Fraction(1, 2), 1)]
)
@pytest.mark.parametrize("suffix", [".ts", ".mkv"])
def test_the_aspect_is_that_of_whole_pictures(
    tmp_path: Path, suffix: str, written: Fraction | None, shown: Fraction | int
) -> None:
    film = draw_coded_fields(tmp_path / f"a{suffix}", 30, sar=written)
    facts = probed(film)
    assert (facts.height_px, facts.framerate, facts.sar) == (96, 25, shown)
    (clip,) = look(curated(film, tmp_path / "out"))
    assert clip[0].height == 96
    _, arrays = scanned(film, EVERY_FRAME)
    assert pictures(arrays).shape[1:3] == (96, round(128 * shown / 2) * 2)


@pytest.mark.parametrize("are_fields_first", [True, False])
def test_a_film_may_hold_fields_and_frames(tmp_path: Path, are_fields_first: bool) -> None:
    """Frames that say nothing of fields have the flags of those before, from FFmpeg's decoder."""
    options = {"x265-params": "keyint=20:log-level=none:pools=1:frame-threads=1"}
    parts = [
        draw_coded_fields(tmp_path / "fields.ts", 50),
        draw(tmp_path / "frames.ts", 50, codec="libx265", size=(128, 96), options=options),
    ]
    film = join(tmp_path / "film.ts", *(parts if are_fields_first else parts[::-1]))
    found = curated(film, tmp_path / "out")
    assert found.facts.num_frames == 100
    for shown in look(found):
        assert [read_number(rgb(frame)) for frame in shown] == list(range(50))


def fields_of(path: Path) -> list[VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def weave(fields: Iterable[VideoFrame]) -> list[tuple[int, int]]:
    """Height and number of each picture."""
    weaver = Weaver()
    frames = [*itertools.chain.from_iterable(map(weaver.take, fields)), *weaver.finish()]
    return [(frame.height, read_number(rgb(frame))) for frame in frames]


@pytest.mark.parametrize("missing", [[20], [21], [22], [21, 22], [20, 22], [39]])
def test_a_missing_field_costs_its_lines_only(tmp_path: Path, missing: list[int]) -> None:
    fields = fields_of(draw_coded_fields(tmp_path / "a.mp4", 20))
    found = weave(field for place, field in enumerate(fields) if place not in missing)
    assert found == [(96, number) for number in range(20)]


def test_a_film_that_begins_with_a_second_field_is_put_right_at_a_key_picture(tmp_path: Path) -> None:
    fields = fields_of(draw_coded_fields(tmp_path / "a.mp4", 20))
    assert fields[20].key_frame
    assert weave(fields[1:])[10:] == [(96, number) for number in range(10, 20)]


def test_pictures_that_all_say_they_are_first_fields_are_frames(tmp_path: Path) -> None:
    fields = fields_of(draw_coded_fields(tmp_path / "a.mp4", 20))
    assert weave(fields[::2]) == [(48, number) for number in range(20)]
