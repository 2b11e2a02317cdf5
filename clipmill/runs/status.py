"""How far a run is, as a record that a log, a terminal and a program show each in their way."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

logger = logging.getLogger(__name__)

Phase = Literal["listing", "inspecting", "scanning", "deduplicating", "writing"]
"""What a run does, in this order; a run with stages behind deduplication scans twice."""


@dataclass(frozen=True)
class Status:
    """How far a run is.

    Times are seconds. ``seen_s`` of ``video_s`` seconds of video were looked at in this phase. ``left_s`` is
    None where too little is done to tell. ``num_failures`` counts videos, clips and windows without a result,
    ``num_rejected`` videos that can have none, such as those that are too short.
    """

    phase: Phase
    elapsed_s: float = 0.0
    num_videos: int = 0
    num_done: int = 0
    num_clips: int = 0
    num_failures: int = 0
    num_rejected: int = 0
    video_s: float = 0.0
    seen_s: float = 0.0
    left_s: float | None = None

    @property
    def rate(self) -> float:
        """Seconds of video looked at in a second."""
        return self.seen_s / self.elapsed_s if self.elapsed_s > 0 else 0.0

    def line(self) -> str:
        """Returns the status in one line."""
        if not self.num_videos:
            return self.phase
        parts = [
            f"{self.phase}: {format_s(self.seen_s)} of {format_s(self.video_s)} of video",
            f"{self.num_done} of {self.num_videos} videos done",
            f"{self.num_clips} clips",
            *([f"{self.num_rejected} rejected"] if self.num_rejected else []),
            *([failures(self.num_failures)] if self.num_failures else []),
            *([f"{self.rate:.1f} s of video a second"] if self.seen_s else []),
            *([] if self.left_s is None else [f"about {format_s(self.left_s)} left"]),
        ]
        return ", ".join(parts)


Show = Callable[[Status], None]
"""Shows a status; called about once a second."""


class LogStatus:
    """Logs a status at INFO: each new phase, and every ``every_s`` seconds within one."""

    def __init__(self, every_s: float = 10.0) -> None:
        self._every_s = every_s
        self._phase: Phase | None = None
        self._next_s = 0.0

    def __call__(self, status: Status) -> None:
        """Logs a status where it is time."""
        is_new = status.phase != self._phase
        if is_new or status.elapsed_s >= self._next_s:
            self._phase = status.phase
            self._next_s = status.elapsed_s + self._every_s
            logger.info("%s", status.line())


def failures(num: int) -> str:
    """``1`` is ``1 failure``."""
    return f"{num} failure{'' if num == 1 else 's'}"


def format_s(seconds: float) -> str:
    """``75`` is ``1 min 15 s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
