"""Tar archives whose bytes follow from their members: no times, owners or modes of this machine."""

import os
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

_BLOCK = 512
_RECORD = 20 * _BLOCK


@dataclass(frozen=True)
class Member:
    """One file of an archive: bytes, or a local file that is copied."""

    name: str
    data: bytes = b""
    path: str = ""


def write_tar(file: BinaryIO, members: Sequence[Member]) -> int:
    """Writes members into an open file; returns the bytes written so far, without the end of the archive."""
    for member in members:
        size = os.path.getsize(member.path) if member.path else len(member.data)
        file.write(_header(member.name, size))
        if member.path:
            _copy(member.path, file, size)
        else:
            file.write(member.data)
        file.write(bytes(-size % _BLOCK))
    return file.tell()


def end_tar(file: BinaryIO) -> int:
    """Writes the end of an archive; returns its size."""
    file.write(bytes(2 * _BLOCK))
    file.write(bytes(-file.tell() % _RECORD))
    return file.tell()


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    return info.tobuf(tarfile.GNU_FORMAT)


def _copy(path: str, file: BinaryIO, size: int) -> None:
    """Copies a file within the kernel."""
    file.flush()
    with open(path, "rb") as source:
        left = size
        while left and (sent := os.sendfile(file.fileno(), source.fileno(), None, min(left, 1 << 30))):
            left -= sent
    if left:
        raise OSError(f"{path} became shorter while it was copied")
    file.seek(0, os.SEEK_END)
