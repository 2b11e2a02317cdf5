"""The command: help without a verb, one line for a wrong one."""

import subprocess
import sys

import pytest

from clipmill.cli.exits import DONE, MISUSE
from clipmill.cli.main import main


def test_without_a_verb_it_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == DONE
    assert "Usage: clipmill" in capsys.readouterr().out


def test_an_unknown_verb_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nope"]) == MISUSE
    said = capsys.readouterr().err
    assert said.startswith("clipmill: ")
    assert "nope" in said
    assert said.count("\n") == 1


def test_python_runs_it_by_its_name() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "clipmill", "nope"], capture_output=True, text=True, check=False
    )
    assert said.returncode == MISUSE
    assert said.stderr.startswith("clipmill: ")
