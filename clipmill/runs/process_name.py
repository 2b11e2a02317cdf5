"""Names a process of this machine for as long as it lives, to find out later that it is gone."""

import os
from pathlib import Path

_START = 19
"""Place of the start, in ticks since the boot, behind the command's name in ``/proc/<pid>/stat``."""


def this_process() -> str:
    """Returns a name that no other process has ever had; empty where the system has no ``/proc``."""
    return _name(os.getpid())


def is_gone(name: str) -> bool:
    """Returns True if the process certainly ended: one of this boot and this space of process ids."""
    parts = name.split("/")
    if len(parts) != 4 or parts[:2] != _space():
        return False
    return _name(int(parts[2])) != name


def _name(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    state, *rest = stat.rpartition(")")[2].split()
    is_ended = state in {"Z", "X"}  # it has ended, and its parent has not asked yet
    return "" if is_ended else "/".join([*_space(), str(pid), rest[_START - 1]])


def _space() -> list[str]:
    """The boot, and the name space of process ids: each container has its own."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return [boot, str(os.stat("/proc/self/ns/pid").st_ino)]
    except OSError:
        return []
