"""One codec process for many runs: starting one for every operator is most of what a small run takes."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self, TypeVar

import pytest

from clipmill.intake import inspection
from clipmill.media.child import CodecChild
from clipmill.specs import LimitsSpec
from clipmill.streaming import customs, cutting, finishing, passes

_Result = TypeVar("_Result")


@contextmanager
def one_codec_process() -> Iterator[None]:
    """Let all operators share one process that outlives a run. Not for tests of processes that die."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (inspection, passes, cutting, finishing, customs):
            patch.setattr(module, "codec_runner", _SharedCodec)
        yield


@contextmanager
def one_new_codec_process() -> Iterator[None]:
    """The same with a process that is started now, in the environment of now, and ended."""
    with (
        one_codec_process(),
        CodecChild(memory_limit_bytes=4 << 30) as child,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(_SharedCodec, "_child", child)
        yield


class _SharedCodec:
    """Stands where a ``CodecChild`` stands; the process behind it is a real one."""

    _child = CodecChild(memory_limit_bytes=4 << 30)
    _lock = threading.Lock()

    def __init__(self, limits: LimitsSpec) -> None:
        self._limits = limits

    @property
    def cpu_s(self) -> float:
        return self._child.cpu_s

    def run(
        self,
        function: Callable[..., _Result],
        *args: object,
        timeout_s: float,
        stall_s: float,
        **kwargs: object,
    ) -> _Result:
        with self._lock:
            return self._child.run(function, *args, timeout_s=timeout_s, stall_s=stall_s, **kwargs)

    def kill(self) -> None:
        pass

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ignored: object) -> None:
        pass
