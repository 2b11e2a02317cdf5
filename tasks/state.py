"""Care of the state of an output."""

from functools import partial

from flytekit import task

from clipmill.runs.lease_file import is_free
from clipmill.state import compaction
from images import CPU_IMAGE
from tasks.faults import retried_by_flyte
from tasks.hardware import PLAN


@task(container_image=CPU_IMAGE, **PLAN)
def compact(output: str) -> int:
    """Join the small parts of an output's state; returns the number of parts that are left."""
    with retried_by_flyte():
        compaction.check_state(output)
        return sum(done.num_after for done in compaction.compact(output, may_delete=partial(is_free, output)))
