"""What is unusual about a file, from the file to the table, the JSON and the report."""

import json
from pathlib import Path

import pytest

from tests.support.films.container_films import write_two_streams
from tests.support.films.scan_films import write_film
from tests.support.runs.curation import Row, curate_here, plain_spec, rows
from tests.support.runs.one_codec import one_codec_process

JUMP = "1 frames where timestamps jump ahead"
STREAMS = "1 more video streams were left out"


@pytest.fixture(scope="module")
def curated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a run over an ordinary film, two odd ones and a file that is none."""
    folder = tmp_path_factory.mktemp("odd")
    (folder / "films").mkdir()
    write_film(folder / "films" / "plain.mp4", range(25))
    write_film(folder / "films" / "jump.mp4", [*range(12), *range(100_000, 100_013)])
    write_two_streams(folder / "films" / "two.mkv", 25)
    (folder / "films" / "letter.mp4").write_text("The film will follow by post.\n")
    spec = plain_spec(motion=None, motion_filter=None, quality=None, embedding=None, write={"dry_run": True})
    with one_codec_process():
        curate_here(folder / "films", folder / "out", spec)
    return folder / "out"


def videos(output: Path) -> dict[str, Row]:
    return {Path(str(row["uri"])).name: row for row in rows(output, "videos")}


@pytest.mark.parametrize(
    ("name", "oddities"),
    [("plain.mp4", ""), ("jump.mp4", JUMP), ("two.mkv", STREAMS), ("letter.mp4", None)],
    ids=["ordinary", "times", "streams", "never decoded"],
)
def test_the_table_says_what_is_unusual(curated: Path, name: str, oddities: str | None) -> None:
    assert videos(curated)[name]["oddities"] == oddities


def test_the_json_of_an_odd_video_says_it_too(curated: Path) -> None:
    folder = curated / "processed_videos"
    assert json.loads((folder / "jump.mp4.json").read_text())["oddities"] == JUMP
    assert "oddities" not in json.loads((folder / "plain.mp4.json").read_text())


def test_the_report_lists_odd_files_only(curated: Path) -> None:
    page = (curated / "report.html").read_text()
    assert "2 of 2 shown" in page.split("Unusual files")[1][:60]
    assert all(words in page for words in (JUMP, STREAMS))
