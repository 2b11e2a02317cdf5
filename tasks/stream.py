"""The streaming core as a Ray task, one per manifest of work; none when nothing is to do."""

from typing import cast

from flytekit import dynamic, task

from clipmill.intake.manifests import get_work
from clipmill.plan import plan_of_spec
from clipmill.specs import CurateSpec
from clipmill.streaming.record import stream_recorded
from images import CPU_IMAGE
from tasks.cluster import STREAM_CLUSTER
from tasks.faults import retried_by_flyte
from tasks.hardware import PLAN, STREAM
from tasks.progress import show_progress


@task(task_config=STREAM_CLUSTER, container_image=CPU_IMAGE, **STREAM.of_task)
def stream(work: str, source: str, output: str, spec: CurateSpec) -> str:
    """Decode, split, score, cut, embed and preview one manifest's videos; the URI of what it took."""
    show_progress()
    with retried_by_flyte():
        plan = plan_of_spec(spec, source=source, output=output)
        return stream_recorded(get_work(work), plan, output=output, engine="ray")


@dynamic(container_image=CPU_IMAGE, **PLAN.of_task)
def stream_all(works: list[str], source: str, output: str, spec: CurateSpec) -> list[str]:
    """One Ray task per manifest; an empty list starts no cluster."""
    # In its pod this compiles a workflow: what a call gives is the promise of a URI.
    return [cast(str, stream(work=work, source=source, output=output, spec=spec)) for work in works]
