"""``PairwiseStage`` at its documented path: clusters in, each row's most similar better-ranked one out."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from clipmill import layout
from clipmill.dedup.pairwise import nearest_earlier
from clipmill.dedup.vectors import unit_rows
from clipmill.errors import SpecError
from clipmill.stages.deduplication.semantic.folder_tables import as_matrix, clear, name_ignored, say
from clipmill.stages.deduplication.semantic.ranking import RankingStrategy
from clipmill.stages.processing_stage import FolderStage
from clipmill.storage import parquet, store

_CLUSTER = re.compile(r"centroid=(\d+)/")


@dataclass
class PairwiseStage(FolderStage):
    """Compares the rows of each cluster; writes ``cluster_<k>.parquet`` under ``output_path``.

    Columns are ``id``, ``max_id`` (the most similar row that ranks before it) and ``cosine_sim_score``.
    ``which_to_keep`` ranks by the distance ``sim_metric``: ``hard`` puts outliers first, ``easy`` typical
    rows; ``ranking_strategy`` beats it and may name any column of the clusters.
    """

    id_field: str
    embedding_field: str
    input_path: str
    output_path: str
    ranking_strategy: RankingStrategy | None = None
    embedding_dim: int | None = None
    pairwise_batch_size: int = 1024
    verbose: bool = False
    read_kwargs: Mapping[str, object] | None = None
    write_kwargs: Mapping[str, object] | None = None
    which_to_keep: Literal["hard", "easy", "random"] = "hard"
    sim_metric: Literal["cosine", "l2"] = "cosine"
    random_seed: int = 42
    compute_dtype: str = "float32"

    name = "PairwiseStage"

    def __post_init__(self) -> None:
        if self.pairwise_batch_size < 1:
            raise ValueError(f"pairwise_batch_size is {self.pairwise_batch_size}; it needs to be 1 or more")
        name_ignored(
            self.name,
            {
                "read_kwargs": self.read_kwargs,
                "write_kwargs": self.write_kwargs,
                "compute_dtype": self.compute_dtype,
            },
        )

    @property
    def ranking(self) -> RankingStrategy:
        """How the rows of a cluster are ranked."""
        if self.ranking_strategy is not None:
            return self.ranking_strategy
        if self.which_to_keep == "random":
            return RankingStrategy.random(self.random_seed)
        columns = [f"{self.sim_metric}_dist_to_cent", self.id_field]
        return RankingStrategy.metadata_based(columns, ascending=self.which_to_keep == "easy")

    def run(self, folder: str) -> str:
        """Returns ``output_path``. SpecError where ``input_path`` holds no clusters, or not a column."""
        del folder
        clusters = dict(self._clusters())
        if not clusters:
            raise SpecError(f"{self.name}: {self.input_path} holds no centroid=<k> folders; run KMeansStage")
        say(self.name, f"compares the rows of {len(clusters)} clusters", verbose=self.verbose)
        clear(self.output_path, r"cluster_\d+\.parquet")
        for cluster, uris in clusters.items():
            rows = pa.concat_tables([parquet.read_columns(uri) for uri in uris])
            data = parquet.encode(self._pairs(rows))
            store.put_bytes(layout.join(self.output_path, f"cluster_{cluster}.parquet"), data)
        return self.output_path

    def _clusters(self) -> Iterator[tuple[int, list[str]]]:
        found: dict[int, list[str]] = {}
        for file in store.find(self.input_path, (".parquet",)):
            if match := _CLUSTER.search(file.uri.removeprefix(store.normalise(self.input_path))):
                found.setdefault(int(match[1]), []).append(file.uri)
        yield from sorted(found.items())

    def _pairs(self, rows: pa.Table) -> pa.Table:
        rows = self.ranking.rank_cluster(rows, id_field=self.id_field)
        unit = unit_rows(as_matrix(rows[self.embedding_field]))
        index, score = nearest_earlier(unit, batch_size=self.pairwise_batch_size)
        ids = rows[self.id_field]
        found = {"id": ids, "max_id": ids.take(pa.array(index)), "cosine_sim_score": score.astype(np.float32)}
        return pa.table(found)
