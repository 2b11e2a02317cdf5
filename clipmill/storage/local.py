"""The local disk: files that appear whole, and listings that do not run in circles."""

import errno
import fcntl
import math
import os
import stat
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from clipmill.errors import TransientStoreError

_TEMPORARY_SUFFIX = ".clipmill-part"
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS})
MAX_WAIT_S = 30.0
"""A file is written in less."""
_POLL_S = 0.01
_LEFTOVER_AGE_S = 3600.0  # no write takes an hour: an older temporary name belongs to a process that died


def temporary_name() -> str:
    """A hidden name, so that no listing shows it; short, so that it fits wherever the final name does."""
    return f".{uuid.uuid4().hex}{_TEMPORARY_SUFFIX}"


@contextmanager
def whole_file(folder: str, write: Callable[[BinaryIO], object]) -> Generator[str]:
    """Yields the path of a hidden file in ``folder``, complete and on disk; a file left there is removed."""
    os.makedirs(folder, exist_ok=True)
    temporary = os.path.join(folder, temporary_name())
    try:
        with open(temporary, "xb") as file:
            write(cast(BinaryIO, file))
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        Path(temporary).unlink(missing_ok=True)


def replace(path: str, write: Callable[[BinaryIO], object]) -> None:
    """Make the file ``path``, or replace it, in one step and on disk; ``write`` puts out its content."""
    with whole_file(os.path.dirname(path), write) as temporary:
        os.replace(temporary, path)


def create(path: str, write: Callable[[BinaryIO], object]) -> bool:
    """Make the file ``path``, whole and on disk, unless it is there; says whether it was made."""
    with whole_file(os.path.dirname(path), write) as temporary:
        try:
            os.link(temporary, path)  # unlike a rename it fails where the name is taken
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            with turns(path, max_wait_s=MAX_WAIT_S):
                if os.path.exists(path):
                    return False
                os.replace(temporary, path)
    return True


@contextmanager
def turns(path: str, *, max_wait_s: float = math.inf) -> Generator[None]:
    """Lets writers of files beside ``path`` go one after the other, across processes.

    TransientStoreError where another one, such as a process that was stopped, keeps its turn too long.
    """
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _lock(descriptor, path, max_wait_s)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: str, max_wait_s: float) -> None:
    until_s = time.monotonic() + max_wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > until_s:
                cause = f"another process has kept its folder locked for {max_wait_s:.0f} s"
                raise TransientStoreError(path, cause) from error
            time.sleep(_POLL_S)
        else:
            return


def remove_leftovers(folder: str) -> None:
    """Delete the temporary files of writers that were killed, an hour after the fact."""
    newest = time.time() - _LEFTOVER_AGE_S
    for path in Path(folder).rglob(f".*{_TEMPORARY_SUFFIX}"):
        if path.stat().st_mtime < newest:
            path.unlink(missing_ok=True)


def walk(root: str) -> Iterator[tuple[str, os.stat_result]]:
    """Every file under ``root`` (or ``root`` itself) with its facts, in no order; dot names are left out.

    Links are followed; a folder that leads back to one above it is not entered again. A link that leads
    nowhere, or to itself, comes with its own facts.
    """
    if os.path.isfile(root):
        yield root, os.stat(root)
    yield from _walk(root, above=frozenset())


def _walk(folder: str, *, above: frozenset[str]) -> Iterator[tuple[str, os.stat_result]]:
    real = os.path.realpath(folder)
    if real in above or not os.path.isdir(folder):
        return
    with os.scandir(folder) as scan:
        children = [child for child in scan if not child.name.startswith(".")]
    for child in children:
        facts = _facts_of(child)
        if facts is None:
            continue
        if stat.S_ISDIR(facts.st_mode):
            yield from _walk(child.path, above=above | {real})
        elif stat.S_ISREG(facts.st_mode) or stat.S_ISLNK(facts.st_mode):
            yield child.path, facts


def _facts_of(child: os.DirEntry[str]) -> os.stat_result | None:
    """Facts of a file or folder, or of the link that leads to none; None where it vanished."""
    for follows in (True, False):
        try:
            return child.stat(follow_symlinks=follows)
        except OSError:
            continue
    return None
