"""The bench runs, on one tiny film and once, so that it cannot rot. Nothing here asserts a time."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from unittest import mock

import av
import numpy as np
import pytest

from bench import __main__ as bench
from bench import process_meter, tables, workers
from bench.films import tiny
from bench.repeated_film import repeat
from bench.run_cost import Kept, RunCost, RunKind
from bench.scan_parts import DECODE, FilmCost, readable, steps
from bench.workers import Pair, workers_table
from clipmill.machine import num_cores

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one film that is labelled, and one file that is no film."""
    folder = tmp_path_factory.mktemp("videos")
    (folder / "tiny.mp4").write_bytes(tiny(tmp_path_factory.mktemp("drawn"))[0].read_bytes())
    (folder / "broken.mp4").write_text("no film")
    (folder / "groundtruth").mkdir()
    (folder / "groundtruth" / "tiny.json").write_text('{"cuts": []}')
    return folder


def first_cells(printed: str) -> list[str]:
    """The first cell of each line of the tables."""
    return [line.split("|")[1].strip() for line in printed.splitlines() if line.startswith("| ")]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn films are kept below the working directory."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("elsewhere")
def test_every_row_is_printed(
    videos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "KINDS", bench.KINDS[1:2])  # the others take seconds and the same way
    sections = ["--only", "scan", "--only", "runs", "--only", "cuts"]
    assert bench.main(["--videos", str(videos), "--rounds", "1", *sections]) == 0
    printed = capsys.readouterr().out
    wanted = ["tiny.mp4", DECODE, *steps(), *(kind.name for kind in bench.KINDS)]
    assert [name for name in wanted if name not in first_cells(printed)] == []
    assert {"clipmill", "Content", "Adaptive", "Hash", "Histogram"} <= set(first_cells(printed))  # the cuts


def no_run(kind: RunKind, films: list[str], tiny: list[str]) -> RunCost:
    """Stands in for a run where only what is beside it matters."""
    return RunCost(4.0, 1.0, 1.0, 1.0, 1.0, 1.0, (Kept(films[0], 0.5, 2.5, is_copied=False),), {})


@pytest.mark.usefixtures("elsewhere")
def test_the_floor_of_encoding_is_printed(
    videos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "run_cost", no_run)
    assert bench.main(["--videos", str(videos), "--rounds", "1", "--only", "encode"]) == 0
    cells = first_cells(capsys.readouterr().out)
    wanted = ("ffmpeg: decode", "ffmpeg: decode, encode", "ffmpeg: decode; decode, encode the kept spans")
    assert [name for name in (*wanted, "whole run") if name not in cells] == []


def test_no_videos_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--videos", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"no video in {tmp_path}\n"


def test_reading_a_source_twice_fails_loudly(videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = videos / "tiny.mp4"
    once = FilmCost(str(film), 4.0, (64, 36), film.stat().st_size, {DECODE: 1.0}, 1.0)
    assert not bench.read_too_much([once])
    assert bench.read_too_much([replace(once, bytes_read=2 * once.bytes_read)])
    assert "tiny.mp4 was read 2.000 times" in capsys.readouterr().out


def test_files_that_bare_decode_cannot_read_are_left_out(videos: Path) -> None:
    films = [str(videos / "broken.mp4"), str(videos / "tiny.mp4")]
    assert list(readable(films)) == films[1:]


def test_cpu_time_includes_children_that_live_and_that_ended() -> None:
    burn = "import time, sys\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\nsys.stdin.read()"
    before_s = process_meter.cpu_s()
    with subprocess.Popen(
        [sys.executable, "-c", burn], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        alive_s = process_meter.cpu_s() - before_s
    assert alive_s >= 0.25  # the kernel counts in hundredths, and rounds
    assert process_meter.cpu_s() - before_s >= alive_s


def hold_memory(num_bytes: int) -> int:
    """Fill memory, long enough to be seen."""
    held = np.ones(num_bytes, np.uint8)
    time.sleep(5 * process_meter.SAMPLE_EVERY_S)
    return int(held.nbytes)


def test_peak_memory_is_that_of_the_isolated_process() -> None:
    num_bytes = 256 << 20
    held, peak = process_meter.isolated(hold_memory, num_bytes)
    assert held == num_bytes
    assert num_bytes < peak.rss_bytes <= peak.high_water_bytes < 3 * num_bytes


def test_descendants_are_children_and_theirs() -> None:
    script = "sleep 30 & echo $!; wait"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True) as shell:
        assert shell.stdout is not None
        grandchild = int(shell.stdout.readline())
        found = set(process_meter.descendants(os.getpid()))
        os.kill(grandchild, 9)
    assert {shell.pid, grandchild} <= found


def test_ratios_are_taken_within_a_round() -> None:
    rounds = [
        [FilmCost(__file__, 60.0, (64, 36), 1, {DECODE: decode_s, "+ times": 2 * decode_s}, 1.5 * decode_s)]
        for decode_s in (1.0, 5.0, 9.0)
    ]
    printed = tables.scan_table(rounds, [1])
    assert "| + times | 10.00 | 2.00 (2.00 to 2.00) | +1.000 |" in printed
    assert "draft pictures / decode: 1.50 (1.50 to 1.50)" in printed


def test_a_second_worker_is_counted_by_the_clock_and_by_its_cost() -> None:
    one, two = (RunCost(1.0, 1.0, 1.0, 1.0, run_s, wall_s, (), {}) for run_s, wall_s in ((9, 10), (10, 6)))
    printed = workers_table({RunKind("copy", has_previews=False): [Pair(one, two)]})
    assert "| 9.0 | 10.0 | 10.0 | 6.0 | 1.67 (1.67 to 1.67) | 1.80 (1.80 to 1.80) |" in printed


def test_a_process_works_on_the_cores_that_it_is_given() -> None:
    def cores(*_: object) -> RunCost:
        return RunCost(1.0, 1.0, 1.0, 1.0, num_cores(), 1.0, (), {})

    first = sorted(os.sched_getaffinity(0))[:1]
    with mock.patch.object(workers, "run_cost", cores):
        before = os.sched_getaffinity(0)
        try:
            cost = workers.run_on(first, RunKind("copy", has_previews=False), [], [])
        finally:
            os.sched_setaffinity(0, before)
    assert cost.run_s == 1


def test_packets_are_repeated_without_a_hole(videos: Path, tmp_path: Path) -> None:
    film = repeat(videos / "tiny.mp4", tmp_path / "long.mp4", num_times=3)
    with av.open(str(film)) as container:
        times = [float(frame.time or 0) for frame in container.decode(video=0)]
    assert times == pytest.approx([index / 25 for index in range(300)])
