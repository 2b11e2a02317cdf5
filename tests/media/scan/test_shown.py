"""Files with the same packets are copies in any container, and are none where they show them otherwise."""

from pathlib import Path

import pytest

from clipmill.dedup.exact import VideoRow, find_exact
from clipmill.media.scan.scan import scan
from clipmill.media.types import ScanPlan
from tests.support.films.chirps import Codecs, draw_chirp, recoded

pytestmark = pytest.mark.integration

MOVED = "setts=ts='if(lt(TS*TB,1),TS*1.5,if(lt(TS*TB,2),1/TB+TS/2,TS))'"
"""The first second takes half a second more, and the next one half a second less."""


def seen(path: Path) -> VideoRow:
    facts = scan(str(path), ScanPlan(thumbnails=False), f"{path}.spool")
    return VideoRow(
        path.name, path.name, facts.content_digest, facts.audio_digest, duration_s=facts.duration_s,
        shown=facts.shown,
    )  # fmt: skip


def copied(path: Path, source: Path, *options: str, sound: int = 1) -> VideoRow:
    tracks = [word for _ in range(sound) for word in ("-map", "0:a")]
    return seen(recoded(path, source, "-map", "0:v", *tracks, "-c", "copy", *options))


def film(tmp_path: Path) -> Path:
    return draw_chirp(tmp_path / "0.mkv", 100, codecs=Codecs("libx264", "aac", {"bf": "2", "g": "25"}))


def test_a_film_is_the_same_in_every_container(tmp_path: Path) -> None:
    source = film(tmp_path)
    fragments = ("-movflags", "frag_keyframe+empty_moov")
    rows = [seen(source), copied(tmp_path / "f.mp4", source, *fragments)]
    rows += [copied(tmp_path / f"a{suffix}", source) for suffix in (".mp4", ".mov", ".ts", ".flv", ".nut")]
    rows += [copied(tmp_path / "b.mp4", source, "-movflags", "faststart", "-metadata", "title=other")]
    assert len(find_exact(rows)) == len(rows) - 1


@pytest.mark.parametrize(
    "options",
    [
        ("-bsf:v", "h264_metadata=crop_right=8:crop_bottom=8"),
        ("-bsf:v", "h264_metadata=video_full_range_flag=1"),
        ("-bsf:v", "h264_metadata=matrix_coefficients=9:colour_primaries=9:transfer_characteristics=16"),
        ("-bsf:v", MOVED),
    ],
    ids=["crop", "range", "colours", "times"],
)
def test_a_film_that_is_shown_otherwise_is_another_one(tmp_path: Path, options: tuple[str, ...]) -> None:
    source = film(tmp_path)
    for suffix in (".mp4", ".mkv"):
        assert find_exact([seen(source), copied(tmp_path / f"a{suffix}", source, *options)]) == []


def test_one_more_track_makes_another_film(tmp_path: Path) -> None:
    source = film(tmp_path)
    two = [copied(tmp_path / f"two{suffix}", source, sound=2) for suffix in (".mp4", ".ts", ".mkv")]
    assert {row.duplicate_of for row in find_exact([seen(source), *two])} == {"two.mkv"}
