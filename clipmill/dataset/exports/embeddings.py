"""The documented embedding files, for deduplication and for readers."""

import math

import pyarrow as pa

from clipmill import arrow, identity, layout
from clipmill.dataset.assemble import assemble
from clipmill.dataset.collect import Collection
from clipmill.dataset.exports.folders import fill_folder
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.stages.roles import EmbedderStage
from clipmill.state.schema import schema_of
from clipmill.state.store import ResultStore
from clipmill.storage import parquet, store

_ROWS_PER_PART = 100_000
VECTOR, FINGERPRINT = "embedding", "fingerprint"
"""Roles of the columns that deduplication reads."""

_RANKED = "clips-"


def embedders(plan: Plan) -> list[Node]:
    """Returns the nodes that embed clips, in run order."""
    return [node for node in plan.nodes if isinstance(node.stage, EmbedderStage)]


def algorithm_of(node: Node) -> str:
    """Returns the name of a node's algorithm."""
    assert isinstance(node.stage, EmbedderStage)
    return node.stage.algorithm_name


def embeddings_folder(node: Node, output: str) -> str:
    """Returns the URI of the folder of a node's embeddings."""
    assert isinstance(node.stage, EmbedderStage)
    return layout.embeddings_dir(output, node.stage.folder_prefix(node.key))


def export_embeddings(collection: Collection, node: Node) -> str:
    """Writes the embeddings of the clips that passed every filter and were cut; returns the folder's URI.

    Columns ``id: string``, ``embedding: fixed_size_list<float32>`` and, of an algorithm that makes
    fingerprints, ``sketch: binary``, sorted by id, so that parts are the same for any order of runs. Comes
    before deduplication, whose duplicates are there too. Where no clip passed, the folder holds no part.
    """
    folder = embeddings_folder(node, collection.output)
    table = passed_embeddings(collection, node)
    num_parts = max(1, math.ceil(len(table) / _ROWS_PER_PART))
    parts = {
        f"part-{part:05d}.parquet": parquet.encode(table.slice(part * _ROWS_PER_PART, _ROWS_PER_PART))
        for part in range(num_parts)
    }
    fill_folder(folder, parts, suffix=".parquet")
    return folder


def export_no_embeddings(output: str) -> str:
    """Writes a folder with an empty part, for a run that deduplicates nothing; returns its URI."""
    folder = layout.join(layout.work_dir(output), "no_embeddings")
    table = pa.table({"id": pa.array([], pa.string()), "embedding": pa.array([], pa.list_(pa.float32(), 0))})
    store.put_if_changed(layout.join(folder, "part-00000.parquet"), parquet.encode(table))
    return folder


def passed_embeddings(collection: Collection, node: Node) -> pa.Table:
    """Returns ``id``, ``embedding`` and, if any clip has one, ``sketch`` of the clips that passed, by id."""
    clips = assemble(collection).clips
    passed = clips.filter(arrow.equal(clips["status"], "kept"))["clip_id"]
    vector, fingerprint = (_column(node, role) for role in (VECTOR, FINGERPRINT))
    names = ["id", *(name for name in (vector, fingerprint) if name)]
    state = ResultStore(collection.output)
    rows = state.read(node.key, node.digest, schema=schema_of(node), columns=names)
    rows = rows.filter(arrow.is_in(rows["id"], passed.combine_chunks()))
    vectors = rows[vector].combine_chunks()
    size = len(vectors[0]) if len(vectors) else 0
    columns = {"id": rows["id"].combine_chunks(), "embedding": vectors.cast(pa.list_(pa.float32(), size))}
    if fingerprint and (sketches := rows[fingerprint].combine_chunks()).null_count < len(rows):
        columns["sketch"] = sketches
    return pa.table(columns)


def _column(node: Node, role: str) -> str:
    return next((column.name for column in node.stage.writes if column.role == role), "")


def export_clips_for_ranking(collection: Collection) -> str:
    """Writes the clips as they are before deduplication, for ``which_to_keep: columns``; returns the URI.

    The name follows from the content: a step that has read the same clips is not done again.
    """
    data = parquet.encode(assemble(collection).clips)
    name = f"{_RANKED}{identity.bytes_digest(data)[:24]}.parquet"
    folder = layout.work_dir(collection.output)
    uri = layout.join(folder, name)
    store.put_if_changed(uri, data)
    for file in store.find(folder, (".parquet",)):
        if file.uri.removeprefix(f"{folder}/").startswith(_RANKED) and file.uri != uri:
            store.delete(file.uri)
    return uri
