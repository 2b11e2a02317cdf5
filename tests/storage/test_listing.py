"""Which videos a source holds, and what is said when it holds none."""

import json
import os
from contextlib import nullcontext
from pathlib import Path

import pytest

from clipmill.errors import SourceError
from clipmill.intake.manifests import source_line, source_of
from clipmill.media.io.source import open_source
from clipmill.stages.video.io.video_reader import VideoReader
from clipmill.storage import store
from clipmill.storage.listing import list_source, list_videos
from clipmill.storage.skipped_files import skipped_lines
from tests.support.stand_ins.object_store import s3_server


@pytest.fixture
def films(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    for name in ("b.mp4", "a/c.MKV", "a/readme.txt", "a/.trash/d.mp4"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def names(folder: Path, reader: VideoReader, *, exclude: str | None = None) -> list[str]:
    return [source.uri.removeprefix(f"{folder}/") for source in list_source(reader.source(), exclude=exclude)]


def listed(folder: Path, entries: object) -> VideoReader:
    path = folder.parent / "list.json"
    path.write_text(json.dumps(entries))
    return VideoReader(input_video_path=str(folder), input_list_json_path=str(path))


def test_a_folder_is_listed_recursively_by_suffix_in_any_case(films: Path) -> None:
    assert names(films, VideoReader(input_video_path=str(films))) == ["a/c.MKV", "b.mp4"]


def test_one_file(films: Path) -> None:
    (source,) = list_source(VideoReader(input_video_path=str(films / "b.mp4")).source())
    assert (source.uri, source.size_bytes) == (str(films / "b.mp4"), 5)


def test_video_limit_keeps_the_first(films: Path) -> None:
    assert names(films, VideoReader(input_video_path=str(films), video_limit=1)) == ["a/c.MKV"]


HEADS = {
    "film": b"\0\0\0\x18ftypisom",
    "b.insv": b"\x1aE\xdf\xa3",
    "c.mod": b"\0\0\1\xba",
    "d": (b"G" + bytes(187)) * 4,
    "e.bts": (bytes(4) + b"G" + bytes(187)) * 4,
    "f.raw": b"\0\0\0\1\x67",
    "g.x": b"RIFF\0\0\0\0AVI ",
    "moves.webp": b"RIFF\0\0\0\0WEBPVP8X\n\0\0\0\2",
    "moves.gif": b"GIF89a" + b"\x21\xf9\4....\0," * 2,
    "once.gif": b"GIF89a" + (b"\x21\xf9\4....\0," + bytes(9000)) * 2,
    "moves.png": b"\x89PNG\r\n\x1a\n" + bytes(25) + b"\0\0\0\x08acTL",
    "moves.avif": b"\0\0\0\x2cftypavis",
    "h.wtv_part": b"\xb7\xd8\0 7I\xda\x11\xa6N\0\7\xe9^\xad\x8d",
    "player": b"RIFF\0\0\0\0AMV LIST",
    "AVSEQ01.DAT": b"RIFF\0\0\0\0CDXAfmt ",
    "vvc": b"\0\0\0\1\0\xa1\x18\x80\0\0\0\1\0\x79",
    "av1": b"\x12\0\x0a\x0b\x02",
    "mpeg4": b"\0\0\1\xb0\1\0\0\1\xb5",
    "drawn": b"\x11\x1c\0\0\x12\xaf",
    "camera": b"--frame\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8",
    "no_ending_ogg": b"OggS" + bytes(24) + b"\x80theora",
}
OTHERS = {
    "still.webp": b"RIFF\0\0\0\0WEBPVP8X\n\0\0\0\0",
    "still.png": b"\x89PNG\r\n\x1a\n" + bytes(25) + b"\0\0\0\x08IDAT",
    "still.avif": b"\0\0\0\x1cftypavif",
    "still.gif": b"GIF89a" + b"\x21\xf9\4....\0," + bytes(9000),
    "sound": b"\0\0\0\x18ftypM4A ",
    "note": b"dear",
    "cover.m4a": b"\0\0\0\x18ftypisom",  # by its name it is sound
    "nothing": b"",
}


def test_what_a_name_does_not_say_the_first_bytes_do(tmp_path: Path) -> None:
    for name in ("a.mxf", "b.VOB", "c.dv", "d.h264", "e.hevc", "f.apng"):
        (tmp_path / name).write_bytes(b"x")
    by_name = {path.name for path in tmp_path.iterdir()}
    for name, head in (HEADS | OTHERS).items():
        (tmp_path / name).write_bytes(head)
    found = list_videos(VideoReader(input_video_path=str(tmp_path)).source())
    assert {source.uri.rpartition("/")[2] for source in found.sources} == by_name | set(HEADS)
    assert found.skipped.by_ending == {"": 3, ".avif": 1, ".gif": 1, ".m4a": 1, ".png": 1, ".webp": 1}
    assert skipped_lines(found.skipped) == [
        "skipped, no videos: 8 files (3 without an ending, 1 .avif, 1 .gif, 1 .m4a, 1 .png, 1 .webp)"
    ]


def test_a_name_of_odd_bytes_is_read_like_any_other(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path / "films") + b"\xe9"))
    folder.mkdir()
    (folder / "x::\udcff.mp4").write_bytes(b"whatever")
    (by_folder,) = list_source(VideoReader(input_video_path=str(tmp_path)).source())
    (by_list,) = list_source(listed(tmp_path, [str(folder / "x::\udcff.mp4")]).source())
    assert by_folder == by_list
    assert by_folder.uri == f"{tmp_path}/films\\xe9/x::\\xff.mp4"
    assert source_of(source_line(by_folder)) == by_folder
    with open_source(by_folder) as reader:
        assert reader.read() == b"whatever"


