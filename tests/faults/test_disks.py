"""Disks that are full, faulty or read-only: the run ends by itself, and the next one finds nothing lost."""

import errno
import re
from pathlib import Path

import pytest

from clipmill.cli.exits import MISUSE, STOPPED
from tests.support.faults.fault import EVERY, Fault
from tests.support.faults.mounts import enlarge, may_mount, read_only, small_disk
from tests.support.faults.scene import TWO_PASSES, Scene
from tests.support.runs.curation import files

WRITE = "clipmill.storage.local:replace"
CLIP_FILE = "clipmill.media.encode.muxer:ClipFile.mux"
ROOM_BYTES = 64 << 20
CAUSES = {"full": errno.ENOSPC, "faulty": errno.EIO, "read-only": errno.EROFS}
SAMPLE = ("full", 12)
WRITES = (6, 12, 20)
"""Calls of ``WRITE`` while clips are cut, the state is kept, and the snapshot is published."""


@pytest.fixture
def mountable(tmp_path: Path) -> None:
    (tmp_path / "trial").mkdir()
    if not may_mount(tmp_path / "trial"):
        pytest.skip("this process may not mount file systems")


@pytest.mark.parametrize(
    ("cause", "write"),
    [
        pytest.param(
            number, write, marks=[pytest.mark.sample] if (name, write) == SAMPLE else [], id=f"{name}-{write}"
        )
        for name, number in CAUSES.items()
        for write in WRITES
    ],
)
def test_disk_fails_from_a_write_on(scene: Scene, cause: int, write: int) -> None:
    fault = Fault(WRITE, "errno", first=write, last=EVERY, value=cause)
    assert scene.run(fault).has_end
    scene.check_rerun()


@pytest.mark.parametrize("write", WRITES)
def test_disk_fails_at_one_write(scene: Scene, write: int) -> None:
    assert scene.run(Fault(WRITE, "errno", first=write, value=errno.ENOSPC)).has_end
    scene.check_rerun()


def test_scratch_is_full_while_clips_are_encoded(tmp_path: Path) -> None:
    scene = Scene(tmp_path, spec=TWO_PASSES)
    assert scene.run(Fault(CLIP_FILE, "errno", last=EVERY, value=errno.ENOSPC)).has_end
    scene.check_rerun()


@pytest.mark.parametrize("limit_bytes", [10, 2_000, 12_000, 20_000, 60_000])
def test_no_file_may_be_large(scene: Scene, limit_bytes: int) -> None:
    ended = scene.run(file_limit_bytes=limit_bytes)
    assert ended.status == STOPPED, ended.log
    assert ended.message.count("\n") == 0
    if ended.kind:
        assert ended.kind in ("StoreError", "ScratchFault")
        assert re.search(r"^/\S+: .*File too large", ended.message)
    scene.check_rerun()


@pytest.mark.parametrize("room_bytes", [8 << 10, 1 << 20])
@pytest.mark.usefixtures("mountable")
def test_scratch_is_a_small_disk(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, room_bytes: int
) -> None:
    (tmp_path / "tmp").mkdir()
    with small_disk(tmp_path / "tmp", size_bytes=room_bytes), monkeypatch.context() as patch:
        patch.setenv("TMPDIR", str(tmp_path / "tmp"))
        ended = scene.run()
    assert ended.status == STOPPED, ended.log
    assert ended.kind in ("", "ScratchFault")
    assert f"{tmp_path}/tmp/clipmill-scratch-" in ended.log
    assert "No space left on device; make room there, or set TMPDIR" in ended.log
    scene.check_rerun()


@pytest.mark.parametrize("share", [0.1, 0.4, 0.7, 0.95])
@pytest.mark.usefixtures("mountable")
def test_output_is_on_a_small_disk(tmp_path: Path, scene: Scene, share: float) -> None:
    whole = Scene(tmp_path / "whole")
    whole.rerun()
    size_bytes = sum(-(-len(data) // 4096) * 4096 for data in files(Path(whole.output)).values())
    output = Path(scene.output)
    with small_disk(output, size_bytes=int(size_bytes * share)):
        assert scene.run().has_end
        enlarge(output, size_bytes=ROOM_BYTES)
        scene.check_rerun()


@pytest.mark.usefixtures("mountable")
def test_output_is_read_only(scene: Scene) -> None:
    output = Path(scene.output)
    output.mkdir()
    with read_only(output):
        ended = scene.run()
    assert (ended.status, ended.kind) == (MISUSE, "OutputError")
    assert "Read-only file system" in ended.message
    scene.check_rerun()
