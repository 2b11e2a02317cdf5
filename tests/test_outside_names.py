"""Paths of names from outside: below the folder they are put in, and different for different names."""

import itertools
import posixpath
import random

import pytest

from clipmill import layout
from clipmill.layout import MAX_PART_BYTES, MAX_PATH_BYTES, path_of

LONG = "long " * 50 + ".mp4"


@pytest.mark.parametrize(
    "name", ["a.mp4", "below/c d#%.mp4", "x::y.mp4", "ü ß.mp4", "100%.mp4", "a?b*.mp4", ".a"]
)
def test_usual_names_stay_what_they_are(name: str) -> None:
    assert path_of(name) == name


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a//b.mp4", "a/%2F/b.mp4"),
        ("/etc/passwd", "%2F/etc/passwd"),
        ("../../x.mp4", "%2E%2E/%2E%2E/x.mp4"),
        ("./x.mp4", "%2E/x.mp4"),
        ("a\nb\0.mp4", "a%0Ab%00.mp4"),
        ("%2E%2E/x.mp4", "%252E%252E/x.mp4"),
        ("a. /b.", "a%2E%20/b%2E"),
        ("", "%2F"),
        ("\udcff.mp4", "%ED%B3%BF.mp4"),
        ("a.mp4.json/b.mp4", "a.mp4%2Ejson/b.mp4"),
    ],
)
def test_what_a_file_system_takes_for_something_else_is_spelled_out(name: str, path: str) -> None:
    assert path_of(name) == path


def test_long_parts_and_long_paths_are_short_enough() -> None:
    for name in (LONG, f"{LONG}/{LONG}", "/".join([LONG] * 9), "ü" * 2000):
        path = path_of(name)
        assert len(path.encode()) <= MAX_PATH_BYTES
        assert all(0 < len(part.encode()) <= MAX_PART_BYTES for part in path.split("/"))


def test_a_name_that_looks_shortened_is_not_taken_for_the_long_one() -> None:
    assert path_of(path_of(LONG)) != path_of(LONG)


PIECES = ["a", "/", ".", "%", "2", "F", "E", " ", "\n", "\0", "~", "ü", "\udc80", ".json", "::", LONG]


def test_different_names_have_different_paths_below_the_output() -> None:
    short = ["".join(parts) for size in range(5) for parts in itertools.product(PIECES[:10], repeat=size)]
    rng = random.Random(3)
    odd = ["".join(rng.choices(PIECES, k=rng.randrange(1, 12))) for _ in range(5000)]
    names = list(dict.fromkeys([*short, *odd]))
    paths = [path_of(name) for name in names]
    assert len(set(paths)) == len(names)
    assert all(posixpath.normpath(f"/out/{path}") == f"/out/{path}" for path in paths)
    assert not any(character in path for path in paths for character in "\0\n")
    assert all(path.encode() for path in paths)


@pytest.mark.parametrize(
    ("uri", "root", "path"),
    [
        ("s3://films/raw//x.mp4", "s3://films/raw", "%2F/x.mp4"),
        ("s3://films//x.mp4", "s3://films", "%2F/x.mp4"),
        ("/films/a.mp4", "/films/a.mp4", "a.mp4"),
        ("/films/a.mp4", "/", "films/a.mp4"),
        ("https://host/films/a.mp4?id=3", "https://host/films/a.mp4?id=3", "a.mp4"),
        ("https://host/films/a.mp4", "https://", "host/films/a.mp4"),
    ],
)
def test_names_of_sources(uri: str, root: str, path: str) -> None:
    assert layout.relative_source(uri, root) == path


def test_no_part_leads_out_of_a_folder() -> None:
    assert (
        layout.join("s3://films/out", "processed_videos", "/x.json")
        == "s3://films/out/processed_videos/x.json"
    )
