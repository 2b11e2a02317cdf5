"""What a run shows of itself: a bar that fits into 80 columns, lines in a log, JSON for programs."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from clipmill.cli.progress import Mode, shown
from clipmill.runs.status import Status

STATUS = Status(
    "scanning",
    elapsed_s=100,
    num_videos=1234,
    num_done=321,
    num_clips=4567,
    num_failures=3,
    video_s=86400,
    seen_s=40000,
    left_s=4000,
)


def said(mode: Mode, capsys: pytest.CaptureFixture[str]) -> str:
    with shown(mode) as show:
        show(STATUS)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)


def test_a_bar_says_everything_in_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    bar = re.split(r"[\r\n]", said("bar", capsys))
    assert any(
        line.startswith("scanning ━━━━╸━━━━━ 11:06 of 24:00 h, 321/1234 videos, 3 failures 1:06 h left")
        for line in bar
    )


def test_a_narrow_terminal_has_a_line_that_fits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    lines = re.split(r"[\r\n]", said("bar", capsys))
    assert "scanning 46%, 3 failures, 1:06 h left" in [line.strip() for line in lines]


def test_a_log_has_a_line_and_programs_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert "scanning: 11 h 6 min of 24 h 0 min of video, 321 of 1234 videos done" in said("log", capsys)
    assert json.loads(said("json", capsys).splitlines()[1])["num_clips"] == 4567
    assert "scanning" not in said("none", capsys)


def test_lines_that_libraries_write_go_to_the_log_that_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    with shown("log") as show:
        show(STATUS)
        os.write(2, b"[33m(raylet) a line in colour[0m\n")
        subprocess.run([sys.executable, "-c", "raise SystemExit('a child says')"], check=False)
    shown_lines = capfd.readouterr().err
    log = re.findall(r"logs of libraries: (\S+)", shown_lines)
    assert Path(log[0]).read_text() == "[33m(raylet) a line in colour[0m\na child says\n"
    assert "scanning" in shown_lines
    assert "raylet" not in shown_lines
    os.write(2, b"again\n")
    assert capfd.readouterr().err == "again\n"


@pytest.mark.parametrize("mode", ["bar", "log", "json"])
def test_a_reader_of_standard_error_that_goes_ends_no_run(
    mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    monkeypatch.setattr("sys.stderr", os.fdopen(writing, "w", 1))
    with shown(mode) as show:
        show(STATUS)
