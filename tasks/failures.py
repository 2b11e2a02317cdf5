"""What a workflow does when it fails: it says why in the output, and gives the output back.

Workflows import this module, not its tasks: an input that is a FlyteError, found in a workflow's own module,
breaks ``pyflyte run``.
"""

from flytekit import task
from flytekit.types.error.error import FlyteError

from images import CPU_IMAGE
from tasks.hardware import PLAN, Engine
from tasks.leases import release_failed
from tasks.specs import Curation, Deduplication


@task(container_image=CPU_IMAGE, **PLAN)
def fail_curation(
    source: str, output: str, spec: Curation, engine: Engine, err: FlyteError | None = None
) -> None:
    """Write ``runs/<id>/failure.json`` and give the output back; the inputs are those of the workflow."""
    _ended(output, err)


@task(container_image=CPU_IMAGE, **PLAN)
def fail_dedup(
    embeddings: str,
    output: str,
    spec: Deduplication,
    algorithm: str,
    columns: str,
    err: FlyteError | None = None,
) -> None:
    """The same for a run that only deduplicates."""
    _ended(output, err)


def _ended(output: str, err: FlyteError | None) -> None:
    message = err.message if err else "the execution was aborted"
    release_failed(output, node=err.failed_node_id if err else "", message=message)
