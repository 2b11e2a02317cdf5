"""How a fit is made and laid out: its sample, its shards and groups, the digests that name its folders."""

import io
import itertools
import math
import posixpath
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from clipmill import identity, layout
from clipmill.dedup import kmeans, ranking
from clipmill.dedup.seeding import Start
from clipmill.reduce import handover
from clipmill.reduce.embeddings import Rows
from clipmill.specs import DedupSpec
from clipmill.storage import store

ROWS_PER_GROUP = 20_000
"""Rows below which another map element costs more than it saves."""
FILES_PER_SHARD = 1_000
BYTES_PER_SHARD = 256 << 20

_Item = TypeVar("_Item")


def digest(stage: str, version: int, spec: DedupSpec, names: Sequence[str], file_uris: Sequence[str]) -> str:
    """Names how a step's result comes about: the fields ``names`` of ``spec``, and the files it reads."""
    fields = {name: value for name, value in spec.result_fields().items() if name in names}
    contents = [f"{uri} {identity.bytes_digest(store.read_bytes(uri))}" for uri in file_uris]
    return identity.stage_digest(stage, version, fields, upstream=contents)


def centroids_of(ids: Sequence[str], embeddings: Rows, spec: DedupSpec) -> Rows:
    """Centroids of a sample; it is drawn by id, so that it stays nearly the same when clips are added."""
    num_clusters = kmeans.auto_num_clusters(len(ids)) if spec.n_clusters == "auto" else spec.n_clusters
    sample_size = min(len(ids), spec.fit_sample)
    if spec.fit_data_fraction is not None:
        sample_size = min(sample_size, max(1, round(spec.fit_data_fraction * len(ids))))
    if sample_size < len(ids):
        sample = ranking.rank_random(ids, seed=spec.random_state)[:sample_size]
        embeddings = embeddings[np.sort(sample)]
    start = Start(
        init=spec.init,
        n_init=spec.n_init,
        oversampling_factor=spec.oversampling_factor,
        max_samples_per_batch=spec.max_samples_per_batch,
    )
    return kmeans.fit(
        embeddings, num_clusters=num_clusters, max_iter=spec.max_iter, tol=spec.tol,
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
    border_width: float,
    known_uri: str = "",
) -> str:
    """Write the centroids, a hand-over for each shard, and last the one that names them all."""
    folder = posixpath.dirname(uri)
    centroids_uri = layout.join(folder, "centroids.npy")
    store.put_if_changed(centroids_uri, _npy(centroids))
    shard_uris = [layout.join(folder, f"shard_{index}.json") for index in range(len(shards))]
    for index, (shard_uri, files) in enumerate(zip(shard_uris, shards, strict=True)):
        shard = handover.Shard(
            index=index, folder=folder, centroids_uri=centroids_uri, file_uris=files, groups=tuple(groups),
            border_width=border_width,
        )  # fmt: skip
        handover.write(shard_uri, shard)
    fitted = handover.Fit(
        folder=folder, shard_uris=tuple(shard_uris), num_groups=len(groups), known_uri=known_uri
    )
    return handover.write(uri, fitted)


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
