"""Deduplicate embeddings: ``pyflyte run workflows/dedup.py dedup --embeddings DIR --output DIR``."""

from flytekit import map_task, workflow

from clipmill.stages.video.embedding.perceptual import PerceptualEmbeddingStage
from tasks import failures
from tasks.dedupe import (
    assign_clusters,
    cluster_groups,
    embedding_shards,
    find_duplicates,
    finish_dedup,
    fit_clusters,
    select_keepers,
    start_dedup,
)
from tasks.specs import Deduplication


@workflow
def find_all_duplicates(
    inputs: str, output: str, spec: Deduplication, algorithm: str, columns: str, run_id: str, ids: str
) -> str:
    """Find semantic duplicates among the clips of a run that holds the output."""
    fit = fit_clusters(inputs=inputs, output=output, spec=spec)
    assigned = map_task(assign_clusters)(shard=embedding_shards(fit=fit))
    groups = cluster_groups(fit=fit, assigned=assigned, output=output, spec=spec, columns=columns)
    found = map_task(find_duplicates)(group=groups)
    return select_keepers(
        found=found, output=output, spec=spec, algorithm=algorithm, columns=columns, run_id=run_id, ids=ids
    )


@workflow(on_failure=failures.fail_dedup)
def dedup(
    embeddings: str,
    output: str,
    spec: Deduplication = Deduplication(),
    algorithm: str = PerceptualEmbeddingStage().algorithm,
    columns: str = "",
) -> str:
    """Find semantic duplicates among the embeddings under a folder of parquet.

    :param embeddings: folder or URI of parquet files with columns ``id`` and ``embedding``
    :param output: folder or URI under which ``dedup/`` is written
    :param spec: parameters, as inline JSON or a YAML or JSON file
    :param algorithm: what made the embeddings; names the threshold where the spec has none
    :param columns: table of clips to rank by, and to choose the best copy by
    """
    run = start_dedup(embeddings=embeddings, output=output, spec=spec, columns=columns)
    duplicates = find_all_duplicates(
        inputs=run.inputs,
        output=output,
        spec=spec,
        algorithm=algorithm,
        columns=columns,
        run_id=run.run_id,
        ids=run.ids,
    )
    return finish_dedup(duplicates=duplicates, output=output, run_id=run.run_id)
