"""Deduplicate embeddings: ``pyflyte run workflows/dedup.py dedup --embeddings DIR --output DIR``."""

from flytekit import map_task, workflow

from clipmill.specs import DedupSpec
from clipmill.stages.video.embedding.perceptual import PerceptualEmbeddingStage
from tasks.dedupe import (
    assign_clusters,
    cluster_groups,
    embedding_shards,
    find_duplicates,
    fit_clusters,
    select_keepers,
)


@workflow
def dedup(
    embeddings: str,
    output: str,
    spec: DedupSpec = DedupSpec(),
    algorithm: str = PerceptualEmbeddingStage().algorithm,
    columns: str = "",
) -> str:
    """Find semantic duplicates among the embeddings under a folder of parquet.

    :param embeddings: folder or URI of parquet files with columns ``id`` and ``embedding``
    :param output: folder or URI under which ``dedup/`` is written
    :param spec: parameters, as inline JSON or a YAML or JSON file
    :param algorithm: what made the embeddings; names the threshold where the spec has none
    :param columns: table of clips to rank by, where the spec ranks by columns
    """
    fit = fit_clusters(embeddings=embeddings, output=output, spec=spec)
    assigned = map_task(assign_clusters)(shard=embedding_shards(fit=fit))
    groups = cluster_groups(fit=fit, assigned=assigned, spec=spec, columns=columns)
    found = map_task(find_duplicates)(group=groups)
    return select_keepers(found=found, output=output, spec=spec, algorithm=algorithm)
