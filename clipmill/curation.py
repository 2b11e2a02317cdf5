"""A run from its listing to its snapshot, for workflows, ``Pipeline`` and the command line alike."""

import json
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import PurePosixPath
from typing import cast

import pyarrow as pa

from clipmill import layout, scratch
from clipmill.arrow import equal
from clipmill.dataset.ending import end_of_run
from clipmill.dataset.exports.embeddings import (
    algorithm_of,
    embedders,
    export_clips,
    export_embeddings,
    export_no_embeddings,
)
from clipmill.dataset.funnel import Funnel
from clipmill.dataset.kept import kept_clips
from clipmill.dataset.publish import Guard, PublishOptions, publish
from clipmill.dataset.run_record import RunRecord, end_of_record
from clipmill.dataset.snapshots.record import current_snapshot, read_table
from clipmill.dedup_job import steps as dedup
from clipmill.dedup_job.result import RunDuplicates, export_ids, read_result
from clipmill.dedup_job.similarity_histogram import read_similarities
from clipmill.engine.chunk import Chunk
from clipmill.engine.record import stream_recorded
from clipmill.engine.run import Engine
from clipmill.errors import RunStopped, SpecError
from clipmill.intake.admission import admit, note_complete_videos
from clipmill.intake.inspection import inspect_manifest
from clipmill.intake.manifests import get_sources, get_work
from clipmill.intake.shards import plan_shards
from clipmill.machine import num_cores
from clipmill.outcomes.run_end import RunEnd
from clipmill.planning.judgement import RESULT
from clipmill.planning.plan import Plan
from clipmill.preflight import check_dedup, compared, compared_embeddings
from clipmill.report.plan_view import plan_view
from clipmill.report.render import write_report
from clipmill.report.view import ReportOptions, ReportTables, SimilarityCounts
from clipmill.runs.folders import remove_folder, sweep_folders
from clipmill.runs.lease import TERM_S, Lease, take
from clipmill.runs.process_name import this_process
from clipmill.runs.run_id import new_run_id, started_at
from clipmill.runs.termination import terminable
from clipmill.specs import DedupSpec, ShardingSpec
from clipmill.state.schema import schema_of
from clipmill.state.store import ResultStore
from clipmill.storage import store
from clipmill.storage.filesystems import is_http


@dataclass(frozen=True)
class Published:
    """URIs of what a run left, and what it came to."""

    manifest_uri: str
    report_uri: str
    run_uri: str
    funnel: Funnel
    video_s_per_s: float
    """Seconds of video per second of streaming; 0 when nothing was to do."""
    end: RunEnd

    def summary(self) -> str:
        """Returns what a person wants to know at the end."""
        speed = (
            f"{self.video_s_per_s:.1f} s of video per second" if self.video_s_per_s else "nothing new to do"
        )
        places = {"report": self.report_uri, "manifest": self.manifest_uri, "run": self.run_uri}
        named = (f"{name}: {uri}" for name, uri in places.items())
        lines = [*self.funnel.lines(), *self.end.lines(), f"speed: {speed}", *named]
        return "\n".join(lines)


@dataclass(frozen=True)
class RunOptions:
    """How a plan is carried out: what changes no clip. ``dedup`` None compares no clips.

    ``lease_term_s`` is how long the output stays this run's after the process was killed.
    """

    engine: Engine = "inline"
    sharding: ShardingSpec = field(default_factory=ShardingSpec)
    dedup: DedupSpec | None = None
    writes_clip_json: bool = True
    lease_term_s: float = TERM_S


def run_curation(
    plan: Plan, options: RunOptions, *, on_chunk: Callable[[Chunk], None] | None = None
) -> Published:
    """Carries out a plan in this process, step by step as the workflow does; returns what it left.

    ``on_chunk`` sees every finished chunk. SpecError, before any work, for a plan without a writer and for
    what deduplication could not do. OutputBusy, at once, where another run writes the output; Fenced where
    this one lost it meanwhile.
    """
    if plan.output is None:
        raise SpecError("nothing is published without a writer: add a ClipWriterStage")
    check_dedup(plan, options.dedup)
    scratch.sweep()
    with terminable():
        lease = take(
            plan.output.output_path, new_run_id(), term_s=options.lease_term_s, process=this_process()
        )
        try:
            with lease.kept():
                return _carried_out(plan, options, lease, on_chunk)
        finally:
            remove_folder(lease.output, lease.run_id)
            lease.release()


