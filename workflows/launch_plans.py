"""What ``pyflyte register`` offers to launch: curate, deduplicate, compact, and the run of every night.

Places, schedule and addresses of the nightly run are those of ``deployment.yaml``. Without source and output
it is registered too, but not switched on.
"""

from flytekit import CronSchedule, Email, LaunchPlan
from flytekit.models.concurrency import ConcurrencyPolicy
from flytekit.models.core.execution import WorkflowExecutionPhase
from flytekit.models.security import Identity, SecurityContext

from clipmill.errors import SpecError
from clipmill.spec_file import load_spec
from deployment import DEPLOYMENT, FILE
from tasks.hardware import DEFAULT_ENGINE
from tasks.specs import Curation
from workflows.curate import curate
from workflows.dedup import dedup
from workflows.nightly import curate_nightly
from workflows.state import compact_state

LAUNCH = DEPLOYMENT.launch
MAX_PARALLELISM = DEPLOYMENT.profile.max_parallelism
"""Nodes of one run that are active at once."""

_ENDED_BADLY = [
    WorkflowExecutionPhase.FAILED,
    WorkflowExecutionPhase.TIMED_OUT,
    WorkflowExecutionPhase.ABORTED,
]
_COMMON = {
    "max_parallelism": MAX_PARALLELISM,
    "notifications": [Email(phases=_ENDED_BADLY, recipients_email=list(LAUNCH.emails))]
    if LAUNCH.emails
    else [],
    "security_context": SecurityContext(run_as=Identity(k8s_service_account=DEPLOYMENT.service_account))
    if DEPLOYMENT.service_account
    else None,
}

curate_plan = LaunchPlan.get_or_create(curate, name="curate", **_COMMON)

dedup_plan = LaunchPlan.get_or_create(dedup, name="dedup", **_COMMON)

compact_plan = LaunchPlan.get_or_create(compact_state, name="compact", **_COMMON)


def _spec(text: str) -> Curation:
    """The spec of every night; a file lies beside the deployment file, from wherever one registers."""
    is_file = text and "://" not in text and not text.lstrip().startswith("{")
    try:
        return Curation.of(load_spec(str(FILE.parent / text) if is_file else text))
    except SpecError as error:
        raise SystemExit(f"clipmill: launch.spec of the deployment file: {error}") from error


# Where nothing is new it ends after the listing, and starts no cluster.
nightly = LaunchPlan.get_or_create(
    curate_nightly,
    name="nightly",
    fixed_inputs={
        "source": LAUNCH.source,
        "output": LAUNCH.output,
        "spec": _spec(LAUNCH.spec),
        "engine": DEFAULT_ENGINE,
    },
    schedule=CronSchedule(schedule=LAUNCH.cron),
    # A night that is not done by the next one goes on; two runs would do the same work twice.
    concurrency=ConcurrencyPolicy(max_concurrency=1),
    auto_activate=bool(LAUNCH.source and LAUNCH.output),
    **_COMMON,
)
