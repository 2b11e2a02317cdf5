"""Codec processes for many runs: starting some for every run is most of what a small one takes."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from weakref import WeakValueDictionary

import pytest

from clipmill.sandbox import pool
from clipmill.specs import LimitsSpec

_for_the_session = ExitStack()


@contextmanager
def one_codec_process() -> Iterator[None]:
    """Let runs share processes that outlive them. Not for tests of processes that die."""
    _for_the_session.enter_context(pool.kept_processes(memory_limit_bytes=LimitsSpec().max_child_bytes))
    yield


@contextmanager
def new_codec_processes() -> Iterator[None]:
    """The same with processes that are started now, in the environment of now, and ended."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "_pools", WeakValueDictionary())
        with pool.kept_processes(memory_limit_bytes=LimitsSpec().max_child_bytes):
            yield
