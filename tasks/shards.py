"""From a source to work: list it, look into what is new, admit what is missing."""

from datetime import UTC, datetime
from typing import NamedTuple

from flytekit import task

from clipmill import curation
from clipmill.dataset.publish import read_duplicates
from clipmill.intake import admission, inspection, shards
from clipmill.planning.from_spec import plan_of_spec
from clipmill.specs import CurateSpec
from images import CPU_IMAGE
from tasks.faults import retried_by_flyte
from tasks.hardware import INSPECT, PLAN


class Shards(NamedTuple):
    """URIs of the listing and of the manifests of what nobody has looked into; when the run started."""

    listing: str
    manifests: list[str]
    started: str


@task(container_image=CPU_IMAGE, **PLAN.of_task)
def plan_shards(source: str, output: str, spec: CurateSpec) -> Shards:
    """List the source and shard what is new; never cached, because a listing is news."""
    started = datetime.now(UTC).isoformat()
    with retried_by_flyte():
        plan = plan_of_spec(spec, source=source, output=output)
        found = shards.plan_shards(plan, output=output, sharding=spec.sharding)
    return Shards(found.listing_uri, found.manifest_uris, started)


@task(container_image=CPU_IMAGE, **INSPECT.of_task)
def inspect(manifest: str, output: str, spec: CurateSpec) -> int:
    """Look at the headers of one manifest's sources; how many can be read."""
    with retried_by_flyte():
        return inspection.inspect_manifest(manifest, output=output, limits=spec.limits)


@task(container_image=CPU_IMAGE, **PLAN.of_task)
def admit(listing: str, inspected: list[int], source: str, output: str, spec: CurateSpec) -> list[str]:
    """Name what is missing, as manifests of work; ``inspected`` only says that the inspection is over."""
    with retried_by_flyte():
        plan = plan_of_spec(spec, source=source, output=output).up_to(0)
        return admission.admit(listing, plan, output=output, num_groups=spec.sharding.num_ray_clusters)


@task(container_image=CPU_IMAGE, **PLAN.of_task)
def admit_unique(listing: str, duplicates: str, source: str, output: str, spec: CurateSpec) -> list[str]:
    """Name what stages behind deduplication miss of the clips that it kept; nothing without such stages."""
    with retried_by_flyte():
        plan = plan_of_spec(spec, source=source, output=output)
        return curation.admit_unique(
            listing,
            plan,
            output=output,
            duplicates=read_duplicates(duplicates),
            num_groups=spec.sharding.num_ray_clusters,
        )
