"""How a run ended, and what the next one will do."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

EndKind = Literal["done", "failures_left", "stopped"]


@dataclass(frozen=True, order=True)
class Tally:
    """Items of a stage that have no result, for one reason; ``outcome`` is ``final`` or ``retryable``."""

    stage: str
    reason: str
    outcome: str
    num_items: int

    @property
    def is_left(self) -> bool:
        """True for failures that the next run tries again."""
        return self.outcome == "retryable"


@dataclass(frozen=True)
class RunEnd:
    """The end of a run: ``stopped`` says why it ended early, and is empty otherwise."""

    kind: EndKind = "done"
    tallies: tuple[Tally, ...] = ()
    stopped: str = ""

    @property
    def num_left(self) -> int:
        """Items that the next run tries again."""
        return sum(tally.num_items for tally in self.tallies if tally.is_left)

    def sentence(self) -> str:
        """Returns what the next run will do."""
        if self.kind == "stopped":
            cause = self.stopped.partition("\n")[0]
            return f"stopped: {cause}; the results so far are kept, and the next run goes on from there"
        if self.kind == "failures_left":
            return f"done, but {self.num_left} items failed for now: the next run tries them again"
        return "done"


def end_of(
    tallies: Iterable[Tally], *, stopped: str, num_failed: int, num_videos: int, max_failed_ratio: float
) -> RunEnd:
    """Returns the end of a run over ``num_videos``, of which ``num_failed`` failed for now."""
    together = merged(tallies)
    if not stopped and num_failed > max_failed_ratio * num_videos:
        stopped = (
            f"{num_failed} of {num_videos} videos failed, more than limits.max_failed_ratio "
            f"({max_failed_ratio:g}) allows"
        )
    if stopped:
        return RunEnd("stopped", together, stopped)
    return RunEnd("failures_left" if any(one.is_left for one in together) else "done", together)


def merged(tallies: Iterable[Tally]) -> tuple[Tally, ...]:
    """Returns one tally for each stage, reason and outcome, sorted."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for one in tallies:
        counts[one.stage, one.reason, one.outcome] += one.num_items
    return tuple(Tally(*names, num_items) for names, num_items in sorted(counts.items()) if num_items)
