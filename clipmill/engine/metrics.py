"""What operators and stages took."""

import time
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class StageMetric:
    """One operator's or stage's work on one chunk, in seconds; ``started_s`` and ``ended_s`` are wall time.

    ``num_items`` are the items that a stage was called with, ``num_failed`` those without a result.
    """

    operator: str
    video_id: str
    chunk_index: int
    started_s: float
    ended_s: float
    cpu_s: float
    detail: str = ""
    num_items: int = 0
    num_failed: int = 0


class HasCpuTime(Protocol):
    """Codec processes: ``cpu_s`` is the CPU time of all calls answered so far."""

    @property
    def cpu_s(self) -> float:
        """Seconds."""
        ...


class Stopwatch:
    """Starts when made; every lap reports the time since the last one, with that of the codec process.

    For one thread: inline, other threads work in the same process.
    """

    def __init__(self, operator: str, child: HasCpuTime | None = None) -> None:
        self._operator = operator
        self._child = child
        self._wall_s = time.time()
        self._cpu_s = self._spent_cpu_s()

    def _spent_cpu_s(self) -> float:
        return time.thread_time() + (self._child.cpu_s if self._child else 0.0)

    def lap(
        self, video_id: str, chunk_index: int, *, detail: str = "", num_items: int = 0, num_failed: int = 0
    ) -> StageMetric:
        """Returns the work since the last lap."""
        started_s, cpu_s = self._wall_s, self._cpu_s
        self._wall_s, self._cpu_s = time.time(), self._spent_cpu_s()
        return StageMetric(
            operator=self._operator,
            video_id=video_id,
            chunk_index=chunk_index,
            started_s=started_s,
            ended_s=self._wall_s,
            cpu_s=self._cpu_s - cpu_s,
            detail=detail,
            num_items=num_items,
            num_failed=num_failed,
        )