def test_a_changed_file_has_another_version(films: Path) -> None:
    reader = VideoReader(input_video_path=str(films / "b.mp4"))
    (before,) = list_source(reader.source())
    (films / "b.mp4").write_bytes(b"longer than it was")
    (after,) = list_source(reader.source())
    assert before.source_version != after.source_version


@pytest.mark.parametrize("name", ["a\nb.mp4", "ü ß.mp4", "<script>.mp4", "a b.mp4", "#1?.mp4", "%20.mp4"])
def test_any_name_is_listed_as_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    assert names(tmp_path, VideoReader(input_video_path=str(tmp_path))) == [name]


def test_the_output_inside_the_source_is_not_listed(films: Path) -> None:
    for name in ("out/clips/x.mp4", "outside.mp4"):
        (films / name).parent.mkdir(parents=True, exist_ok=True)
        (films / name).write_bytes(b"x")
    reader = VideoReader(input_video_path=str(films))
    assert names(films, reader, exclude=f"{films}/out/") == ["a/c.MKV", "b.mp4", "outside.mp4"]


MARKS = {
    "curated/manifest.json": {"schema_version": 2, "stage_digests": {}},
    "curated/snapshots/1/manifest.json": {"schema_version": 2, "stage_digests": {}},
    "old/running/lease.json": {"run_id": "1", "epoch": 1},
    "old/trainer/export.json": {"format_version": 1, "options_digest": "1"},
    "app/manifest.json": {"schema_version": 2},
    "app/export.json": ["format_version", "options_digest"],
}


@pytest.mark.parametrize("kind", ["local", "s3"])
def test_what_clipmill_wrote_below_a_source_is_no_footage(tmp_path: Path, kind: str) -> None:
    with s3_server("bucket") if kind == "s3" else nullcontext():
        root = str(tmp_path) if kind == "local" else "s3://bucket/films"
        for name, content in MARKS.items():
            store.put_bytes(f"{root}/{name}", json.dumps(content).encode())
            store.put_bytes(f"{root}/{name.rpartition('/')[0]}/clips/film.mp4", b"x")
        store.put_bytes(f"{root}/curated-before/film.mp4", b"x")

        found = list_videos(VideoReader(input_video_path=root).source())
        names = [source.uri.removeprefix(f"{root}/") for source in found.sources]
        assert names == ["app/clips/film.mp4", "curated-before/film.mp4"]
        assert skipped_lines(found.skipped) == [
            "skipped, no videos: 2 files (2 .json)",
            "skipped, written by clipmill: 8 files in 3 folders (curated, old/running, old/trainer)",
        ]
        with pytest.raises(SourceError, match=r"curated is an output of clipmill: .* or .*/curated/clips$"):
            list_source(VideoReader(input_video_path=f"{root}/curated").source())
        (clip,) = list_source(VideoReader(input_video_path=f"{root}/curated/clips").source())
        assert clip.uri == f"{root}/curated/clips/film.mp4"


@pytest.mark.parametrize("source", ["a", "a/c.MKV", "../link/a"], ids=["folder", "file", "by a link"])
def test_a_source_inside_the_output_is_refused(films: Path, source: str) -> None:
    (films.parent / "link").symlink_to(films)
    reader = VideoReader(input_video_path=f"{films}/{source}")
    with pytest.raises(SourceError, match="lies in the output"):
        list_source(reader.source(), exclude=str(films))


