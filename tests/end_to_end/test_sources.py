"""Where videos come from and where results go: folders, files, lists, limits, object stores."""

import json
import shutil
from pathlib import Path

import pytest

from tests.support.films.small_films import draw_film
from tests.support.runs.curation import curate_here, fates, plain_spec, rows

pytestmark = pytest.mark.usefixtures("shared_codec")


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, film: Path) -> Path:
    """Three short films, one of them in a folder below; not to be written to."""
    folder = tmp_path_factory.mktemp("shelf")
    for seed, name in enumerate(("a.mp4", "b.MP4", "below/c d#%.mp4"), start=40):
        draw_film(folder / name, seed=seed, shots=(24,))
    return folder


def listed(tmp_path: Path, entries: list[str]) -> dict[str, object]:
    path = tmp_path / "list.json"
    path.write_text(json.dumps(entries))
    return {"input_list_json_path": str(path)}


def names(output: Path, source: Path) -> list[str]:
    return sorted(fates(output, source))


def test_folder_is_searched_in_depth(shelf: Path, tmp_path: Path) -> None:
    curate_here(shelf, tmp_path / "out", plain_spec())
    assert fates(tmp_path / "out", shelf) == dict.fromkeys(("a.mp4", "b.MP4", "below/c d#%.mp4"), "curated")


def test_results_of_a_name_with_odd_characters_are_found(shelf: Path, tmp_path: Path) -> None:
    curate_here(shelf, tmp_path / "out", plain_spec())
    assert (tmp_path / "out" / "processed_videos" / "below" / "c d#%.mp4.json").is_file()


def test_single_file_is_a_source(shelf: Path, tmp_path: Path) -> None:
    curate_here(shelf / "a.mp4", tmp_path / "out", plain_spec())
    (video,) = rows(tmp_path / "out", "videos")
    assert video["uri"] == str(shelf / "a.mp4")
    assert (tmp_path / "out" / "processed_videos" / "a.mp4.json").is_file()


def test_list_names_the_videos(shelf: Path, tmp_path: Path) -> None:
    entries = ["below/c d#%.mp4", str(shelf / "a.mp4"), "a.mp4", "below/../a.mp4"]
    curate_here(shelf, tmp_path / "out", plain_spec(**listed(tmp_path, entries)))
    assert names(tmp_path / "out", shelf) == ["a.mp4", "below/c d#%.mp4"]


def test_video_limit_takes_the_first_of_the_listing(shelf: Path, tmp_path: Path) -> None:
    curate_here(shelf, tmp_path / "out", plain_spec(video_limit=2))
    assert names(tmp_path / "out", shelf) == ["a.mp4", "b.MP4"]


def test_limit_raised_later_keeps_what_was_done(shelf: Path, tmp_path: Path) -> None:
    curate_here(shelf, tmp_path / "out", plain_spec(video_limit=1))
    curate_here(shelf, tmp_path / "out", plain_spec())
    streams = sorted((tmp_path / "out" / "runs").glob("*.stream.json"))
    assert sorted(json.loads(path.read_text())["num_videos"] for path in streams) == [1, 2]


def test_output_inside_the_source_is_not_read_back(tmp_path: Path, film: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    shutil.copy2(film, source / "harbour.mp4")
    for _ in range(2):
        curate_here(source, source / "out", plain_spec())
    assert names(source / "out", source) == ["harbour.mp4"]
