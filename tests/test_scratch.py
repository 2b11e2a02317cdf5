"""Scratch folders go with their process; those of killed processes are swept, those of living ones stay."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from clipmill import scratch
from clipmill.scratch import ScratchFolder

pytestmark = pytest.mark.integration

HOLDING = """
import sys, time
from clipmill.scratch import ScratchFolder
folder = ScratchFolder("scan")
open(f"{folder.path}/spool", "w").close()
print(folder.path, flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)


def holder() -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen([sys.executable, "-c", HOLDING], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_a_folder_goes_with_its_block(tmp_path: Path) -> None:
    with ScratchFolder("cut") as folder:
        Path(folder.path, "clip.mp4").write_bytes(b"x")
        assert Path(folder.path).parent == tmp_path
        assert Path(folder.path).name.startswith("clipmill-scratch-cut-")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_swept() -> None:
    process, folder = holder()
    process.kill()
    process.wait()
    assert [path.name for path in folder.iterdir()] == ["spool"]
    scratch.sweep(min_age_s=0)
    assert not folder.exists()


def test_what_a_living_process_holds_stays_however_old_it_is() -> None:
    process, folder = holder()
    os.utime(folder, (0, 0))
    scratch.sweep(min_age_s=0)
    assert folder.exists()
    process.kill()
    process.wait()


def test_what_a_stopped_process_holds_stays() -> None:
    process, folder = holder()
    process.send_signal(signal.SIGSTOP)
    scratch.sweep(min_age_s=0)
    assert folder.exists()
    process.kill()
    process.wait()


def test_a_young_folder_stays(tmp_path: Path) -> None:
    young, old = tmp_path / f"{scratch.PREFIX}a", tmp_path / f"{scratch.PREFIX}b"
    young.mkdir()
    old.mkdir()
    os.utime(old, (0, 0))
    scratch.sweep()
    assert list(tmp_path.iterdir()) == [young]


def test_folders_of_others_stay(tmp_path: Path) -> None:
    (tmp_path / "clipmill-models-1000").mkdir()
    os.utime(tmp_path / "clipmill-models-1000", (0, 0))
    scratch.sweep()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_new_process_sweeps_before_its_first_folder(tmp_path: Path) -> None:
    old = tmp_path / f"{scratch.PREFIX}scan-dead"
    old.mkdir()
    os.utime(old, (0, 0))
    process, _ = holder()
    process.kill()
    process.wait()
    assert not old.exists()


TERMINATED = """
import time
from clipmill.runs.termination import terminable
from clipmill.scratch import ScratchFolder
with terminable():
    folder = ScratchFolder("scan")
    print(folder.path, flush=True)
    time.sleep(60)
"""


def test_sigterm_ends_a_run_as_ctrl_c_does_and_takes_its_scratch_along() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", TERMINATED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    assert folder.exists()
    process.terminate()
    _, said = process.communicate(timeout=30)
    assert "KeyboardInterrupt" in said
    assert not folder.exists()
