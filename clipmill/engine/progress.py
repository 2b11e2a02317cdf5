"""How far the scan of a run is: counts, seconds of video, and an estimate of the time left."""

import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from clipmill import arrow
from clipmill.engine.chunk import Chunk
from clipmill.engine.work import Work
from clipmill.planning.judgement import RESULT
from clipmill.runs.status import Show, Status

WINDOW_S = 60.0
"""What was done in this time says how fast the rest will be; start-up is soon forgotten."""
MIN_ELAPSED_S = 2.0
MIN_SHARE = 0.02
"""Below it, start-up and not the work would decide."""
MIN_BACKLOG = 0.05
"""Share looked at and not finished, from which on it is the later stages that a run waits for."""


@dataclass(frozen=True)
class _Point:
    at_s: float
    seen: float
    finished: float


class TimeLeft:
    """Keeps what was done when; shares are of the work of the whole run."""

    def __init__(self) -> None:
        self._points: deque[_Point] = deque([_Point(0.0, 0.0, 0.0)])

    def observe(self, at_s: float, *, seen: float, finished: float) -> float | None:
        """Returns the seconds left; None where too little is done to tell."""
        now = _Point(at_s, seen, finished)
        self._points.append(now)
        while len(self._points) > 2 and self._points[1].at_s <= at_s - WINDOW_S:
            self._points.popleft()
        before = self._points[0]
        if at_s < MIN_ELAPSED_S or seen < MIN_SHARE:
            return None
        scan = _left(1.0 - seen, seen - before.seen, at_s - before.at_s)
        if seen - finished < MIN_BACKLOG:
            return scan
        rest = _left(1.0 - finished, finished - before.finished, at_s - before.at_s)
        return None if scan is None or rest is None else max(scan, rest)


def _left(share: float, done: float, took_s: float) -> float | None:
    if share <= 0.0:
        return 0.0
    return share * took_s / done if done > 0.0 else None


SHOW_EVERY_S = 1.0
ALMOST = 1e-6
PASS_SHARE = 0.85
"""About what the pass is of all the work on a video whose clips are cut in it."""


class Progress:
    """Counts what is looked at and what is finished, chunk by chunk; ``show`` gets it once a second.

    Seconds of video count as they are looked at. A video is finished as its chunks come out; where they all
    come at the end of its pass, already cut, the pass is most of it.
    """

    def __init__(self, items: Iterable[Work], show: Show) -> None:
        self._items = {item.video_id: item for item in items}
        self._finished = dict.fromkeys(self._items, 0.0)
        self._seen = dict.fromkeys(self._items, 0.0)
        self._cut_in_pass: set[str] = set()
        self._begun: dict[str, tuple[float, float]] = {}
        self._num_clips = self._num_failures = self._num_rejected = 0
        self._show, self._left = show, TimeLeft()
        self._started_s = self._shown_s = time.monotonic()

    def saw(self, chunk: Chunk) -> None:
        """Counts a finished chunk or a mark, and shows the status when it is time."""
        name = chunk.work.video_id
        if chunk.mark:
            self._seen[name] = max(self._seen[name], chunk.mark.share)
            if chunk.mark.is_cut_in_pass:
                self._cut_in_pass.add(name)
        else:
            self._count(chunk, name)
        now_s = time.monotonic()
        if now_s - self._shown_s >= SHOW_EVERY_S:
            self._shown_s = now_s
            self._show(self.status(now_s - self._started_s))

    def _count(self, chunk: Chunk, name: str) -> None:
        self._finished[name] += chunk.share
        self._seen[name] = max(self._seen[name], self._finished[name])
        self._num_clips += len(chunk.clips) - len(chunk.rejected)
        failed = (arrow.flags(arrow.not_equal(rows["outcome"], RESULT)).sum() for rows in chunk.made.values())
        failure = chunk.split.failed if chunk.split else None
        is_rejected = failure is not None and failure.kind == "final"
        self._num_rejected += is_rejected
        self._num_failures += int(sum(failed)) + (bool(chunk.error) and not is_rejected)

    def status(self, elapsed_s: float) -> Status:
        """Returns the status after so many seconds."""
        work = {name: work_of(item) for name, item in self._items.items()}
        total = sum(work.values()) or 1.0
        ended = {name: self._ended(name) for name in work}
        seconds = {name: item.facts.duration_s for name, item in self._items.items()}
        left_s = self._left.observe(
            elapsed_s,
            seen=sum(work[name] * min(1.0, share) for name, share in self._seen.items()) / total,
            finished=sum(work[name] * share for name, share in ended.items()) / total,
        )
        return Status(
            "scanning",
            elapsed_s=elapsed_s,
            num_videos=len(work),
            num_done=sum(share > 1 - ALMOST for share in self._finished.values()),
            num_clips=self._num_clips,
            num_failures=self._num_failures,
            num_rejected=self._num_rejected,
            video_s=sum(seconds.values()),
            seen_s=sum(seconds[name] * min(1.0, share) for name, share in self._seen.items()),
            left_s=left_s and max(left_s, self._slowest_s(elapsed_s, ended)),
        )

    def _slowest_s(self, elapsed_s: float, ended: Mapping[str, float]) -> float:
        """Returns when the video that takes longest is done: at the end of a run it is worked on alone."""
        longest_s = 0.0
        for name, share in ended.items():
            if not 0.0 < share < 1.0 - ALMOST:
                continue
            begun_s, first = self._begun.setdefault(name, (elapsed_s, share))
            if elapsed_s - begun_s >= MIN_ELAPSED_S and share - first >= MIN_SHARE:
                longest_s = max(longest_s, _left(1.0 - share, share - first, elapsed_s - begun_s) or 0.0)
        return longest_s

    def _ended(self, name: str) -> float:
        finished = min(1.0, self._finished[name])
        if name not in self._cut_in_pass:
            return finished
        return PASS_SHARE * min(1.0, self._seen[name]) + (1 - PASS_SHARE) * finished


def work_of(item: Work) -> float:
    """Estimated work of a video in megapixel-seconds."""
    return item.facts.width_px * item.facts.height_px / 1e6 * max(item.facts.duration_s, 0.1)
