"""How many items each stage failed on, and which stages failed on all."""

from collections import Counter

from clipmill.engine.chunk import Chunk
from clipmill.engine.runners.result_rows import BAD_RESULT, STAGE_ERROR
from clipmill.errors import StageBroken


class FailureCount:
    """Counts results and failures by stage over the chunks of a run."""

    def __init__(self) -> None:
        self._failed: Counter[str] = Counter()
        self._own: Counter[str] = Counter()
        self._good: Counter[str] = Counter()
        self._message: dict[str, str] = {}

    def saw(self, chunk: Chunk) -> None:
        """Counts the rows of a finished chunk."""
        for key, rows in chunk.made.items():
            for outcome, reason, message in zip(
                *(rows[name].to_pylist() for name in ("outcome", "reason", "message")), strict=True
            ):
                is_own = reason in (STAGE_ERROR, BAD_RESULT)
                self._good[key] += outcome == "result"
                self._failed[key] += outcome != "result"
                self._own[key] += outcome != "result" and is_own
                if outcome != "result" and is_own:
                    self._message.setdefault(key, message)

    def by_key(self) -> dict[str, int]:
        """Returns stage -> items without a result, for the stages that have any."""
        return {key: count for key, count in sorted(self._failed.items()) if count}

    def check(self) -> None:
        """Raises StageBroken for a stage whose own code failed on every item."""
        for key, count in self._own.items():
            if count and not self._good[key]:
                raise StageBroken(key, f"it failed on all {count} items; the first: {self._message[key]}")
