"""A run from its listing to its snapshot, in this process, and the steps that workflows share with it."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath

import pyarrow as pa

from clipmill import scratch
from clipmill.curation.deduplication import dedup_input, find_duplicates, with_copies
from clipmill.curation.preflight import check_dedup
from clipmill.curation.publication import Published, publish_snapshot
from clipmill.dataset.collect import Collected, collected
from clipmill.dataset.kept import kept_clips
from clipmill.dataset.snapshots.record import check_standing
from clipmill.engine.chunk import Chunk
from clipmill.engine.machine_check import Engine, check_machine
from clipmill.engine.record import stream_recorded
from clipmill.errors import SpecError
from clipmill.intake.admission import admit
from clipmill.intake.inspection import inspect_manifest
from clipmill.intake.manifests import Sources, get_work
from clipmill.intake.shards import plan_shards
from clipmill.machine import ClusterSize
from clipmill.planning.environment import environment_of
from clipmill.planning.from_spec import plan_of_spec
from clipmill.planning.plan import Plan
from clipmill.runs.folders import remove_folder, sweep_folders
from clipmill.runs.lease import TERM_S, Lease, check_output, take
from clipmill.runs.process_name import this_process
from clipmill.runs.run_id import new_run_id
from clipmill.runs.status import LogStatus, Show, Status
from clipmill.runs.termination import stops_here, terminable
from clipmill.specs import CurateSpec, DedupSpec, ShardingSpec
from clipmill.state.database import kept_engine
from clipmill.storage import store
from clipmill.storage.listing import list_source


@dataclass(frozen=True)
class RunOptions:
    """How a plan is carried out: what changes no clip. ``dedup`` None compares no clips.

    ``lease_term_s`` is how long the output stays this run's after the process was killed. ``grows_to`` is
    what a Ray cluster with an autoscaler has at most: its pools of workers are bounded by that.
    """

    engine: Engine = "inline"
    sharding: ShardingSpec = field(default_factory=ShardingSpec)
    dedup: DedupSpec | None = None
    writes_json: bool = True
    lease_term_s: float = TERM_S
    grows_to: ClusterSize | None = None


def planned_run(spec: CurateSpec, *, source: str, output: str, engine: Engine) -> Plan:
    """Returns the plan of a run once everything is checked that can be checked before any work.

    SpecError, SourceError, OutputError, OutputBusy or ModelUnavailable for what would not work.
    """
    plan = plan_of_spec(spec.decided(), source=source, output=output)
    check_dedup(plan, spec.dedup)
    environment_of(plan)
    check_machine(plan, engine)
    check_places(plan, output)
    return plan


def check_places(plan: Plan, output: str) -> None:
    """Raises SourceError or OutputError for a source without videos and for an output that is of no use."""
    list_source(plan.source, exclude=output)
    store.check_writable(output)  # behind the source: it makes the folder
    check_standing(output)
    check_output(output)


def run_curation(
    plan: Plan,
    options: RunOptions,
    *,
    on_chunk: Callable[[Chunk], None] | None = None,
    show: Show | None = None,
) -> Published:
    """Carries out a plan in this process, step by step as the workflow does; returns what it left.

    ``on_chunk`` sees every finished chunk, ``show`` how far the run is; without one that is logged.
    SpecError, before any work, for a plan without a writer and for what deduplication could not do.
    OutputBusy, at once, where another run writes the output; Fenced where this one lost it meanwhile.
    """
    if plan.output is None:
        raise SpecError("nothing is published without a writer: add a ClipWriterStage")
    check_dedup(plan, options.dedup)
    check_standing(plan.output.output_path)
    scratch.sweep()
    with terminable():
        lease = take(
            plan.output.output_path, new_run_id(), term_s=options.lease_term_s, process=this_process()
        )
        try:
            with lease.kept(), kept_engine():
                return _carried_out(plan, options, lease, on_chunk, show or LogStatus())
        finally:
            remove_folder(lease.output, lease.run_id)
            lease.release()


def _carried_out(
    plan: Plan,
    options: RunOptions,
    lease: Lease,
    on_chunk: Callable[[Chunk], None] | None,
    show: Show,
) -> Published:
    output = lease.output
    phase = partial(run_phase, lease=lease, options=options, on_chunk=on_chunk, show=show)
    show(Status("listing"))
    sweep_folders(output, run_id=lease.run_id)
    shards = plan_shards(plan, output=output, sharding=options.sharding)
    show(Status("inspecting"))
    for manifest_uri in shards.manifest_uris:
        if stops_here():
            break
        inspect_manifest(manifest_uri, output=output, limits=plan.limits, run_id=lease.run_id)
    streams = phase(plan, 0, shards.listing_uri)
    show(Status("deduplicating"))
    first = plan.up_to(0)
    with ExitStack() as read:
        known = read.enter_context(collected(output, plan=first, sources=Sources(shards.listing_uri)))
        found = dedup_input(shards.listing_uri, first, lease=lease, dedup=options.dedup, known=known)
        duplicates = find_duplicates(found, lease, options.dedup) if options.dedup else None
        if plan.num_phases > 1:
            table = duplicates and duplicates.table
            passed = passed_clips(shards.listing_uri, plan, lease=lease, duplicates=table, known=known)
            if passed or len(first.nodes) < len(plan.nodes):
                read.close()
                known = None
                streams += phase(plan, 1, shards.listing_uri, passed=passed)
            else:
                known = known.seen_by(plan)
        show(Status("writing"))
        return publish_snapshot(
            shards.listing_uri,
            plan,
            lease=lease,
            stream_uris=streams,
            dedup=options.dedup,
            duplicates=duplicates,
            writes_json=options.writes_json,
            known=known,
        )


def run_phase(
    plan: Plan,
    phase: int,
    listing_uri: str,
    *,
    lease: Lease,
    options: RunOptions,
    passed: frozenset[str] | None = None,
    on_chunk: Callable[[Chunk], None] | None = None,
    show: Show | None = None,
) -> list[str]:
    """Runs what is missing up to the barrier that ends a phase; returns the URIs of the metrics.

    ``passed`` are the clips that passed the barrier before it. Only their spans are decoded again.
    """
    plan = with_copies(plan.up_to(phase), options.dedup)
    num_groups = options.sharding.num_ray_clusters
    works = admit(listing_uri, plan, output=lease.output, num_groups=num_groups, passed=passed)
    return [
        stream_work(work, plan, lease=lease, options=options, on_chunk=on_chunk, show=show)
        for work in works
        if not stops_here()
    ]


def stream_work(
    work_uri: str,
    plan: Plan,
    *,
    lease: Lease,
    options: RunOptions,
    on_chunk: Callable[[Chunk], None] | None = None,
    show: Show | None = None,
) -> str:
    """Does the work of one manifest; returns the URI of its metrics. Fenced soon after the lease is lost."""

    def seen(chunk: Chunk) -> None:
        lease.check()
        if on_chunk:
            on_chunk(chunk)

    return stream_recorded(
        get_work(work_uri),
        plan,
        output=lease.output,
        engine=options.engine,
        run_id=lease.run_id,
        part=PurePosixPath(work_uri).stem[-8:],
        on_chunk=seen,
        show=show,
        grows_to=options.grows_to,
    )


def admit_unique(
    listing_uri: str,
    plan: Plan,
    *,
    lease: Lease,
    duplicates: pa.Table | None,
    num_groups: int,
    group_s: float | None = None,
) -> list[str]:
    """Returns the work of the stages behind deduplication, for the clips that it kept; empty without them."""
    if plan.num_phases == 1:
        return []
    passed = passed_clips(listing_uri, plan, lease=lease, duplicates=duplicates)
    if not passed:
        return []
    plan, output = plan.up_to(1), lease.output
    return admit(listing_uri, plan, output=output, num_groups=num_groups, group_s=group_s, passed=passed)


def passed_clips(
    listing_uri: str,
    plan: Plan,
    *,
    lease: Lease,
    duplicates: pa.Table | None,
    known: Collected | None = None,
) -> frozenset[str]:
    """Returns the clips that the filters and deduplication keep; ``known`` is what the state has of them.

    Where only late stages wait behind deduplication, those that lack one.
    """
    is_short = all(node.is_late for node in plan.nodes if node.phase)
    kept = kept_clips(
        lease.output,
        plan.up_to(0),
        Sources(listing_uri),
        duplicates=duplicates,
        lacking_in_run=lease.run_id if is_short else None,
        known=known,
    )
    return frozenset(kept.to_pylist())