def test_an_output_that_links_reach_is_not_listed(films: Path) -> None:
    (films / "out/clips").mkdir(parents=True)
    (films / "out/clips/x.mp4").write_bytes(b"x")
    (films / "again").symlink_to(films / "out")
    reader = VideoReader(input_video_path=str(films))
    assert names(films, reader, exclude=f"{films}/out") == ["a/c.MKV", "b.mp4"]


def test_a_list_that_names_a_file_of_the_output_is_refused(films: Path) -> None:
    with pytest.raises(SourceError, match=r"names a file of the output: .*/a/c\.MKV"):
        names(films, listed(films, ["a/c.MKV", "b.mp4"]), exclude=f"{films}/a")


def test_an_output_that_is_the_source_is_refused(films: Path) -> None:
    reader = VideoReader(input_video_path=str(films / "a"))
    with pytest.raises(SourceError, match="the output is the source itself"):
        list_source(reader.source(), exclude=str(films / "a"))


def test_a_link_that_leads_nowhere_stays_to_be_rejected_by_name(tmp_path: Path) -> None:
    """As to footage on a disk that is not there; a link to a file of another kind is only counted."""
    for name, target in (
        ("a.mp4", "/gone/a.mp4"),
        ("b.mp4", "b.mp4"),
        ("c.txt", "/gone/c.txt"),
        ("d", "/gone"),
    ):
        (tmp_path / name).symlink_to(target)
    found = list_videos(VideoReader(input_video_path=str(tmp_path)).source())
    assert [(source.uri, source.size_bytes, source.version) for source in found.sources] == [
        (f"{tmp_path}/a.mp4", 0, ""),
        (f"{tmp_path}/b.mp4", 0, ""),
    ]
    assert found.skipped.by_ending == {"": 1, ".txt": 1}
    assert store.find(str(tmp_path)) == []


def test_json_list_keeps_each_entry_once_in_sorted_order(films: Path) -> None:
    reader = listed(films, [f"{films}/b.mp4", f"file://{films}/b.mp4", "a/c.MKV", f"{films}/a/readme.txt"])
    assert names(films, reader) == ["a/c.MKV", "a/readme.txt", "b.mp4"]


def test_a_listed_file_that_is_missing_stays_to_be_rejected_by_name(films: Path) -> None:
    sources = list_source(listed(films, ["b.mp4", "gone.mp4"]).source())
    assert [(source.uri, source.size_bytes) for source in sources] == [
        (f"{films}/b.mp4", 5),
        (f"{films}/gone.mp4", 0),
    ]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"a": 1}, "needs a JSON list of paths, got dict"),
        (["b.mp4", 7], "entry 1 is no string: 7"),
        (["/elsewhere/b.mp4"], "entry 0 does not lie under .*: /elsewhere/b.mp4"),
        (["../films2/b.mp4"], "entry 0 does not lie under .*: ../films2/b.mp4"),
        (["s3://films/b.mp4"], "entry 0 does not lie under .*: s3://films/b.mp4"),
        (["a\0b.mp4"], r"entry 0 is no name that a file can have: \"a\\u0000b.mp4\""),
        (["\ud8ff.mp4"], "entry 0 is no name that a file can have"),
        ([], "holds no video"),
    ],
    ids=["no list", "no string", "outside", "climbs out", "another store", "NUL", "no UTF-8", "empty"],
)
def test_a_wrong_list_is_an_error_naming_the_entry(films: Path, entries: object, message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        list_source(listed(films, entries).source())
    assert "\n" not in str(caught.value)


def test_a_list_that_is_no_json(films: Path) -> None:
    reader = listed(films, [])
    (films.parent / "list.json").write_text("[")
    with pytest.raises(SourceError, match=r"list\.json is no JSON"):
        list_source(reader.source())


def test_a_list_that_does_not_exist(films: Path) -> None:
    reader = VideoReader(input_video_path=str(films), input_list_json_path=str(films / "none.json"))
    with pytest.raises(SourceError, match=r"none\.json: No such file"):
        list_source(reader.source())


@pytest.mark.parametrize(
    ("name", "message"),
    [("gone", "does not exist"), ("empty", "holds no video"), ("a.txt", "another kind")],
)
def test_a_source_without_a_video_is_one_readable_line(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.txt").write_bytes(b"x")
    with pytest.raises(SourceError, match=message) as caught:
        list_source(VideoReader(input_video_path=str(tmp_path / name)).source())
    assert "\n" not in str(caught.value)
