"""Wall and CPU time of an operator's work, lap by lap."""

import time

from clipmill.streaming.parcel import StageMetric


class Stopwatch:
    """Started when made; every lap reports the time since the last."""

    def __init__(self, operator: str, video_id: str) -> None:
        self._operator = operator
        self._video_id = video_id
        self._wall_s = time.time()
        self._cpu_s = time.process_time()

    def lap(self, chunk_index: int, *, child_cpu_s: float = 0.0, detail: str = "") -> StageMetric:
        """The work since the last lap; ``child_cpu_s`` is what a codec process spent on it."""
        started_s, cpu_s = self._wall_s, self._cpu_s
        self._wall_s, self._cpu_s = time.time(), time.process_time()
        return StageMetric(
            operator=self._operator,
            video_id=self._video_id,
            chunk_index=chunk_index,
            started_s=started_s,
            ended_s=self._wall_s,
            cpu_s=self._cpu_s - cpu_s + child_cpu_s,
            detail=detail,
        )
