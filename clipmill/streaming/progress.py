"""How far a run is: counts and an estimate of the time left, logged now and then."""

import logging
import time
from collections.abc import Iterable

from clipmill.records import WorkItem
from clipmill.streaming.parcel import Parcel

logger = logging.getLogger(__name__)

LOG_EVERY_S = 5.0


class Progress:
    """Counts what is done against the estimated work, in megapixel-seconds of video."""

    def __init__(self, items: Iterable[WorkItem]) -> None:
        self._work = {item.video_id: work_of(item) for item in items}
        self._done: set[str] = set()
        self._num_clips = 0
        self._started_s = self._logged_s = time.monotonic()

    def saw(self, parcel: Parcel) -> None:
        """Count a finished parcel; log when it is time."""
        self._done.add(parcel.item.video_id)
        self._num_clips += len(parcel.task.data.clips)
        now_s = time.monotonic()
        if now_s - self._logged_s >= LOG_EVERY_S:
            self._logged_s = now_s
            logger.info("%s", self.line(now_s - self._started_s))

    def line(self, elapsed_s: float) -> str:
        """One line for a person."""
        done = sum(self._work[video_id] for video_id in self._done)
        total = sum(self._work.values())
        left = f", about {format_s(elapsed_s * (total - done) / done)} left" if done else ""
        return f"{len(self._done)} of {len(self._work)} videos, {self._num_clips} clips{left}"


def work_of(item: WorkItem) -> float:
    """Estimated work of a video in megapixel-seconds."""
    return item.facts.width_px * item.facts.height_px / 1e6 * max(item.facts.duration_s, 0.1)


def format_s(seconds: float) -> str:
    """``75`` is ``1 min 15 s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
