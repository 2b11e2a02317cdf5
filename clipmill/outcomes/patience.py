"""How long a failure is tried again, and when a larger limit makes it worth a try. Pure."""

from collections.abc import Iterable, Set
from typing import Protocol

from clipmill.limits import LimitsSpec
from clipmill.outcomes.failures import OF_SERVICES


class FailedTry(Protocol):
    """One row of a failure."""

    @property
    def run_id(self) -> str:
        """The run that tried."""
        ...

    @property
    def reason(self) -> str:
        """Why it failed."""
        ...


def counted_runs(tries: Iterable[FailedTry], *, good_runs: Set[str], stopped_runs: Set[str]) -> set[str]:
    """Returns the runs that count against an item.

    A run counts if the same stage had results in it (``good_runs``) and the run did not end early. Failures
    of a store or a server count for nothing.
    """
    runs = {one.run_id for one in tries if one.reason not in OF_SERVICES}
    return (runs & good_runs) - stopped_runs


def is_raised(limit: str | None, value: float | None, limits: LimitsSpec) -> bool:
    """Returns True if a run's limit is larger than the value that a failure hit."""
    now = getattr(limits, limit, None) if limit else None
    return now is not None and value is not None and float(now) > value
