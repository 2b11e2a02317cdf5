"""From a source to work: list it, look into what is new, admit what is missing."""

from typing import NamedTuple

from flytekit import task

from clipmill import layout, scratch
from clipmill.curation import run
from clipmill.curation.preflight import check_dedup
from clipmill.dataset.snapshots.record import check_standing
from clipmill.dedup_job.result import read_result
from clipmill.intake import admission, sealed_shards, shards
from clipmill.intake.inspection import inspected_rows
from clipmill.planning.from_spec import plan_of_spec
from clipmill.planning.plan import Plan, inspect_digest
from clipmill.runs.folders import sweep_folders
from clipmill.storage import parquet, store
from images import CPU_IMAGE
from tasks.caching import INSPECT_CACHE, ContentUri, result_folder
from tasks.faults import from_cache, retried_by_flyte
from tasks.hardware import INSPECT, PLAN, Engine, check_environment, groups_of
from tasks.leases import first_step, is_local, run_step
from tasks.specs import Curation


class Shards(NamedTuple):
    """URIs of the listing and of the manifests of sources to look into; what decides what a look finds.

    ``run_id`` is the id of the run. ``spec`` is that of the run, in which ``auto`` is decided: every later
    task plans by it, on whatever machine.
    """

    listing: str
    manifests: list[ContentUri]
    inspection: str
    run_id: str
    spec: Curation


@task(container_image=CPU_IMAGE, **PLAN)
def plan_shards(source: str, output: str, spec: Curation, engine: Engine) -> Shards:
    """Take the output, list the source and shard it; never cached, because a listing is news.

    On a cluster all shards are mapped, and Flyte's cache answers for those that have been. On this machine,
    where no cache does, only sources that the state does not know are.
    """
    scratch.sweep()
    with retried_by_flyte():
        spec = spec.decided() if is_local() else spec.decided_for_images()
    plan = _checked(source, output, spec, engine)
    with first_step(output, spec.limits) as lease:
        sweep_folders(output, run_id=lease.run_id)
        found = shards.plan_shards(plan, output=output, sharding=spec.sharding)
        manifests = (
            found.manifest_uris if is_local() else _sealed(found.listing_uri, output, spec, lease.run_id)
        )
        return Shards(found.listing_uri, manifests, inspect_digest(spec.limits), lease.run_id, spec)


def _checked(source: str, output: str, spec: Curation, engine: Engine) -> Plan:
    """The plan of the run; SpecError for what the steps behind it could not do."""
    with retried_by_flyte():
        plan = plan_of_spec(spec, source=source, output=output)
        check_dedup(plan, spec.dedup)
        if is_local():  # a wrong word leaves nothing behind; on a cluster one listing is enough
            run.check_places(plan, output)
        else:
            check_standing(output)
            check_environment(engine.value, "cpu")
        return plan


def _sealed(listing: str, output: str, spec: Curation, run_id: str) -> list[str]:
    return sealed_shards.sealed_manifests(
        listing, output=output, limits=spec.limits, sharding=spec.sharding, run_id=run_id
    )


@task(container_image=CPU_IMAGE, cache=INSPECT_CACHE, **INSPECT)
def inspect(manifest: str, inspection: str, spec: Curation) -> str:
    """Look at the headers of one manifest's sources; URI of the rows. ``inspection`` names the limits."""
    with retried_by_flyte():
        rows = inspected_rows(manifest, spec.limits)
        uri = layout.join(result_folder(), "inspected.parquet")
        store.put_bytes(uri, parquet.encode(rows))
        return uri


@task(container_image=CPU_IMAGE, **PLAN)
def admit(
    listing: str,
    manifests: list[str],
    inspected: list[str],
    source: str,
    output: str,
    spec: Curation,
    engine: Engine,
    run_id: str,
) -> list[str]:
    """Keep what the inspection found, and name what is missing, as manifests of work."""
    with run_step(output, run_id):
        _keep(manifests, inspected, output, spec, run_id)
        plan = plan_of_spec(spec, source=source, output=output).up_to(0)
        return admission.admit(listing, plan, output=output, **groups_of(engine, spec))


def _keep(manifests: list[str], inspected: list[str], output: str, spec: Curation, run_id: str) -> None:
    """On this machine all that was inspected is new; on a cluster the cache may have answered."""
    if is_local():
        sealed_shards.keep_inspections(inspected, output=output, limits=spec.limits, run_id=run_id)
        return
    with from_cache():
        sealed_shards.keep_remembered(manifests, inspected, output=output, limits=spec.limits, run_id=run_id)


@task(container_image=CPU_IMAGE, **PLAN)
def admit_unique(
    listing: str, duplicates: str, source: str, output: str, spec: Curation, engine: Engine, run_id: str
) -> list[str]:
    """Name what stages behind deduplication miss of the clips that it kept; nothing without such stages."""
    with run_step(output, run_id) as lease:
        plan = plan_of_spec(spec, source=source, output=output)
        return run.admit_unique(
            listing,
            plan,
            lease=lease,
            duplicates=read_result(duplicates).table,
            **groups_of(engine, spec),
        )
