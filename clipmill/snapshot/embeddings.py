"""The documented embedding files, for deduplication and for readers."""

import math

import pyarrow as pa

from clipmill import layout
from clipmill.snapshot.assemble import assemble
from clipmill.snapshot.collect import Collection
from clipmill.snapshot.folders import fill_folder
from clipmill.storage import parquet, store
from clipmill.storage.tables import EMBED_STATE

_ROWS_PER_PART = 100_000
_PREFIXES = {"cosmos-embed1": "ce1", "internvideo2": "iv2"}


def embedding_prefix(algorithm: str) -> str:
    """The documented short name of a family's folder; any other algorithm is its own name."""
    return next((short for family, short in _PREFIXES.items() if algorithm.startswith(family)), algorithm)


def export_embeddings(collection: Collection) -> str:
    """Write the embeddings of the clips that passed every filter and were cut; returns the folder's URI.

    Columns ``id: string``, ``embedding: fixed_size_list<float32>`` and, of an algorithm that makes sketches,
    ``sketch: binary``, sorted by id, so that parts are the same for any order of runs. Comes before
    deduplication: what that will call a duplicate is here too. Where no clip passed, the folder holds no
    part. ValueError when the plan has no embedding.
    """
    if collection.plan.embedding is None:
        raise ValueError("the plan has no embedding")
    prefix = embedding_prefix(collection.plan.embedding.algorithm)
    folder = layout.embeddings_dir(collection.output, prefix)
    table = passed_embeddings(collection)
    num_parts = max(1, math.ceil(len(table) / _ROWS_PER_PART))
    parts = {
        f"part-{part:05d}.parquet": parquet.encode(table.slice(part * _ROWS_PER_PART, _ROWS_PER_PART))
        for part in range(num_parts)
    }
    fill_folder(folder, parts, suffix=".parquet")
    return folder


def export_no_embeddings(output: str) -> str:
    """Write a folder with an empty part, for a run that deduplicates nothing; returns its URI."""
    folder = layout.join(layout.work_dir(output), "no_embeddings")
    table = pa.table({"id": pa.array([], pa.string()), "embedding": pa.array([], pa.list_(pa.float32(), 0))})
    store.put_if_changed(layout.join(folder, "part-00000.parquet"), parquet.encode(table))
    return folder


def passed_embeddings(collection: Collection) -> pa.Table:
    """``id``, ``embedding`` and, if any has one, ``sketch`` of the clips that passed, by id."""
    clips = assemble(collection).clips.select(["clip_id", "status"]).to_pylist()
    passed = {clip["clip_id"] for clip in clips if clip["status"] == "kept"}
    rows = collection.state.get("embed", EMBED_STATE.empty_table())
    places = [place for place, name in enumerate(rows["id"].to_pylist()) if name in passed]
    chosen = rows.take(pa.array(places, pa.int64()))
    vectors = chosen["embedding"].combine_chunks()
    size = len(vectors[0]) if len(vectors) else 0
    columns = {"id": chosen["id"].combine_chunks(), "embedding": vectors.cast(pa.list_(pa.float32(), size))}
    sketches = chosen["sketch"].combine_chunks()
    return pa.table(columns if sketches.null_count == len(chosen) else {**columns, "sketch": sketches})


def export_clips_for_ranking(collection: Collection) -> str:
    """Write the clips as they are before deduplication, for ``which_to_keep: columns``; returns the URI."""
    uri = layout.join(layout.work_dir(collection.output), "clips.parquet")
    store.put_if_changed(uri, parquet.encode(assemble(collection).clips))
    return uri
