"""How a task takes part in its run: it enters the run's lease and keeps it while it works."""

import json
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache

from flytekit import current_context

from clipmill import layout
from clipmill.limits import LimitsSpec
from clipmill.runs.lease import TERM_S, Lease, release_owned, take
from clipmill.runs.lease_file import read_lease
from clipmill.runs.process_name import this_process
from clipmill.runs.run_id import new_run_id
from clipmill.storage import store
from tasks.faults import retried_by_flyte

_LOCAL = "local"
"""Name that flytekit gives to every execution on this machine."""


@contextmanager
def first_step(output: str, limits: LimitsSpec) -> Generator[Lease]:
    """Takes the output for the run that starts here, and keeps it for the step.

    A task that is tried again enters the lease of its first try, under that one's run id. On a cluster the
    term is long: a task may wait for its machine for hours, and no other task renews the lease then.
    """
    term_s, process = limits.lease_hours * 3600, ""
    if is_local():
        term_s, process = TERM_S, this_process()
    with retried_by_flyte():
        lease = take(output, new_run_id(), term_s=term_s, owner=_owner(), process=process)
        with lease.kept():
            yield lease


@contextmanager
def run_step(output: str, run_id: str) -> Generator[Lease]:
    """Keeps the run's lease while a step of it works; what Flyte may try again is named as such."""
    lease = Lease(output, run_id)
    with retried_by_flyte(), lease.kept():
        yield lease


def release_failed(output: str, *, node: str, message: str) -> None:
    """Says in ``runs/<run id>/failure.json`` why a run failed, and gives the output back if it is ours."""
    with retried_by_flyte():
        if is_local() and not store.exists(layout.lease_path(output)):
            return  # such as where the output is a file: the failure itself says so
        record = read_lease(output)
        if record is None or record.owner != _owner():
            return
        facts = {
            "run_id": record.run_id,
            "execution": "" if is_local() else record.owner,
            "node": node,
            "message": message,
            "failed_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        uri = layout.join(layout.runs_dir(store.normalise(output)), record.run_id, "failure.json")
        store.put_bytes(uri, json.dumps(facts, indent=1).encode())
        release_owned(output, _owner())


def holder_of(output: str) -> str:
    """Returns which other run holds the output, in words; empty where this execution may take it."""
    with retried_by_flyte():
        record = read_lease(output)
    if record is None or record.is_free() or record.owner == _owner():
        return ""
    return f"run {record.run_id} on {record.host} has been writing {output} since {record.started}"


def _owner() -> str:
    """The execution: known to each of its tasks and to its failure handler, which gets no run id."""
    if is_local():
        return _name_of_process()
    execution = current_context().execution_id
    return f"{execution.project}/{execution.domain}/{execution.name}"


def is_local() -> bool:
    """Returns True where flytekit runs the workflow on this machine, without a backend."""
    return current_context().execution_id.name == _LOCAL


@cache
def _name_of_process() -> str:
    """On this machine all tasks of a run are in one process."""
    return secrets.token_hex(8)
