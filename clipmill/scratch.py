"""Folders for files of the moment, in the system's folder for them, which go with the process that made them.

Each is locked by its process for as long as that lives. A folder without a lock was left by a process that
was killed, and is swept. A disk that is full, limited or read-only is a ScratchFault that names the folder.
"""

import contextlib
import fcntl
import logging
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Generator
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from clipmill.errors import DISK_ERRNOS, ScratchFault

logger = logging.getLogger(__name__)

PREFIX = "clipmill-scratch-"
MIN_AGE_S = 3600.0
"""A younger one may be about to be locked."""


class ScratchFolder:
    """A new folder at ``path``: a context, or there until ``close`` or the end of the object or process."""

    def __init__(self, purpose: str) -> None:
        _sweep_once()
        try:
            self._folder = tempfile.TemporaryDirectory(prefix=f"{PREFIX}{purpose}-")
        except OSError as error:
            place = os.path.dirname(error.filename or "") or "scratch space"
            raise fault_of(error.strerror or str(error), place) from error
        self.path = self._folder.name
        lock = os.open(self.path, os.O_RDONLY)
        self._unlock = weakref.finalize(self, os.close, lock)
        with contextlib.suppress(OSError):  # a file system without locks: such a folder is never swept
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def close(self) -> None:
        """Deletes the folder."""
        self._folder.cleanup()
        self._unlock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if isinstance(error, OSError) and error.errno in DISK_ERRNOS:
            raise fault_of(error.strerror or str(error), self.path) from error


@contextlib.contextmanager
def scratch_file(purpose: str) -> Generator[IO[bytes]]:
    """Gives a new file that has a name, and is deleted at the end."""
    try:
        with tempfile.NamedTemporaryFile(prefix=f"clipmill-{purpose}-") as file:
            yield file
    except OSError as error:
        if error.errno not in DISK_ERRNOS:
            raise
        raise fault_of(error.strerror or str(error), tempfile.gettempdir()) from error


def fault_of(cause: str, folder: str) -> ScratchFault:
    """Returns the error for a folder that cannot be written."""
    return ScratchFault(folder, f"{cause}; make room there, or set TMPDIR to another folder")


def sweep(*, min_age_s: float = MIN_AGE_S) -> None:
    """Deletes the scratch folders of dead processes that have not changed for ``min_age_s``."""
    removed: list[Path] = []
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # another process holds it or sweeps too, or another user owns it
            if time.time() - folder.stat().st_mtime >= min_age_s:
                _remove_unlocked(folder)
                removed.append(folder)
    if removed:
        others = f" and {len(removed) - 1} more" if removed[1:] else ""
        logger.info("removed %s%s, which processes that were killed had left", removed[0], others)


def _remove_unlocked(folder: Path) -> None:
    """BlockingIOError where a process holds the folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)


@cache
def _sweep_once() -> None:
    """Once in the life of a process, on whatever machine it works."""
    sweep()
