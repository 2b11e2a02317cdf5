"""The deduplication of a run: what is compared, step by step, and a check that it was."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import pyarrow as pa

from clipmill import layout, scratch
from clipmill.arrow import equal, is_in
from clipmill.curation.preflight import compared
from clipmill.dataset.collect import Collected, Collection
from clipmill.dataset.exports.embeddings import (
    FINGERPRINT,
    VECTOR,
    algorithm_of,
    column_of,
    export_clips,
    export_embeddings,
    export_no_embeddings,
    published_embedders,
)
from clipmill.dataset.snapshots.record import read_manifest
from clipmill.dedup.groups import eps_for
from clipmill.dedup_job import steps as dedup
from clipmill.dedup_job.pairs.of_streamed_clips import KnownCopies
from clipmill.dedup_job.previous.run import forget_if_clips_are_gone
from clipmill.dedup_job.result import RunDuplicates, export_ids, exported_ids, read_result
from clipmill.dedup_job.tables.embedding_files import embedding_files
from clipmill.intake.manifests import Sources
from clipmill.planning.judgement import RESULT
from clipmill.planning.plan import Plan
from clipmill.runs.folders import remove_folder
from clipmill.runs.lease import Lease, take
from clipmill.runs.process_name import this_process
from clipmill.runs.run_id import new_run_id
from clipmill.runs.termination import terminable
from clipmill.specs import DedupSpec
from clipmill.storage import store


@dataclass(frozen=True)
class DedupInput:
    """URIs of a folder of embeddings and of a table of the clips, and what made the embeddings.

    ``ids_uri`` names their clips, so that no step takes those of another run for them.
    """

    embeddings_uri: str
    columns_uri: str
    algorithm: str
    ids_uri: str


def with_copies(plan: Plan, spec: DedupSpec | None) -> Plan:
    """Returns the plan of a first phase with what finds copies of clips that earlier runs compared.

    As it is where nothing waits for deduplication, and where what was compared was another embedding. The
    answers follow from the last deduplication, which no run touches before it has streamed.
    """
    late = [plan.place(node.key) for node in plan.nodes if node.is_late]
    nodes = published_embedders(plan)
    if plan.phase or plan.output is None or spec is None or not (late and nodes):
        return plan
    node, output = compared(nodes, spec), store.normalise(plan.output.output_path)
    if plan.place(node.key) > min(late) or _published_digest(output, node.key) != node.digest:
        return plan
    copies = KnownCopies(
        output=output,
        key=node.key,
        vector=column_of(node, VECTOR),
        fingerprint=column_of(node, FINGERPRINT),
        eps=eps_for(algorithm_of(node)) if spec.eps is None else spec.eps,
        spec=spec,
    )
    return replace(plan, copies=copies)


def _published_digest(output: str, key: str) -> str:
    """Returns the digest of a stage in the snapshot that stands; empty without one."""
    if not store.exists(layout.manifest_path(output)):
        return ""
    return read_manifest(output)["stage_digests"].get(key, "")


def dedup_input(
    listing_uri: str,
    plan: Plan,
    *,
    lease: Lease,
    dedup: DedupSpec | None,
    known: Collected | None = None,
) -> DedupInput:
    """Writes what deduplication reads: a folder without embeddings where any of it is off.

    ``known`` is what the state has, where the caller read it.
    """
    lease.hold()
    output, folder = lease.output, layout.run_folder(store.normalise(lease.output), lease.run_id)
    nodes = published_embedders(plan)
    if not (nodes or (dedup and dedup.rank_columns)):
        nothing = export_no_embeddings(output)
        return DedupInput(nothing, "", "none", export_ids(nothing, folder))
    clips = export_clips(output, plan, Sources(listing_uri), known=known)
    if not nodes:
        nothing = export_no_embeddings(output)
        return DedupInput(nothing, clips.uri, "none", export_ids(nothing, folder))
    folders = {node.key: export_embeddings(output, node, clips) for node in nodes}
    chosen = compared(nodes, dedup)
    embeddings_uri = folders[chosen.key] if dedup else export_no_embeddings(output)
    ids_uri = export_ids(embeddings_uri, folder)
    if dedup:
        forget_if_clips_are_gone(store.normalise(output), dedup, exported_ids(ids_uri))
    return DedupInput(embeddings_uri, clips.uri, algorithm_of(chosen), ids_uri)


def find_duplicates(found: DedupInput, lease: Lease, spec: DedupSpec) -> RunDuplicates:
    """Compares clips, step by step as the workflow does; returns the duplicates."""
    output, held = lease.output, partial(_held, lease)
    fit = dedup.fit_clusters(found.embeddings_uri, output, spec, columns_uri=found.columns_uri)
    assigned = [dedup.assign_clusters(shard) for shard in held(dedup.embedding_shards(fit))]
    groups = dedup.cluster_groups(fit, assigned, spec, columns_uri=found.columns_uri)
    pairs = [dedup.find_duplicates(group) for group in held(groups)]
    lease.hold()
    uri = dedup.hand_over_duplicates(
        pairs,
        output,
        spec,
        algorithm=found.algorithm,
        ids_uri=found.ids_uri,
        columns_uri=found.columns_uri,
    )
    return read_result(uri)


def run_dedup(
    embeddings_uri: str, output: str, spec: DedupSpec, *, algorithm: str, columns_uri: str = ""
) -> RunDuplicates:
    """Compares the embeddings of a folder in a run of its own; writes ``dedup/`` under the output.

    ``algorithm`` made the embeddings. OutputBusy, at once, where another run writes the output.
    """
    scratch.sweep()
    embedding_files(embeddings_uri)  # before the output is made
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


def compared_check(
    plan: Plan, dedup: DedupSpec | None, duplicates: RunDuplicates | None
) -> Callable[[Collection, pa.Array], None]:
    """Returns a check of the clips that filters keep of a range: each one with an embedding was compared."""
    nodes = published_embedders(plan)
    if dedup is None or duplicates is None or not nodes:
        return lambda collection, kept: None
    node = compared(nodes, dedup)

    def check(collection: Collection, kept: pa.Array) -> None:
        is_done = equal(collection.clips.rows[node.key]["outcome"], RESULT)
        embedded = collection.clips.ids.filter(is_done)
        duplicates.check_kept(pa.chunked_array([kept.filter(is_in(kept, embedded))]))

    return check
