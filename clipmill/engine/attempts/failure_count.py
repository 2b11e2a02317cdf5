"""How many items each stage failed on and why, and whether a stage or a store fails on everything."""

from collections import Counter, defaultdict
from collections.abc import Iterator

import pyarrow as pa

from clipmill import arrow
from clipmill.engine.chunk import Chunk
from clipmill.engine.runners.result_rows import BAD_RESULT, STAGE_ERROR
from clipmill.errors import StageBroken, StoreOutage
from clipmill.outcomes.run_end import Tally, merged
from clipmill.planning.judgement import RESULT, RETRYABLE
from clipmill.planning.nodes import Node
from clipmill.records import VideoReason
from clipmill.state.split_rows import split_row

OUTAGE_VIDEOS = 3
"""Videos in a row that fail because a store does not answer: then it is not they that are at fault."""
SYSTEMATIC_VIDEOS = 20
"""Videos in a row that fail for any one other passing reason."""
LEAST_VIDEOS = 3
"""Videos that must all have failed for an unforeseen error before a whole run counts as broken."""
OUTAGES = frozenset({VideoReason.STORE_UNAVAILABLE, VideoReason.OUTPUT_ERROR, VideoReason.SCRATCH_ERROR})


class FailureCount:
    """Counts results and failures by stage over the chunks of a run; ``extractor`` makes the splits."""

    def __init__(self, extractor: Node) -> None:
        self._extractor = extractor
        self._failed: Counter[tuple[str, str, str]] = Counter()
        self._own: Counter[str] = Counter()
        self._good: Counter[str] = Counter()
        self._message: dict[str, str] = {}
        self._retryable: dict[str, list[pa.Table]] = defaultdict(list)
        self._streak = VideoStreak(extractor.key)

    def saw(self, chunk: Chunk) -> None:
        """Counts the rows of a finished chunk. StoreOutage or StageBroken where failures do not end."""
        for key, rows in _rows_of(chunk, self._extractor):
            self.count(key, rows)
        self._streak.saw(chunk)

    def count(self, key: str, rows: pa.Table) -> None:
        """Counts rows of a stage."""
        failed = rows.filter(arrow.not_equal(rows["outcome"], RESULT))
        self._good[key] += len(rows) - len(failed)
        columns = (failed[name].to_pylist() for name in ("outcome", "reason", "message"))
        for outcome, reason, message in zip(*columns, strict=True):
            self._failed[key, reason, outcome] += 1
            if is_own(reason):
                self._own[key] += 1
                self._message.setdefault(key, message)
        retryable = failed.filter(arrow.equal(failed["outcome"], RETRYABLE))
        if len(retryable):
            self._retryable[key].append(retryable)

    def tallies(self) -> tuple[Tally, ...]:
        """Returns the items without a result, by stage, reason and outcome."""
        return merged(Tally(*names, count) for names, count in self._failed.items())

    def retryable(self) -> dict[str, pa.Table]:
        """Returns stage -> the rows of failures that are tried again."""
        return {key: pa.concat_tables(tables) for key, tables in self._retryable.items()}

    def gave_up(self, key: str, rows: pa.Table) -> None:
        """Counts failures that became final."""
        for reason in rows["reason"].to_pylist():
            self._failed[key, reason, "retryable"] -= 1
            self._failed[key, reason, "final"] += 1

    def check(self) -> None:
        """Raises StageBroken for a stage whose own code failed on every item."""
        for key, count in self._own.items():
            least = LEAST_VIDEOS if key == self._extractor.key else 1
            if count >= least and not self._good[key]:
                raise StageBroken(key, f"it failed on all {count} items; the first: {self._message[key]}")


def is_own(reason: str) -> bool:
    """Returns True for a reason that points at the code of a stage, or at ours."""
    return reason in (STAGE_ERROR, BAD_RESULT, VideoReason.UNEXPECTED)


def _rows_of(chunk: Chunk, extractor: Node) -> Iterator[tuple[str, pa.Table]]:
    yield from chunk.made.items()
    if chunk.split is not None:
        yield extractor.key, split_row(chunk.work.video_id, chunk.split, extractor)


class VideoStreak:
    """Videos in a row that failed for one reason, with none that succeeded between them."""

    def __init__(self, extractor: str) -> None:
        self._extractor = extractor
        self._reason = ""
        self._videos: set[str] = set()

    def saw(self, chunk: Chunk) -> None:
        """Takes a finished chunk. StoreOutage, or StageBroken for the split, when there are too many."""
        found = _passing_failure(chunk)
        if found is None:
            if chunk.made or chunk.split:
                self._videos.clear()
            return
        reason, message = found
        if reason != self._reason:
            self._reason, self._videos = reason, set()
        self._videos.add(chunk.work.video_id)
        self._check(reason, message)

    def _check(self, reason: str, message: str) -> None:
        count = len(self._videos)
        if count < (OUTAGE_VIDEOS if reason in OUTAGES else SYSTEMATIC_VIDEOS):
            return
        cause = f"{count} videos in a row failed ({reason}); the last: {message}"
        if reason in OUTAGES | {VideoReason.STORE_ERROR, VideoReason.SOURCE_CHANGED}:
            raise StoreOutage(cause)
        raise StageBroken(self._extractor, cause)


def _passing_failure(chunk: Chunk) -> tuple[str, str] | None:
    """Why the video of a chunk failed for now: as a whole, or because a store did not answer."""
    split = chunk.split.failed if chunk.split else None
    if split is not None and split.kind == RETRYABLE:
        return split.reason, split.message
    for rows in chunk.made.values():
        reasons, messages = rows["reason"].to_pylist(), rows["message"].to_pylist()
        for reason, message in zip(reasons, messages, strict=True):
            if reason in OUTAGES:
                return reason, message
    return None
