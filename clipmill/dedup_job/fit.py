"""How a fit is made and laid out: its sample, its shards and groups, the digests that name its folders."""

import io
import itertools
import math
import posixpath
import re
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import pyarrow as pa

from clipmill import identity, layout
from clipmill.dedup import kmeans, ranking
from clipmill.dedup.backend_name import DedupBackend
from clipmill.dedup.kmeans_init import Start
from clipmill.dedup.vectors import Indices, turn_into_unit
from clipmill.dedup_job import step_io
from clipmill.dedup_job.tables.embedding_files import Rows, read_placed, sorted_ids
from clipmill.specs import DedupSpec
from clipmill.storage import store

ROWS_PER_GROUP = 20_000
"""Rows below which another map element costs more than it saves."""
FILES_PER_SHARD = 1_000
BYTES_PER_SHARD = 256 << 20

FILES = "files.json"
_CONTENT = "content:"
_MD5 = re.compile("[0-9a-f]{32}")
CENTROIDS = "centroids.npy"

_Item = TypeVar("_Item")


def digest(
    stage: str,
    version: int,
    spec: DedupSpec,
    names: Sequence[str],
    files: Sequence[store.FileEntry],
    *,
    upstream: Sequence[str] = (),
) -> str:
    """Names how a step's result comes about: the fields ``names`` of ``spec``, and the files it reads.

    Files differ as they are listed: none is read, unless the store does not say how old it is. One of
    ``by_content`` counts by what it holds, wherever it lies.
    """
    fields = {name: value for name, value in spec.result_fields().items() if name in names}
    return identity.stage_digest(stage, version, fields, upstream=[*map(_version, files), *upstream])


def by_content(file: store.FileEntry) -> store.FileEntry:
    """Returns the file with a version that says what it holds; S3 says that of an object in one piece."""
    tag = file.version.strip('"')
    if file.uri.startswith("s3://") and _MD5.fullmatch(tag):
        return store.FileEntry(file.uri, file.size_bytes, f"{_CONTENT}{file.size_bytes}-{tag}")
    return store.FileEntry(
        file.uri, file.size_bytes, _CONTENT + identity.bytes_digest(store.read_bytes(file.uri))
    )


def _version(file: store.FileEntry) -> str:
    if file.version.startswith(_CONTENT):
        return file.version
    if file.version:
        return identity.source_version(file.uri, file.size_bytes, file.version)
    return f"{file.uri} {identity.bytes_digest(store.read_bytes(file.uri))}"


def centroids_of_files(uris: Sequence[str], spec: DedupSpec) -> tuple[Rows, int]:
    """Centroids of a sample of the embeddings in the files, and the number of all.

    The sample is drawn by id, so that it stays nearly the same when clips are added. Memory is that of the
    sample, of a batch, and of all ids. BadEmbeddings names a faulty row, in the sample or not.
    """
    ids, place = sorted_ids(uris)
    chosen = _sample(ids, spec)
    if len(chosen) < len(ids):
        place_in_sample = np.full(len(ids), -1, dtype=np.int64)
        place_in_sample[chosen] = np.arange(len(chosen))
        place = place_in_sample[place]
    num_rows = len(ids)
    del ids
    return _centroids(turn_into_unit(read_placed(uris, place)), num_rows, spec), num_rows


def _sample(ids: pa.Array, spec: DedupSpec) -> Indices:
    """Places of the ids that k-means looks at, ascending."""
    size = min(len(ids), spec.fit_sample)
    if spec.fit_data_fraction is not None:
        size = min(size, max(1, round(spec.fit_data_fraction * len(ids))))
    if size == len(ids):
        return np.arange(len(ids))
    return np.sort(ranking.rank_random(ids.to_pylist(), seed=spec.random_state)[:size])


def _centroids(unit: Rows, num_rows: int, spec: DedupSpec) -> Rows:
    num_clusters = kmeans.auto_num_clusters(num_rows) if spec.n_clusters == "auto" else spec.n_clusters
    start = Start(
        init=spec.init,
        n_init=spec.n_init,
        oversampling_factor=spec.oversampling_factor,
        max_samples_per_batch=spec.max_samples_per_batch,
        backend=spec.backend,
    )
    return kmeans.fit_directions(
        unit, num_clusters=num_clusters, max_iter=spec.max_iter, tol=spec.tol,
        seed=spec.random_state, start=start,
    )  # fmt: skip


def shards_of(files: Sequence[store.FileEntry], spec: DedupSpec) -> list[tuple[str, ...]]:
    """The files' URIs in at most ``spec.max_groups`` runs, fewer for few and small files; at least one."""
    num_bytes = sum(file.size_bytes for file in files)
    wanted = max(math.ceil(len(files) / FILES_PER_SHARD), math.ceil(num_bytes / BYTES_PER_SHARD))
    return _split([file.uri for file in files], min(wanted, spec.max_groups))


def groups_of(num_clusters: int, num_rows: int, spec: DedupSpec) -> list[tuple[int, ...]]:
    """The clusters in at most ``spec.max_groups`` runs, fewer for few rows; at least one, if empty."""
    return _split(range(num_clusters), min(math.ceil(num_rows / ROWS_PER_GROUP), spec.max_groups))


def write_fit(
    uri: str,
    centroids: Rows,
    shards: Sequence[tuple[str, ...]],
    groups: Sequence[tuple[int, ...]],
    *,
    borders: step_io.Borders,
    backend: DedupBackend,
    files: Sequence[store.FileEntry],
    known_uri: str = "",
) -> str:
    """Write the centroids, a hand-over for each shard, and last the one that names them all.

    ``files`` are those that the clips come from, for a later run to know them again.
    """
    folder = posixpath.dirname(uri)
    step_io.write(layout.join(folder, FILES), step_io.input_files(files))
    centroids_uri = layout.join(folder, CENTROIDS)
    store.put_if_changed(centroids_uri, _npy(centroids))
    shard_uris = [layout.join(folder, f"shard_{index}.json") for index in range(len(shards))]
    for index, (shard_uri, own) in enumerate(zip(shard_uris, shards, strict=True)):
        shard = step_io.Shard(
            index=index, folder=folder, centroids_uri=centroids_uri, file_uris=own, groups=tuple(groups),
            borders=borders, backend=backend,
        )  # fmt: skip
        step_io.write(shard_uri, shard)
    fitted = step_io.Fit(
        folder=folder, shard_uris=tuple(shard_uris), num_groups=len(groups), known_uri=known_uri
    )
    return step_io.write(uri, fitted)


def read_centroids(uri: str) -> Rows:
    """Centroids, float32 ``(K, D)``, that ``write_fit`` wrote."""
    return np.load(io.BytesIO(store.read_bytes(uri)), allow_pickle=False)


def _npy(array: Rows) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _split(items: Sequence[_Item], num_parts: int) -> list[tuple[_Item, ...]]:
    """``items`` in at most ``num_parts`` runs of nearly equal length; one empty run where there are none."""
    num_parts = max(1, min(num_parts, len(items)))
    edges = [len(items) * part // num_parts for part in range(num_parts + 1)]
    return [tuple(items[start:end]) for start, end in itertools.pairwise(edges)]