def _carried_out(
    plan: Plan, options: RunOptions, lease: Lease, on_chunk: Callable[[Chunk], None] | None
) -> Published:
    output = lease.output
    sweep_folders(output, run_id=lease.run_id)
    shards = plan_shards(plan, output=output, sharding=options.sharding)
    for manifest_uri in shards.manifest_uris:
        inspect_manifest(manifest_uri, output=output, limits=plan.limits, run_id=lease.run_id)
    streams = run_phase(plan, 0, shards.listing_uri, lease=lease, options=options, on_chunk=on_chunk)
    found = dedup_input(shards.listing_uri, plan.up_to(0), lease=lease, dedup=options.dedup)
    duplicates = find_duplicates(found, lease, options.dedup) if options.dedup else None
    if plan.num_phases > 1:
        passed = passed_clips(
            shards.listing_uri, plan.up_to(0), output=output, duplicates=duplicates and duplicates.table
        )
        streams += run_phase(
            plan, 1, shards.listing_uri, lease=lease, options=options, passed=passed, on_chunk=on_chunk
        )
    return publish_snapshot(
        shards.listing_uri,
        plan,
        lease=lease,
        stream_uris=streams,
        dedup=options.dedup,
        duplicates=duplicates,
        writes_clip_json=options.writes_clip_json,
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
) -> list[str]:
    """Runs what is missing up to the barrier that ends a phase; returns the URIs of the metrics.

    ``passed`` are the clips that passed the barrier before it. Only their spans are decoded again.
    """
    plan = plan.up_to(phase)
    num_groups = options.sharding.num_ray_clusters
    works = admit(listing_uri, plan, output=lease.output, num_groups=num_groups, passed=passed)
    return [stream_work(work, plan, lease=lease, engine=options.engine, on_chunk=on_chunk) for work in works]


def stream_work(
    work_uri: str,
    plan: Plan,
    *,
    lease: Lease,
    engine: Engine,
    on_chunk: Callable[[Chunk], None] | None = None,
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
        engine=engine,
        run_id=lease.run_id,
        part=PurePosixPath(work_uri).stem[-8:],
        on_chunk=seen,
    )


def admit_unique(
    listing_uri: str, plan: Plan, *, output: str, duplicates: pa.Table | None, num_groups: int
) -> list[str]:
    """Returns the work of the stages behind deduplication, for the clips that it kept; empty without them."""
    if plan.num_phases == 1:
        return []
    passed = passed_clips(listing_uri, plan.up_to(0), output=output, duplicates=duplicates)
    return admit(listing_uri, plan.up_to(1), output=output, num_groups=num_groups, passed=passed)


def passed_clips(listing_uri: str, plan: Plan, *, output: str, duplicates: pa.Table | None) -> frozenset[str]:
    """Returns the clips that the filters and deduplication keep."""
    kept = kept_clips(output, plan, get_sources(listing_uri), duplicates=duplicates)
    return frozenset(kept.to_pylist())


@dataclass(frozen=True)
class DedupInput:
    """URIs of a folder of embeddings and of a table of clips to rank by, and what made the embeddings.

    ``ids_uri`` names their clips, so that no step takes those of another run for them.
    """

    embeddings_uri: str
    columns_uri: str
    algorithm: str
    ids_uri: str


def dedup_input(listing_uri: str, plan: Plan, *, lease: Lease, dedup: DedupSpec | None) -> DedupInput:
    """Writes what deduplication reads: a folder without embeddings where any of it is off."""
    lease.hold()
    output, folder = lease.output, layout.run_folder(store.normalise(lease.output), lease.run_id)
    nodes = compared_embeddings(plan)
    if not (nodes or (dedup and dedup.rank_columns)):
        nothing = export_no_embeddings(output)
        return DedupInput(nothing, "", "none", export_ids(nothing, folder))
    clips = export_clips(output, plan, get_sources(listing_uri))
    if not nodes:
        nothing = export_no_embeddings(output)
        return DedupInput(nothing, clips.uri, "none", export_ids(nothing, folder))
    folders = {node.key: export_embeddings(output, node, clips.kept) for node in nodes}
    chosen = compared(nodes, dedup)
    embeddings_uri = folders[chosen.key] if dedup else export_no_embeddings(output)
    ids_uri = export_ids(embeddings_uri, folder)
    return DedupInput(embeddings_uri, clips.uri, algorithm_of(chosen), ids_uri)


def find_duplicates(found: DedupInput, lease: Lease, spec: DedupSpec) -> RunDuplicates:
    """Compares clips, step by step as the workflow does; returns the duplicates."""
    output, held = lease.output, partial(_held, lease)
    fit = dedup.fit_clusters(found.embeddings_uri, output, spec, columns_uri=found.columns_uri)
    assigned = [dedup.assign_clusters(shard) for shard in held(dedup.embedding_shards(fit))]
    groups = dedup.cluster_groups(fit, assigned, spec, columns_uri=found.columns_uri)
    pairs = [dedup.find_duplicates(group) for group in held(groups)]
    lease.hold()
    uri = dedup.hand_over_duplicates(pairs, output, spec, algorithm=found.algorithm, ids_uri=found.ids_uri)
    return read_result(uri)


def run_dedup(
    embeddings_uri: str, output: str, spec: DedupSpec, *, algorithm: str, columns_uri: str = ""
) -> RunDuplicates:
    """Compares the embeddings of a folder in a run of its own; writes ``dedup/`` under the output.

    ``algorithm`` made the embeddings. OutputBusy, at once, where another run writes the output.
    """
    scratch.sweep()
    with terminable():
        lease = take(output, new_run_id(), process=this_process())
        folder = layout.run_folder(store.normalise(lease.output), lease.run_id)
        try:
            with lease.kept():
                ids_uri = export_ids(embeddings_uri, folder)
                found = DedupInput(embeddings_uri, columns_uri, algorithm, ids_uri)
                return find_duplicates(found, lease, spec)
        finally:
            remove_folder(lease.output, lease.run_id)
            lease.release()


