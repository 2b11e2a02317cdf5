"""Small and read-only file systems, for those who may mount."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def may_mount(folder: Path) -> bool:
    """Returns True if this process may mount file systems."""
    if os.geteuid() != 0 or not _mount("-t", "tmpfs", "-o", "size=64k", "none", folder):
        return False
    _unmount(folder)
    return True


@contextmanager
def small_disk(folder: Path, *, size_bytes: int) -> Iterator[None]:
    """A file system of that size in a folder; what was written to it is gone afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    assert _mount("-t", "tmpfs", "-o", f"size={size_bytes}", "none", folder)
    try:
        yield
    finally:
        _unmount(folder)


def enlarge(folder: Path, *, size_bytes: int) -> None:
    """Gives a small disk more room."""
    assert _mount("-o", f"remount,size={size_bytes}", folder)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A folder that no process can write to, not even root's."""
    assert _mount("--bind", folder, folder)
    try:
        assert _mount("-o", "remount,bind,ro", folder)
        yield
    finally:
        _unmount(folder)


def _mount(*arguments: str | Path) -> bool:
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0


def _unmount(folder: Path) -> None:
    subprocess.run(["umount", "--lazy", folder], capture_output=True, check=True)
