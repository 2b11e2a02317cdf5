"""Sources that change during a run: nothing of the new bytes is kept under the old id."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from clipmill.curation import run
from clipmill.engine.operators import encode
from clipmill.records import ClipSpan
from tests.support.films.small_films import TWO_CLIPS, draw_film
from tests.support.runs.curation import curate_here, fates, plain_spec, rows

pytestmark = pytest.mark.usefixtures("shared_codec")


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    folder = tmp_path_factory.mktemp("pair")
    first, second = (draw_film(folder / f"{seed}.mp4", seed=seed, shots=TWO_CLIPS) for seed in (70, 71))
    return first.read_bytes(), second.read_bytes()


@pytest.fixture
def film(films: tuple[bytes, bytes], tmp_path: Path) -> Path:
    path = tmp_path / "source" / "film.mp4"
    path.parent.mkdir()
    path.write_bytes(films[0])
    return path


def after(patch: pytest.MonkeyPatch, where: object, name: str, act: Callable[[], None]) -> None:
    """Has something happen right after a function of the code returns for the first time."""
    whole, is_done = getattr(where, name), False

    def wrapped(*arguments: object, **options: object) -> object:
        nonlocal is_done
        found = whole(*arguments, **options)
        if not is_done:
            is_done = True
            act()
        return found

    patch.setattr(where, name, wrapped)


def swap(path: Path, data: bytes) -> None:
    """Puts another film in the place of one."""
    before = path.stat()
    new = path.with_name(".new")
    new.write_bytes(data)
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns + 10**9))
    os.replace(new, path)


def clip_ids(output: Path) -> set[str]:
    return {str(row["clip_id"]) for row in rows(output, "clips")}


def test_film_swapped_behind_its_inspection_is_not_scanned(
    film: Path, films: tuple[bytes, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, before = tmp_path / "out", film.stat()
    after(monkeypatch, run, "inspect_manifest", lambda: swap(film, films[1]))
    curate_here(film.parent, output, plain_spec())
    assert fates(output, film.parent) == {"film.mp4": "source_changed"}
    assert rows(output, "clips") == []
    monkeypatch.undo()
    curate_here(film.parent, output, plain_spec())
    second = clip_ids(output)
    assert second
    assert fates(output, film.parent) == {"film.mp4": "curated"}
    film.write_bytes(films[0])
    os.utime(film, ns=(before.st_atime_ns, before.st_mtime_ns))
    curate_here(film.parent, output, plain_spec())
    assert fates(output, film.parent) == {"film.mp4": "curated"}
    assert clip_ids(output)
    assert clip_ids(output).isdisjoint(second)


def test_film_swapped_behind_its_scan_is_not_cut(
    film: Path, films: tuple[bytes, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A filter before the encoder has clips cut in a pass of their own."""
    before = film.stat()
    output, spec = tmp_path / "out", plain_spec(quality={"black_ratio": {"max": 0.9}}, embedding=None)

    def clips_then_swap(*arguments: object) -> list[ClipSpan]:
        swap(film, films[1])
        return wanted(*arguments)  # type: ignore[arg-type] - any, as they came

    wanted = encode.wanted_clips
    monkeypatch.setattr(encode, "wanted_clips", clips_then_swap)
    curate_here(film.parent, output, spec)
    monkeypatch.undo()
    clips = rows(output, "clips")
    assert {(clip["status"], clip["clip_uri"]) for clip in clips} == {("failed", None)}
    assert all("it was replaced" in str(clip["errors"]) for clip in clips)
    film.write_bytes(films[0])
    os.utime(film, ns=(before.st_atime_ns, before.st_mtime_ns))
    curate_here(film.parent, output, spec)
    assert {row["status"] for row in rows(output, "clips")} == {"kept"}
