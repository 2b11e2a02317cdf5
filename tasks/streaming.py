"""What one task of either engine does."""

import json
import logging
import sys
from typing import cast

from clipmill.curation.deduplication import with_copies
from clipmill.curation.run import RunOptions, stream_work
from clipmill.engine.machine_check import Engine
from clipmill.intake.admission import remaining
from clipmill.machine import ClusterSize
from clipmill.planning.from_spec import plan_of_spec
from clipmill.runs.termination import terminable
from clipmill.storage import store
from tasks.faults import StreamInterrupted, attempt, retried_by_flyte
from tasks.leases import is_local, run_step
from tasks.specs import Curation


def streamed(
    work: str,
    source: str,
    output: str,
    spec: Curation,
    phase: int,
    run_id: str,
    *,
    engine: Engine,
    retries: int,
    grows_to: ClusterSize | None = None,
) -> str:
    """Do the work of one manifest; the URI of what it took.

    A later attempt does only what the earlier ones left. An outage is tried again; the last attempt gives its
    end as data, so that what is done is published. ``grows_to`` is what the cluster of a pod has at most.
    """
    show_progress()
    with terminable(), run_step(output, run_id) as lease:
        plan = plan_of_spec(spec, source=source, output=output).up_to(phase)
        if attempt():
            work = remaining(work, plan, output=output)
        options = RunOptions(engine, grows_to=None if is_local() else grows_to)
        record = stream_work(work, with_copies(plan, spec.dedup), lease=lease, options=options)
    if not is_local() and attempt() < retries:
        with retried_by_flyte():
            _check_end(record)
    return record


def _check_end(record: str) -> None:
    """Raise StreamInterrupted for a record that an outage ended early."""
    facts = cast("dict[str, object]", json.loads(store.read_bytes(record)))
    if facts["is_passing"]:
        raise StreamInterrupted(str(facts["stopped"]))


def show_progress() -> None:
    """Show what clipmill logs from INFO on, once per process, whatever called it before."""
    logger = logging.getLogger("clipmill")
    if logger.handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
