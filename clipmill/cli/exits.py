"""Exit codes of the command line."""

from clipmill.cli import STOPPED
from clipmill.errors import (
    BadEmbeddings,
    ClipmillError,
    ModelUnavailable,
    OutputError,
    SourceError,
    SpecError,
    StoreError,
    TransientStoreError,
)
from clipmill.outcomes.run_end import RunEnd

DONE = 0
BUG = 1
"""A bug of clipmill: the traceback says where."""
MISUSE = 2
"""Wrong arguments, source, output or spec: nothing was done."""
FAILURES_LEFT = 3
"""Done, but for failures that the next run tries again."""


def exit_code(error: ClipmillError, *, is_run: bool = True) -> int:
    """Returns the exit code for an error that ends a verb.

    A store that refuses a verb which is no run was named wrongly, or lacks a permission.
    """
    if isinstance(error, SpecError | SourceError | OutputError | ModelUnavailable | BadEmbeddings):
        return MISUSE
    is_refused = isinstance(error, StoreError) and not isinstance(error, TransientStoreError)
    return MISUSE if is_refused and not is_run else STOPPED


def end_code(end: RunEnd) -> int:
    """Returns the exit code for the end of a run."""
    return {"done": DONE, "failures_left": FAILURES_LEFT, "stopped": STOPPED}[end.kind]
