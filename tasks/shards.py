"""From a source to work: list it, look into what is new, admit what is missing."""

from typing import NamedTuple

from flytekit import task

from clipmill import scratch
from clipmill.curation import run
from clipmill.dedup_job.result import read_result
from clipmill.intake import admission, inspection, shards
from clipmill.planning.from_spec import plan_of_spec
from clipmill.preflight import check_dedup
from clipmill.runs.folders import sweep_folders
from clipmill.specs import CurateSpec
from images import CPU_IMAGE
from tasks.faults import retried_by_flyte
from tasks.hardware import INSPECT, PLAN
from tasks.leases import first_step, run_step


class Shards(NamedTuple):
    """URIs of the listing and of the manifests of sources without an inspection; the id of the run."""

    listing: str
    manifests: list[str]
    run_id: str


@task(container_image=CPU_IMAGE, **PLAN.of_task)
def plan_shards(source: str, output: str, spec: CurateSpec) -> Shards:
    """Take the output, list the source and shard what is new; never cached, because a listing is news."""
    scratch.sweep()
    plan = plan_of_spec(spec, source=source, output=output)
    check_dedup(plan, spec.dedup)
    with first_step(output, spec.limits) as lease:
        sweep_folders(output, run_id=lease.run_id)
        found = shards.plan_shards(plan, output=output, sharding=spec.sharding)
        return Shards(found.listing_uri, found.manifest_uris, lease.run_id)


@task(container_image=CPU_IMAGE, **INSPECT.of_task)
def inspect(manifest: str, output: str, spec: CurateSpec) -> int:
    """Look at the headers of one manifest's sources; how many can be read."""
    with retried_by_flyte():
        return inspection.inspect_manifest(manifest, output=output, limits=spec.limits)


@task(container_image=CPU_IMAGE, **PLAN.of_task)
def admit(
    listing: str, inspected: list[int], source: str, output: str, spec: CurateSpec, run_id: str
) -> list[str]:
    """Name what is missing, as manifests of work; ``inspected`` only says that the inspection is over."""
    with run_step(output, run_id):
        plan = plan_of_spec(spec, source=source, output=output).up_to(0)
        return admission.admit(listing, plan, output=output, num_groups=spec.sharding.num_ray_clusters)


@task(container_image=CPU_IMAGE, **PLAN.of_task)
def admit_unique(
    listing: str, duplicates: str, source: str, output: str, spec: CurateSpec, run_id: str
) -> list[str]:
    """Name what stages behind deduplication miss of the clips that it kept; nothing without such stages."""
    with run_step(output, run_id):
        plan = plan_of_spec(spec, source=source, output=output)
        return run.admit_unique(
            listing,
            plan,
            output=output,
            duplicates=read_result(duplicates).table,
            num_groups=spec.sharding.num_ray_clusters,
        )
