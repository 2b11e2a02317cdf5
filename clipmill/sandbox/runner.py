"""Where codecs run: in processes of their own or, for the sake of a debugger, in this one."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from clipmill.limits import LimitsSpec
from clipmill.sandbox.pool import PooledProcess
from clipmill.sandbox.process import OnSeen

_RESULT = TypeVar("_RESULT")

CODEC_RUNNER = "media.codec_runner"
"""Key of ``StageContext.shared`` for the codec process of a worker."""


class CodecRunner(Protocol):
    """Calls functions that touch codecs. ``cpu_s`` is the CPU time of all calls outside of this process."""

    @property
    def cpu_s(self) -> float:
        """Seconds so far."""
        ...

    def run(
        self,
        function: Callable[..., _RESULT],
        *args: object,
        timeout_s: float,
        stall_s: float,
        on_seen: OnSeen | None = None,
        **kwargs: object,
    ) -> _RESULT:
        """``function(*args, **kwargs)``; its exceptions, and those of ``CodecChild.run``."""
        ...

    def kill(self) -> None:
        """End, from another thread, what is being run, where that can be ended."""
        ...


class InThisProcess:
    """Calls functions here: breakpoints work; a crash ends everything, a hang lasts, memory has no bound."""

    cpu_s = 0.0

    def run(
        self,
        function: Callable[..., _RESULT],
        *args: object,
        timeout_s: float,
        stall_s: float,
        on_seen: OnSeen | None = None,
        **kwargs: object,
    ) -> _RESULT:
        """``function(*args, **kwargs)``; nothing stops it in time, or sees how far it is."""
        return function(*args, **kwargs)

    def kill(self) -> None:
        """It goes on to its end."""


def codec_runner(limits: LimitsSpec) -> CodecRunner:
    """What ``limits.isolation`` asks for."""
    if limits.isolation == "none":
        return InThisProcess()
    return PooledProcess(memory_limit_bytes=limits.max_child_bytes)
