"""Codec processes lent call by call: the next decode or encode takes one that is idle.

Starting one costs as much as decoding ten seconds of 720p. Steps of one run that follow each other, and the
runs of one ``kept_processes``, therefore share them.
"""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeVar
from weakref import WeakValueDictionary

from clipmill.sandbox.process import CodecChild, OnSeen

_RESULT = TypeVar("_RESULT")


class _Pool:
    """The idle codec processes of one memory limit. They end with it: with the last who may want one."""

    def __init__(self, memory_limit_bytes: int) -> None:
        self._memory_limit_bytes = memory_limit_bytes
        self._idle: list[CodecChild] = []

    def take(self) -> CodecChild:
        """The one used last, whose memory is warm; a new one where none is idle."""
        try:
            return self._idle.pop()
        except IndexError:
            return CodecChild(memory_limit_bytes=self._memory_limit_bytes)

    def give_back(self, child: CodecChild) -> None:
        self._idle.append(child)


_pools: WeakValueDictionary[int, _Pool] = WeakValueDictionary()
_pools_lock = threading.Lock()


def _pool(memory_limit_bytes: int) -> _Pool:
    with _pools_lock:
        pool = _pools.get(memory_limit_bytes)
        if pool is None:
            pool = _pools[memory_limit_bytes] = _Pool(memory_limit_bytes)
        return pool


@contextmanager
def kept_processes(*, memory_limit_bytes: int) -> Generator[None]:
    """Idle processes of this limit are kept until the end of the body."""
    pool = _pool(memory_limit_bytes)
    yield
    del pool


class PooledProcess:
    """Runs each call as ``CodecChild`` does, in a process that is lent for it; holds none between calls."""

    def __init__(self, *, memory_limit_bytes: int) -> None:
        self._pool = _pool(memory_limit_bytes)
        self._lent: CodecChild | None = None
        self._is_killed = False
        self._lock = threading.Lock()
        self.cpu_s = 0.0

    def run(
        self,
        function: Callable[..., _RESULT],
        *args: object,
        timeout_s: float,
        stall_s: float,
        on_seen: OnSeen | None = None,
        **kwargs: object,
    ) -> _RESULT:
        """``function(*args, **kwargs)``, as ``CodecChild.run`` does it."""
        child = self._lent = self._pool.take()
        cpu_s = child.cpu_s
        try:
            return child.run(function, *args, timeout_s=timeout_s, stall_s=stall_s, on_seen=on_seen, **kwargs)
        finally:
            self.cpu_s += child.cpu_s - cpu_s
            self._give_back(child)

    def _give_back(self, child: CodecChild) -> None:
        with self._lock:  # from here on a kill would end another caller's
            self._lent, is_killed, self._is_killed = None, self._is_killed, False
        if is_killed:
            child.close()  # it may look alive for a moment, to the next call
        self._pool.give_back(child)

    def kill(self) -> None:
        """End the process that is lent, from another thread than the one that uses it."""
        with self._lock:
            if self._lent is not None:
                self._is_killed = True
                self._lent.kill()
