"""Semantic deduplication, step by step; each step's output is named by the digest of what it read."""

from flytekit import task

from clipmill.dedup_job import steps
from clipmill.specs import DedupSpec
from images import CPU_IMAGE
from tasks.faults import retried_by_flyte
from tasks.hardware import FIT, PAIRS, PLAN


@task(container_image=CPU_IMAGE, **FIT.of_task)
def fit_clusters(embeddings: str, output: str, spec: DedupSpec) -> str:
    """Find the centroids; the URI of the fit."""
    with retried_by_flyte():
        return steps.fit_clusters(embeddings, output, spec)


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
def select_keepers(found: list[str], output: str, spec: DedupSpec, algorithm: str) -> str:
    """Connect duplicates and name their keepers; the URI of the table. No clip file is touched."""
    with retried_by_flyte():
        return steps.select_keepers(found, output, spec, algorithm=algorithm)
