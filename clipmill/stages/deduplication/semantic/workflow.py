"""Semantic deduplication of a folder of embeddings, with NeMo Curator's parameters."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from clipmill import layout
from clipmill.errors import SpecError
from clipmill.scratch import ScratchFolder
from clipmill.stages.deduplication.semantic.embedding_input import (
    FileType,
    check_columns,
    endings_of,
    is_plain,
    names_of,
    rewrite,
)
from clipmill.stages.deduplication.semantic.folder_tables import name_ignored
from clipmill.stages.deduplication.semantic.identify_duplicates import IdentifyDuplicatesStage
from clipmill.stages.deduplication.semantic.kmeans import (
    COSINE_DIST_TO_CENT_COL,
    L2_DIST_TO_CENT_COL,
    KMeansStage,
)
from clipmill.stages.deduplication.semantic.pairwise import PairwiseStage
from clipmill.stages.deduplication.semantic.ranking import RankingStrategy
from clipmill.storage import parquet, store

_DISTANCES = frozenset({COSINE_DIST_TO_CENT_COL, L2_DIST_TO_CENT_COL})
_WITHOUT_EFFECT = ("read_kwargs", "cache_kwargs", "write_kwargs", "_duplicates_num_row_groups_hint")


@dataclass
class WorkflowRunResult:
    """What a workflow did: ``metadata`` has ``num_duplicates`` and ``total_time`` in seconds."""

    workflow_name: str
    metadata: dict[str, object] = field(default_factory=dict[str, object])

    def get_metadata(self, key: str) -> object:
        """Returns one entry, or None."""
        return self.metadata.get(key)


class SemanticDeduplicationWorkflow:
    """k-means over embeddings, then the similarity of all pairs of a cluster; ids of duplicates come out.

    ``input_path`` is a folder or URI, or several. A row is a duplicate where its cosine similarity to a row
    that ranks before it is at least ``1 - eps``; ``eps`` None finds no duplicates and only writes clusters
    and similarities. ``metadata_fields`` are read for ``ranking_strategy``. Precisions
    (``pairwise_compute_dtype``, ``kmeans_embedding_output_dtype``) are always float32 here, and keyword
    arguments of readers and writers have no effect, as stores are configured by the environment.

    A ranking by distances to the centroid beside other columns runs ``KMeansStage``, ``PairwiseStage`` and
    ``IdentifyDuplicatesStage``, which compare within clusters only and start anew each time.

    The tree of results lies under ``<cache_path>/dedup``, by default in ``output_path``;
    ``<output_path>/duplicates`` has the ids. ``verbose`` logs what each step found.
    """

    def __init__(
        self,
        input_path: str | Sequence[str],
        output_path: str,
        n_clusters: int,
        cache_path: str | None = None,
        id_field: str = "id",
        embedding_field: str = "embeddings",
        embedding_dim: int | None = None,
        metadata_fields: Sequence[str] | None = None,
        input_filetype: FileType = "parquet",
        input_file_extensions: Sequence[str] | None = None,
        max_iter: int = 300,
        tol: float = 1e-4,
        random_state: int = 42,
        init: Literal["k-means||", "random"] = "k-means||",
        n_init: int | Literal["auto"] = 1,
        oversampling_factor: float = 2.0,
        max_samples_per_batch: int = 1 << 15,
        fit_data_fraction: float | None = None,
        distance_metric: Literal["cosine", "l2"] = "cosine",
        which_to_keep: Literal["hard", "easy", "random"] = "hard",
        ranking_strategy: RankingStrategy | None = None,
        pairwise_batch_size: int = 1024,
        eps: float | None = None,
        clear_output: bool = True,
        verbose: bool = True,
        **others: object,
    ) -> None:
        self.input_paths = [input_path] if isinstance(input_path, str) else list(input_path)
        self.output_path = output_path
        self.eps = eps
        self.verbose = verbose
        self._file_type: FileType = input_filetype
        self._extensions = endings_of(input_filetype, input_file_extensions)
        self._ranking = ranking_strategy
        fields = list(metadata_fields or ())
        fields += [
            name
            for name in (ranking_strategy.metadata_cols if ranking_strategy else ())
            if name not in fields
        ]
        self._fields = fields
        self._names = names_of(id_field, embedding_field, fields)
        self._pairwise_batch_size = pairwise_batch_size
        _check_others(others)
        self.cache_path = cache_path or output_path
        self._kmeans: dict[str, Any] = {
            "n_clusters": n_clusters, "max_iter": max_iter, "tol": tol, "random_state": random_state,
            "init": init, "n_init": 1 if n_init == "auto" else n_init,
            "oversampling_factor": oversampling_factor, "max_samples_per_batch": max_samples_per_batch,
            "fit_data_fraction": fit_data_fraction,
        }  # fmt: skip
        self._parameters = {
            **self._kmeans, "sim_metric": distance_metric, "group_linkage": "connected",
            "verbose": verbose,
            "pairwise_batch_size": pairwise_batch_size, "mode": "full" if clear_output else "incremental",
            **_ranked_by(which_to_keep, ranking_strategy), **({} if eps is None else {"eps": eps}),
        }  # fmt: skip
        tree = layout.dedup_dir(self.cache_path)
        self.kmeans_output_path = layout.join(tree, "kmeans_results")
        self.pairwise_output_path = layout.join(tree, "pairwise_results")
        self.duplicates_output_path = layout.join(store.normalise(output_path), "duplicates")

    def run(self, kmeans_executor: object = None, pairwise_executor: object = None) -> WorkflowRunResult:
        """Runs in this process; returns the number of duplicates and the seconds it took.

        Executors are taken and have no effect. SpecError, before any work, for a parameter that cannot be.
        """
        del kmeans_executor, pairwise_executor
        started_s = time.monotonic()
        count = self._run_stages() if self._ranks_by_distance else self._run_job()
        return WorkflowRunResult(
            "semantic_deduplication",
            {"num_duplicates": count, "total_time": time.monotonic() - started_s},
        )

    @property
    def _ranks_by_distance(self) -> bool:
        return self._ranking is not None and not _DISTANCES.isdisjoint(self._ranking.metadata_cols)

    def _run_stages(self) -> int:
        """Runs the steps one by one; returns the number of duplicates."""
        id_field, embedding_field = self._names["id"], self._names["embedding"]
        kmeans = KMeansStage(
            **self._kmeans, id_field=id_field, embedding_field=embedding_field,
            input_path=self.input_paths, output_path=self.kmeans_output_path,
            metadata_fields=[name for name in self._fields if name not in {*_DISTANCES, id_field}],
            verbose=self.verbose,
            input_filetype=self._file_type, input_file_extensions=self._extensions,
        )  # fmt: skip
        pairs = PairwiseStage(
            id_field, embedding_field, self.kmeans_output_path, self.pairwise_output_path,
            ranking_strategy=self._ranking, pairwise_batch_size=self._pairwise_batch_size,
            verbose=self.verbose,
        )  # fmt: skip
        found = pairs.run(kmeans.run(""))
        if self.eps is None:
            return 0
        folder = IdentifyDuplicatesStage(self.duplicates_output_path, self.eps, self.verbose).run(found)
        return sum(len(parquet.read_columns(file.uri)) for file in store.find(folder, (".parquet",)))

    def _run_job(self) -> int:
        """Runs the project's own deduplication; returns the number of duplicates."""
        from clipmill.curation.deduplication import run_dedup
        from clipmill.spec_file import spec_of_fields

        spec = spec_of_fields({"dedup": self._parameters}, "SemanticDeduplicationWorkflow").dedup
        assert spec is not None
        with ScratchFolder("embeddings") as scratch:
            source = self._source(scratch.path)
            columns_uri = source if spec.rank_columns else ""
            found = run_dedup(source, self.cache_path, spec, algorithm="none", columns_uri=columns_uri).table
        ids = found.select(["clip_id"]).rename_columns(["id"])
        if self.eps is not None:
            name = layout.join(self.duplicates_output_path, "part-0.parquet")
            store.put_if_changed(name, parquet.encode(ids))
        return len(ids) if self.eps is not None else 0

    def _source(self, folder: str) -> str:
        """The folder that deduplication reads: the input itself, or its columns under other names."""
        if is_plain(self.input_paths, self._file_type, self._names, self._extensions):
            check_columns(self.input_paths[0], {name: name for name in self._fields})
            return self.input_paths[0]
        rewrite(self.input_paths, folder, self._names, file_type=self._file_type, extensions=self._extensions)
        return folder


def _check_others(others: Mapping[str, object]) -> None:
    dtypes = ("pairwise_compute_dtype", "kmeans_embedding_output_dtype")
    for name in others:
        if name not in (*_WITHOUT_EFFECT, *dtypes):
            raise SpecError(f"SemanticDeduplicationWorkflow has no parameter {name}")
    name_ignored("SemanticDeduplicationWorkflow", others)


def _ranked_by(
    which_to_keep: Literal["hard", "easy", "random"], strategy: RankingStrategy | None
) -> Mapping[str, object]:
    if strategy is None:
        return {"which_to_keep": which_to_keep}
    if strategy.strategy == "random":
        return {"which_to_keep": "random", "random_state": strategy.random_seed}
    return {
        "which_to_keep": "columns",
        "rank_columns": list(strategy.metadata_cols),
        "ascending": strategy.orders,
    }
