"""Processes by name: the living, the stopped, the dead, those of another machine."""

import os
import signal
import subprocess
import sys

import pytest

from clipmill.runs.process_name import is_gone, this_process

pytestmark = pytest.mark.integration


def started() -> tuple[subprocess.Popen[str], str]:
    code = "import time; from clipmill.runs.process_name import this_process as t; print(t(), flush=True)"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{code}; time.sleep(60)"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_this_process_is_there() -> None:
    assert str(os.getpid()) in this_process().split("/")
    assert not is_gone(this_process())


def test_a_process_is_gone_when_it_was_killed_and_not_when_it_was_stopped() -> None:
    process, name = started()
    assert name != this_process()
    process.send_signal(signal.SIGSTOP)
    assert not is_gone(name)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert is_gone(name)  # its parent has not asked yet
    process.wait()
    assert is_gone(name)


def test_another_process_under_the_same_number_is_another_process() -> None:
    boot, space, pid, start = this_process().split("/")
    assert is_gone("/".join([boot, space, pid, str(int(start) - 1)]))


@pytest.mark.parametrize("place", [0, 1], ids=["another boot", "another container"])
def test_nothing_is_known_of_processes_elsewhere(place: int) -> None:
    parts = this_process().split("/")
    parts[place], parts[2] = "0", "1"
    assert not is_gone("/".join(parts))


def test_no_name_is_nobody() -> None:
    assert not is_gone("")
