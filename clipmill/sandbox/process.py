"""A process in which codecs run, so that a crash, a hang or a memory bomb costs one video and not its worker.

A fresh interpreter is started, never a fork: the parent may have threads (Ray's has many). Functions travel
by name, so they must be importable; the parent's ``sys.path`` travels with them.
"""

import os
import pickle
import select
import subprocess
import sys
import time
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar, cast

import clipmill
from clipmill.errors import ClipmillError, CodecChildDied, CodecChildTimeout
from clipmill.sandbox.protocol import HEADER, Kind

_RESULT = TypeVar("_RESULT")
OnSeen = Callable[[float], None]
"""Gets the seconds of a video that were looked at so far."""
_READ_BYTES = 1 << 20
_PACKAGE_ROOT = str(Path(clipmill.__file__).parent.parent)
# One codec process is one core's work; and thread pools and malloc arenas eat address space.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}


class CodecChild:
    """Runs functions in a child process that is started when needed, kept, and replaced after it died.

    For one thread at a time, ``kill`` apart. ``memory_limit_bytes`` bounds the child's address space: beyond
    it codecs fail, and a MemoryError arrives as CodecChildDied. ``cpu_s`` is the CPU time of all calls
    answered so far, with their imports.
    """

    def __init__(self, *, memory_limit_bytes: int) -> None:
        self._memory_limit_bytes = memory_limit_bytes
        self._process: subprocess.Popen[bytes] | None = None
        self._counted_cpu_s = 0.0
        self.cpu_s = 0.0
        self._end: Callable[[], object] | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the child, None before the first call and after its end."""
        return self._process.pid if self._process is not None else None

    def run(
        self,
        function: Callable[..., _RESULT],
        *args: object,
        timeout_s: float,
        stall_s: float,
        on_seen: OnSeen | None = None,
        **kwargs: object,
    ) -> _RESULT:
        """``function(*args, **kwargs)``, run in the child; function, arguments and result must pickle.

        ``on_seen`` gets the seconds of video that the function is past, now and then.

        An exception raised there is raised here, as itself where it pickles, else as CodecChildError.
        CodecChildTimeout when there is no answer within ``timeout_s``, or no progress
        (``clipmill.sandbox.heartbeat.beat``) within ``stall_s``; the child is killed. CodecChildDied when it
        died.
        """
        process = self._running()
        exchange = _Exchange(process, timeout_s=timeout_s, stall_s=stall_s, on_seen=on_seen)
        try:
            kind, payload = exchange.call((partial(function, *args, **kwargs), timeout_s))
        except BaseException:  # also on Ctrl-C: what the child still says would answer the next call
            self.close()
            raise
        if kind is Kind.RESULT:
            result, cpu_s = cast(tuple[_RESULT, float], pickle.loads(payload))
            self.cpu_s += cpu_s - self._counted_cpu_s
            self._counted_cpu_s = cpu_s
            return result
        error, trace = cast(tuple[Exception, str], pickle.loads(payload))
        if kind is Kind.LAST_WORDS:
            self.close()
        raise _named(error, trace)

    def kill(self) -> None:
        """End the child from another thread than the one that uses it, which sees CodecChildDied."""
        process = self._process
        if process is not None:
            process.kill()  # its pipes stay open: a waiting call would wait at another process's

    def close(self) -> None:
        """End the child, whatever it is doing."""
        if self._end is not None:
            self._end()
        self._process, self._end = None, None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self.close()
        if self._process is None:
            self._process = _start(self._memory_limit_bytes)
            self._counted_cpu_s = 0.0
            self._end = weakref.finalize(self, _end, self._process)
        return self._process


class _Exchange:
    """One call and its answer over the pipes of a child, under two clocks."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        *,
        timeout_s: float,
        stall_s: float,
        on_seen: OnSeen | None,
    ) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._calls, self._answers = process.stdin.fileno(), process.stdout.fileno()
        self._timeout_s, self._stall_s = timeout_s, stall_s
        self._on_seen = on_seen
        self._start_s = time.monotonic()
        self._progress_s = float("inf")  # starting and importing are no stall
        self._progress = -1
        self._buffer = bytearray()

    def call(self, call: tuple[Callable[[], object], float]) -> tuple[Kind, bytes]:
        """Send ``call``, follow its heartbeats and return the kind and payload of its answer."""
        payload = pickle.dumps((sys.path, pickle.dumps(call, pickle.HIGHEST_PROTOCOL)))
        self._send(HEADER.pack(Kind.CALL, len(payload)) + payload)
        while True:
            number, num_bytes = HEADER.unpack(self._receive(HEADER.size))
            payload, kind = self._receive(num_bytes), Kind(number)
            if kind is not Kind.BEAT:
                return kind, payload
            self._follow(*pickle.loads(payload))

    def _follow(self, progress: int, seen_s: float) -> None:
        if progress > self._progress:
            self._progress, self._progress_s = progress, time.monotonic()
        if self._on_seen is not None and seen_s:
            self._on_seen(seen_s)

    def _send(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            self._wait(self._calls, select.POLLOUT)
            try:
                left = left[os.write(self._calls, left) :]
            except BlockingIOError:
                continue
            except BrokenPipeError as error:
                raise self._died() from error

    def _receive(self, num_bytes: int) -> bytes:
        while len(self._buffer) < num_bytes:
            self._wait(self._answers, select.POLLIN)
            part = os.read(self._answers, _READ_BYTES)
            if not part:
                raise self._died()
            self._buffer += part
            if len(self._buffer) > _READ_BYTES:
                self._progress_s = time.monotonic()  # a large answer on its way is progress
        data = bytes(self._buffer[:num_bytes])
        del self._buffer[:num_bytes]
        return data

    def _wait(self, descriptor: int, event: int) -> None:
        now_s = time.monotonic()
        until_timeout_s = self._start_s + self._timeout_s - now_s
        until_stall_s = self._progress_s + self._stall_s - now_s
        poll = select.poll()  # not select: a worker may have thousands of open files
        poll.register(descriptor, event)
        is_stall = until_stall_s < until_timeout_s
        left_s = min(until_timeout_s, until_stall_s)
        if left_s <= 0 or not poll.poll(left_s * 1000):
            raise CodecChildTimeout(self._stall_s if is_stall else self._timeout_s, is_stall)

    def _died(self) -> CodecChildDied:
        return CodecChildDied(self._process.wait())


def _start(memory_limit_bytes: int) -> subprocess.Popen[bytes]:
    search_path = os.pathsep.join(filter(None, [_PACKAGE_ROOT, os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-m", "clipmill.sandbox.child_main", str(memory_limit_bytes)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        env={**os.environ, **_ONE_THREAD, "PYTHONPATH": search_path},
    )
    assert process.stdin is not None
    os.set_blocking(process.stdin.fileno(), False)
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def _named(error: Exception, trace: str) -> Exception:
    if isinstance(error, MemoryError):
        return CodecChildDied(None, "it ran into its memory limit", is_memory=True)
    if not isinstance(error, ClipmillError):
        error.add_note(f"in the codec process:\n{trace}")
    return error
