"""``KMeansStage`` at its documented path: embeddings in, clusters with distances out."""

import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from clipmill import layout
from clipmill.dedup.kmeans import assign_directions
from clipmill.dedup.vectors import unit_rows
from clipmill.scratch import ScratchFolder
from clipmill.stages.deduplication.semantic.embedding_input import FileType, endings_of, names_of, rewrite
from clipmill.stages.deduplication.semantic.folder_tables import as_matrix, clear, name_ignored, say
from clipmill.stages.processing_stage import FolderStage
from clipmill.storage import parquet, store

logger = logging.getLogger(__name__)

L2_DIST_TO_CENT_COL = "l2_dist_to_cent"
COSINE_DIST_TO_CENT_COL = "cosine_dist_to_cent"
_BATCH_ROWS = 1 << 16


@dataclass
class KMeansStage(FolderStage):
    """Clusters embeddings by direction; writes ``centroid=<k>/*.parquet`` under ``output_path``.

    Rows keep ``id_field``, ``embedding_field`` of length 1 in ``embedding_output_dtype``, and
    ``metadata_fields``; they get their l2 and cosine distance to the centroid. ``cache_path`` also keeps the
    centroids, as ``kmeans_centroids.npy``. Its parameters mean what they mean to
    ``SemanticDeduplicationWorkflow``.
    """

    n_clusters: int
    id_field: str
    embedding_field: str
    input_path: str | Sequence[str]
    output_path: str
    metadata_fields: Sequence[str] | None = None
    verbose: bool = False
    embedding_dim: int | None = None
    input_filetype: FileType = "parquet"
    input_file_extensions: Sequence[str] | None = None
    read_kwargs: Mapping[str, object] | None = None
    write_kwargs: Mapping[str, object] | None = None
    max_iter: int = 300
    tol: float = 1e-4
    random_state: int = 42
    init: Literal["k-means||", "random"] = "k-means||"
    n_init: int | Literal["auto"] = 1
    oversampling_factor: float = 2.0
    max_samples_per_batch: int = 1 << 15
    fit_data_fraction: float | None = None
    cache_path: str | None = None
    embedding_output_dtype: str = "float32"

    name = "KMeansStage"

    def __post_init__(self) -> None:
        if self.embedding_output_dtype not in ("float32", "float16"):
            raise ValueError(
                f"embedding_output_dtype is {self.embedding_output_dtype!r}; it is float32 or float16"
            )
        name_ignored(self.name, {"read_kwargs": self.read_kwargs, "write_kwargs": self.write_kwargs})

    def run(self, folder: str) -> str:
        """Returns ``output_path``. SpecError, before any work, for a parameter or column that cannot be."""
        from clipmill.dedup_job import fit
        from clipmill.spec_file import spec_of_fields

        del folder
        spec = spec_of_fields({"dedup": self._parameters()}, self.name).dedup
        assert spec is not None
        with ScratchFolder("embeddings") as scratch:
            files = self._own_files(scratch.path)
            centroids, _ = fit.centroids_of_files(files, spec)
            say(self.name, f"{len(centroids)} clusters of {len(files)} files", verbose=self.verbose)
            clear(self.output_path, r"centroid=\d+/part-\d+\.parquet")
            if len(centroids) < self.n_clusters:
                logger.warning(
                    "%s: n_clusters %d is more than the rows, so that each is a cluster of its own; the "
                    "next steps compare within clusters", self.name, self.n_clusters,
                )  # fmt: skip
            batches = (rows for uri in files for rows in parquet.read_batches(uri, max_rows=_BATCH_ROWS))
            for number, rows in enumerate(batches):
                self._write(rows, centroids, number)
        if self.cache_path:
            buffer = io.BytesIO()
            np.save(buffer, centroids, allow_pickle=False)
            store.put_bytes(layout.join(self.cache_path, "kmeans_centroids.npy"), buffer.getvalue())
        return self.output_path

    def _parameters(self) -> dict[str, object]:
        shared = (
            "n_clusters", "max_iter", "tol", "random_state", "init", "oversampling_factor",
            "max_samples_per_batch", "fit_data_fraction",
        )  # fmt: skip
        n_init = 1 if self.n_init == "auto" else self.n_init
        return {**{name: getattr(self, name) for name in shared}, "n_init": n_init}

    def _own_files(self, folder: str) -> list[str]:
        """The embeddings under the names that deduplication reads, a file for each of the input."""
        paths = [self.input_path] if isinstance(self.input_path, str) else list(self.input_path)
        extensions = endings_of(self.input_filetype, self.input_file_extensions)
        names = names_of(self.id_field, self.embedding_field, self.metadata_fields or ())
        rewrite(paths, folder, names, file_type=self.input_filetype, extensions=extensions)
        return [file.uri for file in store.find(folder, (".parquet",))]

    def _write(self, rows: pa.Table, centroids: np.ndarray, number: int) -> None:
        unit = unit_rows(as_matrix(rows["embedding"]))
        found = assign_directions(unit, centroids, border_width=0.0)
        values = pa.array(unit.astype(self.embedding_output_dtype).ravel())
        vectors = pa.FixedSizeListArray.from_arrays(values, unit.shape[1])
        own = {self.id_field: rows["id"], self.embedding_field: vectors}
        kept = {name: rows[name] for name in self.metadata_fields or () if name not in own}
        distances = {
            L2_DIST_TO_CENT_COL: found.l2_distance,
            COSINE_DIST_TO_CENT_COL: found.cosine_distance,
        }
        table = pa.table({**own, **kept, **distances})
        for cluster in np.unique(found.labels).tolist():
            mine = table.filter(pa.array(found.labels == cluster))
            name = layout.join(self.output_path, f"centroid={cluster}", f"part-{number}.parquet")
            store.put_bytes(name, parquet.encode(mine))
