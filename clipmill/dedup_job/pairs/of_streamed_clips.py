"""New clips, while they come, that repeat clips which earlier runs compared."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
from pydantic import ValidationError

from clipmill import layout
from clipmill.dedup.groups import is_duplicate
from clipmill.dedup.nearest import Search
from clipmill.dedup.vectors import faults_of_rows
from clipmill.dedup_job import step_io
from clipmill.dedup_job.assign import assigned_rows, sorted_by_cluster
from clipmill.dedup_job.fit import read_centroids
from clipmill.dedup_job.pairs.with_known_clips import KnownRows, similarity_to_known
from clipmill.dedup_job.previous.rows import KeptRows
from clipmill.dedup_job.previous.run import CENTROIDS, known_uri, parts_of
from clipmill.dedup_job.tables.embedding_files import Batch
from clipmill.specs import DedupSpec
from clipmill.storage import store

_RESULT = "result"


@dataclass(frozen=True)
class KnownCopies:
    """Finds the clips of a stage's rows that repeat one which the last deduplication of an output compared.

    ``key`` names the stage, ``vector`` and ``fingerprint`` its columns; the second may be empty. A clip
    counts that is at least ``1 - eps`` like one of the clusters that it falls in, whether that one is kept or
    itself a copy. The answer for a clip depends on no other new one.
    """

    output: str
    key: str
    vector: str
    fingerprint: str
    eps: float
    spec: DedupSpec

    def __call__(self, rows: pa.Table) -> frozenset[str]:
        """Returns the ids of the clips that repeat one."""
        batch = self._batch(rows)
        earlier = self._earlier
        if earlier is None or not len(batch.rows) or batch.rows.shape[1] != earlier.dimensions:
            return frozenset()
        borders = step_io.Borders(width=self.spec.border_width)
        search = Search(self.spec.backend)
        placed = sorted_by_cluster(assigned_rows(batch, earlier.centroids, borders=borders, search=search))
        score = similarity_to_known(
            placed, earlier.known, dimensions=earlier.dimensions, batch_size=self.spec.pairwise_batch_size
        )
        is_copy = is_duplicate(score, eps=self.eps)
        return frozenset(placed["id"].filter(pa.array(is_copy)).to_pylist())

    def _batch(self, rows: pa.Table) -> Batch:
        """The sound embeddings among rows of the stage."""
        is_there = [one == _RESULT for one in rows["outcome"].to_pylist()]
        rows = rows.filter(pa.array(is_there, pa.bool_()))
        vectors = np.array(rows[self.vector].to_pylist(), dtype=np.float32).reshape(len(rows), -1)
        if len(rows):
            is_sound = np.array([not fault for fault in faults_of_rows(vectors)], bool)
            rows, vectors = rows.filter(pa.array(is_sound)), vectors[is_sound]
        sketches = pa.nulls(len(rows), pa.binary())
        if self.fingerprint:
            sketches = rows[self.fingerprint].combine_chunks().cast(pa.binary())
        return Batch(rows["id"].combine_chunks(), vectors, 0, sketches)

    @cached_property
    def _earlier(self) -> "_Earlier | None":
        uri, root = known_uri(self.output), layout.dedup_dir(self.output)
        if not store.exists(uri):
            return None
        try:
            known = step_io.read(uri, step_io.Known)
        except ValidationError:
            return None  # of another version
        centroids = read_centroids(layout.join(root, CENTROIDS))
        kept = KeptRows()
        parts = [KnownRows.whole(replace(part, kept=kept)) for part in parts_of(known, root)]
        return _Earlier(centroids, parts, known.dimensions)


@dataclass(frozen=True)
class _Earlier:
    centroids: np.ndarray
    known: Sequence[KnownRows]
    dimensions: int
