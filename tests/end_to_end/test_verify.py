"""An output that lost files: ``clipmill verify`` names them, and the next run makes them again."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clipmill.cli.exits import DONE, FAILURES_LEFT, MISUSE
from clipmill.cli.main import main
from clipmill.dataset.verify.findings import Finding
from clipmill.dataset.verify.published import Published
from clipmill.dataset.verify.run import let_redo
from clipmill.runs.lease import take
from clipmill.runs.run_id import new_run_id
from tests.state.test_store import Rows
from tests.support.runs.curation import curate_here, files, published_files, rows, small_spec

pytestmark = pytest.mark.usefixtures("shared_codec")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, film: Path) -> Path:
    folder = tmp_path_factory.mktemp("verified")
    shutil.copy2(film, folder / "harbour.mp4")
    return folder


@pytest.fixture(scope="module")
def finished(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output that nothing happened to; not to be written to."""
    output = tmp_path_factory.mktemp("finished") / "out"
    curate_here(source, output, small_spec())
    return output


@pytest.fixture
def output(finished: Path) -> Path:
    """The same output at the same place, to be put right again after the test."""
    return finished


@pytest.fixture(autouse=True)
def put_right(finished: Path, tmp_path: Path) -> Iterator[None]:
    shutil.copytree(finished, tmp_path / "kept", symlinks=True)
    yield
    shutil.rmtree(finished)
    shutil.copytree(tmp_path / "kept", finished, symlinks=True)


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(["verify", *arguments])
    return code, capsys.readouterr().out


def clip_files(output: Path) -> list[Path]:
    return sorted((output / "clips").iterdir())


def test_an_output_that_nothing_happened_to_is_well(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(output)
    code, text = said(capsys, str(output), "--all")
    assert code == DONE
    assert text.splitlines() == ["4 files, 2 files read, 6 parts of tables looked at", "all is well"]
    assert files(output) == before


def test_lost_files_are_named_and_made_again(
    source: Path, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    undisturbed = published_files(output)
    first, second = clip_files(output)
    preview = next((output / "previews").rglob("*.webp"))
    first.unlink()
    preview.unlink()
    data = second.read_bytes()
    second.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    code, text = said(capsys, str(output), "--all")
    assert code == FAILURES_LEFT
    assert f"file clips/{first.name}: missing" in text
    assert f"file {preview.relative_to(output)}: missing" in text
    assert f"file clips/{second.name}: damaged, its bytes are not those that were written" in text
    assert text.endswith("3 faults: --repair lets the next run make up for them\n")

    code, text = said(capsys, str(output), "--all", "--repair")
    assert (code, text.splitlines()[-1]) == (FAILURES_LEFT, "3 faults: the next run makes 3 files again")
    curate_here(source, output, small_spec())
    assert published_files(output) == undisturbed
    assert said(capsys, str(output), "--all")[0] == DONE


def test_a_run_without_repair_changes_nothing(source: Path, output: Path) -> None:
    clip_files(output)[0].unlink()
    before = published_files(output)
    curate_here(source, output, small_spec())
    assert published_files(output) == before


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut_off, emptied])
def test_a_file_of_another_size_is_found_without_reading_it(
    output: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], None]
) -> None:
    damage(clip_files(output)[0])
    code, text = said(capsys, str(output), "--sample", "0")
    assert code == FAILURES_LEFT
    assert f"file clips/{clip_files(output)[0].name}: damaged" in text
    assert "0 files read" in text


def test_tables_and_documents_are_compared_and_published_again(
    source: Path, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    undisturbed = published_files(output)
    manifest = json.loads((output / "manifest.json").read_text())
    shots = manifest["tables"]["shots"]
    table = output / (shots["parts"][0]["path"] if "parts" in shots else shots["path"])
    table.write_bytes(b"PAR1")
    clip = rows(output, "clips")[0]
    copy = output / "tables" / "clips.parquet"
    copy.write_bytes(copy.read_bytes()[::-1])
    part = next((output / "state" / "quality").rglob("*.parquet"))
    middle = part.stat().st_size // 2
    part.write_bytes(part.read_bytes()[:middle] + b"!" + part.read_bytes()[middle + 1 :])
    document = output / "metas" / "v0" / f"{clip['clip_id']}.json"
    fields = json.loads(document.read_text())
    document.write_text(json.dumps({**fields, "valid": False}))
    code, text = said(capsys, str(output), "--all", "--repair")
    assert code == FAILURES_LEFT
    assert f"part {part.relative_to(output)}: damaged" in text
    assert f"table {table.relative_to(output)}: damaged" in text
    assert "table tables/clips.parquet: damaged" in text
    assert f"document metas/v0/{document.name}: wrong, valid is not that of the row" in text
    curate_here(source, output, small_spec())
    assert published_files(output) == undisturbed


def test_a_lost_result_is_made_again_whatever_the_clock_says(tmp_path: Path) -> None:
    """The clock of the run before was ahead by decades."""
    ahead = "20990101T000000.000000Z-01234567"
    take(str(tmp_path), ahead).release()
    motion = Rows(tmp_path)
    motion.put({"id": "a"}, run_id=ahead)
    lost = Finding("file", "clips/a.mp4", "missing", item_id="a", keys=("motion",))
    assert let_redo(Published((), (), {"motion": "d"}, ()), str(tmp_path), [lost]) == 1
    assert not len(motion.read())
    motion.put({"id": "a"}, run_id=take(str(tmp_path), new_run_id()).run_id)
    assert motion.read()["id"].to_pylist() == ["a"]


def test_files_that_no_row_names_are_listed_and_no_fault(
    output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (output / "clips" / "holiday.mp4").write_bytes(b"film")
    code, text = said(capsys, str(output))
    assert code == DONE
    assert "stray clips/holiday.mp4: stray" in text


def test_files_of_clips_that_a_threshold_hides_are_no_strays(
    source: Path, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strict = {"motion_filter": {"score_only": False, "global_mean_threshold": 0.003}}
    curate_here(source, output, small_spec(**strict))
    code, text = said(capsys, str(output), "--all")
    assert code == DONE
    assert "stray" not in text


def test_an_output_without_a_manifest_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(tmp_path)]) == MISUSE
    assert capsys.readouterr().err == (
        f"clipmill: {tmp_path} holds no manifest.json: nothing was published there\n"
    )
