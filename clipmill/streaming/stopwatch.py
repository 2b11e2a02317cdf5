"""Wall and CPU time of an operator's work, lap by lap."""

import time
from typing import Protocol

from clipmill.streaming.parcel import StageMetric


class HasCpuTime(Protocol):
    """Codec processes: ``cpu_s`` is the CPU time of all calls answered so far."""

    @property
    def cpu_s(self) -> float:
        """Seconds."""
        ...


class Stopwatch:
    """Started when made; every lap reports the time since the last, with that of the codec process.

    For one thread: inline, others work in the same process.
    """

    def __init__(self, operator: str, video_id: str, child: HasCpuTime | None = None) -> None:
        self._operator = operator
        self._video_id = video_id
        self._child = child
        self._wall_s = time.time()
        self._cpu_s = self._spent_cpu_s()

    def _spent_cpu_s(self) -> float:
        return time.thread_time() + (self._child.cpu_s if self._child else 0.0)

    def lap(self, chunk_index: int, *, detail: str = "") -> StageMetric:
        """The work since the last lap."""
        started_s, cpu_s = self._wall_s, self._cpu_s
        self._wall_s, self._cpu_s = time.time(), self._spent_cpu_s()
        return StageMetric(
            operator=self._operator,
            video_id=self._video_id,
            chunk_index=chunk_index,
            started_s=started_s,
            ended_s=self._wall_s,
            cpu_s=self._cpu_s - cpu_s,
            detail=detail,
        )
