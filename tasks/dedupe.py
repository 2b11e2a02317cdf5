"""Semantic deduplication, step by step; each step's output is named by the digest of what it read."""

from typing import NamedTuple

from flytekit import task

from clipmill import layout
from clipmill.dedup_job import steps
from clipmill.dedup_job.result import export_ids
from clipmill.dedup_job.selection import table_uri
from clipmill.limits import LimitsSpec
from clipmill.runs.folders import remove_folder, sweep_folders
from clipmill.specs import DedupSpec
from clipmill.storage import store
from images import CPU_IMAGE
from tasks.faults import retried_by_flyte
from tasks.hardware import FIT, PAIRS, PLAN
from tasks.leases import first_step, release_failed, run_step


class RunClips(NamedTuple):
    """The id of a run that only deduplicates, and the URI of the ids of the clips that it compares."""

    run_id: str
    ids: str


@task(container_image=CPU_IMAGE, **PLAN.of_task)
def start_dedup(embeddings: str, output: str) -> RunClips:
    """Take the output for a run that only deduplicates."""
    with first_step(output, LimitsSpec()) as lease:
        sweep_folders(output, run_id=lease.run_id)
        folder = layout.run_folder(store.normalise(output), lease.run_id)
        return RunClips(lease.run_id, export_ids(embeddings, folder))


@task(container_image=CPU_IMAGE, **FIT.of_task)
def fit_clusters(embeddings: str, output: str, spec: DedupSpec, columns: str) -> str:
    """Find the centroids; the URI of the fit. ``columns`` is only checked."""
    with retried_by_flyte():
        return steps.fit_clusters(embeddings, output, spec, columns_uri=columns)


@task(container_image=CPU_IMAGE, **PLAN.of_task)
def embedding_shards(fit: str) -> list[str]:
    """The parts of the embeddings, one per map element."""
    with retried_by_flyte():
        return steps.embedding_shards(fit)


@task(container_image=CPU_IMAGE, **PAIRS.of_task)
def assign_clusters(shard: str) -> str:
    """Give each embedding of a part its cluster."""
    with retried_by_flyte():
        return steps.assign_clusters(shard)


@task(container_image=CPU_IMAGE, **PLAN.of_task)
def cluster_groups(fit: str, assigned: list[str], spec: DedupSpec, columns: str) -> list[str]:
    """Bundle clusters into groups, one per map element; ``columns`` is a clips table to rank by, or empty."""
    with retried_by_flyte():
        return steps.cluster_groups(fit, assigned, spec, columns_uri=columns)


@task(container_image=CPU_IMAGE, **PAIRS.of_task)
def find_duplicates(group: str) -> str:
    """Compare all pairs within each cluster of a group."""
    with retried_by_flyte():
        return steps.find_duplicates(group)


@task(container_image=CPU_IMAGE, **PLAN.of_task)
def select_keepers(
    found: list[str], output: str, spec: DedupSpec, algorithm: str, run_id: str, ids: str
) -> str:
    """Connect duplicates and name their keepers; the URI of the run's own result. No clip file is touched."""
    with run_step(output, run_id):
        return steps.hand_over_duplicates(found, output, spec, algorithm=algorithm, ids_uri=ids)


@task(container_image=CPU_IMAGE, **PLAN.of_task)
def finish_dedup(duplicates: str, output: str, run_id: str) -> str:
    """Give the output back; the URI of the table of duplicates, in the documented tree."""
    with run_step(output, run_id) as lease:
        remove_folder(output, run_id)
    lease.release()
    return table_uri(store.normalise(output))


@task(container_image=CPU_IMAGE, **PLAN.of_task)
def fail_dedup(embeddings: str, output: str, spec: DedupSpec, algorithm: str, columns: str) -> None:
    """Give the output back after a failure; the inputs are those of the workflow."""
    release_failed(output)
