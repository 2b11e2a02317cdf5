"""Semantic deduplication, step by step; each step's output is named by the digest of what it read."""

from typing import NamedTuple

from flytekit import task

from clipmill import layout
from clipmill.dedup_job import steps
from clipmill.dedup_job.result import export_ids
from clipmill.dedup_job.selection import table_uri
from clipmill.dedup_job.tables.embedding_files import embedding_files
from clipmill.limits import LimitsSpec
from clipmill.runs.folders import remove_folder, sweep_folders
from clipmill.storage import store
from images import CPU_IMAGE
from tasks.caching import ASSIGN_CACHE, FIT_CACHE, PAIRS_CACHE, ContentUri, workspace
from tasks.faults import from_cache, retried_by_flyte
from tasks.hardware import FIT, PAIRS, PLAN
from tasks.leases import first_step, run_step
from tasks.specs import Deduplication


class RunClips(NamedTuple):
    """A run that only deduplicates: its id, which files it compares, and the ids of their clips."""

    run_id: str
    inputs: ContentUri
    ids: str


@task(container_image=CPU_IMAGE, **PLAN)
def start_dedup(embeddings: str, output: str, spec: Deduplication, columns: str) -> RunClips:
    """Take the output for a run that only deduplicates, and name what it compares."""
    with retried_by_flyte():
        embedding_files(embeddings)  # a wrong place leaves nothing behind
    with first_step(output, LimitsSpec()) as lease:
        sweep_folders(output, run_id=lease.run_id)
        folder = layout.run_folder(store.normalise(output), lease.run_id)
        inputs = steps.name_inputs(embeddings, output, spec, columns_uri=columns)
        return RunClips(lease.run_id, inputs, export_ids(embeddings, folder))


@task(container_image=CPU_IMAGE, cache=FIT_CACHE, **FIT)
def fit_clusters(inputs: str, output: str, spec: Deduplication) -> ContentUri:
    """Find the centroids; the URI of the fit. The name of ``inputs`` stands for all that it depends on."""
    with retried_by_flyte():
        return steps.fit_inputs(inputs, output, spec, workspace=workspace(output))


@task(container_image=CPU_IMAGE, **PLAN)
def embedding_shards(fit: str) -> list[ContentUri]:
    """The parts of the embeddings, one per map element."""
    with retried_by_flyte(), from_cache():
        return steps.embedding_shards(fit)


@task(container_image=CPU_IMAGE, cache=ASSIGN_CACHE, **PAIRS)
def assign_clusters(shard: str) -> ContentUri:
    """Give each embedding of a part its cluster."""
    with retried_by_flyte(), from_cache():
        return steps.assign_clusters(shard)


@task(container_image=CPU_IMAGE, **PLAN)
def cluster_groups(
    fit: str, assigned: list[str], output: str, spec: Deduplication, columns: str
) -> list[ContentUri]:
    """Bundle clusters into groups, one per map element; ``columns`` is a clips table to rank by, or empty."""
    with retried_by_flyte(), from_cache():
        return steps.cluster_groups(fit, assigned, spec, columns_uri=columns, output=output)


@task(container_image=CPU_IMAGE, cache=PAIRS_CACHE, **PAIRS)
def find_duplicates(group: str) -> ContentUri:
    """Compare all pairs within each cluster of a group."""
    with retried_by_flyte(), from_cache():
        return steps.find_duplicates(group)


@task(container_image=CPU_IMAGE, **PLAN)
def select_keepers(
    found: list[str], output: str, spec: Deduplication, algorithm: str, columns: str, run_id: str, ids: str
) -> str:
    """Connect duplicates and name their keepers; the URI of the run's own result. No clip file is touched."""
    with run_step(output, run_id), from_cache():
        return steps.hand_over_duplicates(
            found, output, spec, algorithm=algorithm, ids_uri=ids, columns_uri=columns
        )


@task(container_image=CPU_IMAGE, **PLAN)
def finish_dedup(duplicates: str, output: str, run_id: str) -> str:
    """Give the output back; the URI of the table of duplicates, in the documented tree."""
    with run_step(output, run_id) as lease:
        remove_folder(output, run_id)
    lease.release()
    return table_uri(store.normalise(output))
