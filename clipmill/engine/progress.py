"""How far a run is: counts and an estimate of the time left, logged now and then."""

import logging
import time
from collections.abc import Iterable

from clipmill.engine.chunk import Chunk
from clipmill.engine.work import Work

logger = logging.getLogger(__name__)

LOG_EVERY_S = 5.0
MIN_DONE = 0.05
"""Share of the work below which start-up, not the work, would decide the estimate."""
ALMOST = 1e-6


class Progress:
    """Counts what is done against the estimated work, in megapixel-seconds of video, chunk by chunk."""

    def __init__(self, items: Iterable[Work]) -> None:
        self._work = {item.video_id: work_of(item) for item in items}
        self._share = dict.fromkeys(self._work, 0.0)
        self._num_clips = 0
        self._started_s = self._logged_s = time.monotonic()

    def saw(self, chunk: Chunk) -> None:
        """Count a finished chunk; log when it is time."""
        self._share[chunk.work.video_id] += chunk.share
        self._num_clips += len(chunk.clips) - len(chunk.rejected)
        now_s = time.monotonic()
        if now_s - self._logged_s >= LOG_EVERY_S:
            self._logged_s = now_s
            logger.info("%s", self.line(now_s - self._started_s))

    def line(self, elapsed_s: float) -> str:
        """One line for a person; it says how much time is left once that is more than a guess."""
        num_done = sum(share > 1 - ALMOST for share in self._share.values())
        total = sum(self._work.values())
        done = sum(self._work[video_id] * share for video_id, share in self._share.items())
        counts = f"{num_done} of {len(self._work)} videos, {self._num_clips} clips"
        if done < MIN_DONE * total:
            return counts
        return f"{counts}, about {format_s(elapsed_s * (total - done) / done)} left"


def work_of(item: Work) -> float:
    """Estimated work of a video in megapixel-seconds."""
    return item.facts.width_px * item.facts.height_px / 1e6 * max(item.facts.duration_s, 0.1)


def format_s(seconds: float) -> str:
    """``75`` is ``1 min 15 s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
