"""How a failure looks in the console: its first line, and whether the backend tries the task again.

Flyte retries only what a task calls recoverable. Its own message begins with a traceback; ours puts what
failed, where, and what to do before that.
"""

import errno
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

from flytekit.exceptions.user import FlyteRecoverableException

from clipmill.errors import ClipmillError, EngineDied, StoreError, StoreOutage, TransientStoreError
from clipmill.models.captioning.backends.http_client import Refused

_ENTRYPOINT = "flytekit.bin.entrypoint"
_ATTEMPT = "FLYTE_ATTEMPT_NUMBER"
"""Set by the backend in every pod; the first attempt is 0."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class CachedResultGone(ClipmillError):
    """A file that Flyte's cache names is no longer there."""

    def __init__(self, uri: str) -> None:
        super().__init__(
            f"{uri} is gone: it is the result of a task that Flyte answered from its cache; "
            "relaunch the execution with Overwrite cache"
        )
        self.uri = uri


class StreamInterrupted(ClipmillError):
    """A store or a server of models did not answer any more while videos were worked on."""


@contextmanager
def retried_by_flyte() -> Generator[None]:
    """Turn faults that pass into the one exception that the backend retries."""
    try:
        yield
    except Exception as error:  # a task may raise anything: what does not pass is raised again
        if not is_passing(error):
            raise
        raise FlyteRecoverableException(f"{error}; Flyte tries the task again, up to its retries") from error


@contextmanager
def from_cache() -> Generator[None]:
    """Say what to do where a file is missing that an earlier, perhaps cached, task made."""
    try:
        yield
    except StoreError as error:
        if not any(isinstance(one, FileNotFoundError) for one in _causes(error)):
            raise
        raise CachedResultGone(error.uri) from error


def is_passing(error: BaseException) -> bool:
    """Returns True for an outage of a store, a full volume or a server of models that does not answer."""
    return any(map(_passes, _causes(error)))


def _passes(error: BaseException) -> bool:
    if isinstance(error, (TransientStoreError, StoreOutage, StreamInterrupted)):
        return True
    if isinstance(error, EngineDied):
        return error.is_remote
    if isinstance(error, Refused):
        return not error.is_final
    return isinstance(error, OSError) and error.errno in _FULL


def attempt() -> int:
    """Returns how many attempts of this task went before."""
    return int(os.environ.get(_ATTEMPT) or 0)


def first_line(error: BaseException) -> str:
    """Returns what failed, where, and what to do, in one line."""
    text = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    if isinstance(error, (ClipmillError, FlyteRecoverableException)):
        return text
    return (
        f"{type(error).__name__}: {text}; clipmill did not expect this: relaunch the execution, and report "
        "the traceback below if it comes again"
    )


def _causes(error: BaseException | None) -> Generator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _with_first_line(traceback_of: Callable[[Exception], str]) -> Callable[[Exception], str]:
    def described(error: Exception) -> str:
        value = getattr(error, "value", error)
        return f"{first_line(value)}\n\n{traceback_of(error)}"

    return described


def _put_first_lines() -> None:
    """In a pod: flytekit has no other way to say what a message begins with."""
    entrypoint = sys.modules.get(_ENTRYPOINT)
    if entrypoint is not None:
        described = _with_first_line(entrypoint.get_traceback_str)
        entrypoint.get_traceback_str = described  # pyright: ignore[reportAttributeAccessIssue] flytekit's


_put_first_lines()