def _held(lease: Lease, steps: Sequence[str]) -> Iterator[str]:
    """Yields the steps as long as the run holds its output."""
    for step in steps:
        lease.hold()
        yield step


def publish_snapshot(
    listing_uri: str,
    plan: Plan,
    *,
    lease: Lease,
    stream_uris: Sequence[str] = (),
    dedup: DedupSpec | None = None,
    duplicates: RunDuplicates | None = None,
    writes_clip_json: bool = True,
) -> Published:
    """Publishes tables, exports, manifest and report. ``stream_uris``: metrics of the streaming tasks.

    Fenced where the run lost its output, StaleDuplicates where it keeps clips that were not compared: both
    before readers see anything new.
    """
    output = lease.output
    streams = [cast(dict[str, object], json.loads(store.read_bytes(uri))) for uri in stream_uris]
    sources = get_sources(listing_uri)
    end = end_of_run(output, plan, sources, streams)
    run = _run_record(lease.run_id, streams, end)
    funnel = publish(
        output,
        plan=plan,
        sources=sources,
        run=run,
        duplicates=duplicates and duplicates.table,
        options=PublishOptions(writes_clip_json=writes_clip_json),
        guard=Guard(clips=_compared_check(plan, output, dedup, duplicates), writes=lease.hold),
    )
    lease.hold()
    output = store.normalise(output)
    snapshot = current_snapshot(output)
    report_uri = write_report(
        output,
        ReportTables(**{name: read_table(output, name, snapshot=snapshot) for name in layout.TABLES}),
        options=ReportOptions(
            view=plan_view(plan),
            facts=tuple(_facts(plan)),
            dropped_s=funnel.dropped_s,
            similarity=None if duplicates is None else _similarity(output),
        ),
    )
    note_complete_videos(listing_uri, plan, output=output)
    return Published(
        manifest_uri=layout.manifest_path(output),
        report_uri=report_uri,
        run_uri=layout.run_path(output, run.run_id),
        funnel=funnel,
        video_s_per_s=run.numbers["video_s_per_s"],
        end=end,
    )


def _compared_check(
    plan: Plan, output: str, dedup: DedupSpec | None, duplicates: RunDuplicates | None
) -> Callable[[pa.Table], None]:
    """Returns a check of the table of clips: each kept one with an embedding was compared."""
    nodes = compared_embeddings(plan)
    if dedup is None or duplicates is None or not nodes:
        return lambda clips: None
    node, state = compared(nodes, dedup), ResultStore(output)

    def check(clips: pa.Table) -> None:
        kept = clips.filter(equal(clips["status"], "kept"))["clip_id"].combine_chunks()
        columns = ["id", "outcome"]
        rows = state.read(node.key, node.digest, schema=schema_of(node), columns=columns, among=kept)
        duplicates.check_kept(rows.filter(equal(rows["outcome"], RESULT))["id"])

    return check


def conclude(run_uri: str) -> str:
    """Returns how the run of a record ended, in words. RunStopped for one that ended early."""
    end = end_of_record(run_uri)
    if end.kind == "stopped":
        raise RunStopped(end.stopped)
    return end.sentence()


def _run_record(run_id: str, streams: Sequence[dict[str, object]], end: RunEnd) -> RunRecord:
    video_s, wall_s = (sum(float(str(one[name])) for one in streams) for name in ("video_s", "wall_s"))
    laps = [lap for one in streams for lap in cast(list[dict[str, str | int | float]], one["laps"])]
    return RunRecord(
        run_id=run_id,
        started_at=started_at(run_id).isoformat(),
        finished_at=datetime.now(UTC).isoformat(),
        host=platform.node(),
        num_cpus=num_cores(),
        numbers={
            "video_s": video_s,
            "stream_wall_s": wall_s,
            "video_s_per_s": video_s / wall_s if wall_s else 0.0,
            "cpu_s": sum(float(lap["cpu_s"]) for lap in laps),
        },
        stage_metrics=tuple(laps),
        end=end,
    )


def _similarity(output: str) -> SimilarityCounts | None:
    found = read_similarities(store.normalise(output))
    return None if found is None else SimilarityCounts(found.threshold, found.counts)


def _facts(plan: Plan) -> Iterator[tuple[str, str]]:
    source = plan.source.path
    yield "source", store.normalise(source) if is_http(source) else source
    yield "clips by", plan.extractor.key
    yield "encoder", plan.encode_options.encoder if plan.encode_options else "none"
    yield "embedding", ", ".join(algorithm_of(node) for node in embedders(plan)) or "none"
    if plan.models:
        yield "models", ", ".join(dict.fromkeys(model.name for model in plan.models))
