"""The documented embedding files, for deduplication and for readers."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import pyarrow as pa

from clipmill import arrow, layout
from clipmill.dataset.assemble import assemble_range, kept_ids
from clipmill.dataset.collect import Collected, collected
from clipmill.dataset.exports.folders import fill_folder
from clipmill.dedup.copies.fingerprints import SOURCE_BYTES, source_of, with_source
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.records import SourceFile
from clipmill.stages.roles import EmbedderStage
from clipmill.state.schema import schema_of
from clipmill.state.store import ResultStore
from clipmill.storage import parquet, store

_ROWS_PER_PART = 100_000
VECTOR, FINGERPRINT = "embedding", "fingerprint"
"""Roles of the columns that deduplication reads."""

_RANKED = "clips-"
_SOURCE = pa.binary(SOURCE_BYTES)
OF_SOURCES = ("video_codec", "pixel_format", "audio_codec", "bit_rate_k")
"""Columns of the videos table that the clips before deduplication have, named ``source_...``."""


def embedders(plan: Plan) -> list[Node]:
    """Returns the nodes that embed clips, in run order."""
    return [node for node in plan.nodes if isinstance(node.stage, EmbedderStage)]


def published_embedders(plan: Plan) -> list[Node]:
    """Returns the nodes whose embeddings are published, in run order; deduplication compares one of them."""
    is_published = plan.output is None or (plan.output.generate_embeddings and not plan.output.dry_run)
    return embedders(plan) if is_published else []


def algorithm_of(node: Node) -> str:
    """Returns the name of a node's algorithm."""
    assert isinstance(node.stage, EmbedderStage)
    return node.stage.algorithm_name


def embeddings_folder(node: Node, output: str) -> str:
    """Returns the URI of the folder of a node's embeddings."""
    assert isinstance(node.stage, EmbedderStage)
    return layout.embeddings_dir(output, node.stage.folder_prefix(node.key))


@dataclass(frozen=True)
class ClipsBeforeDedup:
    """The folder of the clips as they are before deduplication, and the ids ``(N,)`` of those kept so far.

    ``videos`` ``(N,)`` names their videos as sketches do. ``effects`` maps the key of an embedder that
    options change for some videos only to those that each of these clips' rows were made with, ``(N,)``.
    """

    uri: str
    kept: pa.Array
    videos: pa.Array
    effects: Mapping[str, pa.Array]


def export_embeddings(output: str, node: Node, clips: ClipsBeforeDedup) -> str:
    """Writes the embeddings of the clips kept by every filter; returns the folder's URI.

    Columns ``id: string``, ``embedding: fixed_size_list<float32>`` and, of an algorithm that makes
    fingerprints, ``sketch: binary``, sorted by id. A part holds a range of ids, so that neither the order of
    runs nor what the state's parts are changes one. Comes before deduplication, whose duplicates are there
    too. Where no clip passed, the one part holds no row.
    """
    folder = embeddings_folder(node, store.normalise(output))
    parts = (
        (f"part-{index:05d}.parquet", parquet.encode(_embeddings(output, node, ids, clips)))
        for index, ids in enumerate(id_ranges(clips.kept, max_rows=_ROWS_PER_PART))
    )
    fill_folder(folder, parts, suffix=".parquet", at_once=1)
    return folder


def id_ranges(ids: pa.Array, *, max_rows: int) -> Iterator[pa.Array]:
    """Yields sorted UUIDs in equal ranges of all UUIDs, each with about ``max_rows`` at most."""
    ordered = ids.sort()
    num_bits = max(0, math.ceil(math.log2(max(1, len(ids)) / max_rows)))
    ends = [f"{(index + 1) << (32 - num_bits):08x}" for index in range((1 << num_bits) - 1)]
    edges = [0, *(int(arrow.flags(arrow.less(ordered, end)).sum()) for end in ends), len(ids)]
    return (ordered.slice(start, end - start) for start, end in pairwise(edges))


def export_no_embeddings(output: str) -> str:
    """Writes a folder with an empty part, for a run that deduplicates nothing; returns its URI."""
    folder = layout.join(layout.work_dir(output), "no_embeddings")
    table = pa.table({"id": pa.array([], pa.string()), "embedding": pa.array([], pa.list_(pa.float32(), 0))})
    store.put_if_changed(layout.join(folder, "part-00000.parquet"), parquet.encode(table))
    return folder


def _embeddings(output: str, node: Node, ids: pa.Array, clips: ClipsBeforeDedup) -> pa.Table:
    """``id``, ``embedding`` and, if any clip has one, ``sketch``, by id."""
    vector, fingerprint = (column_of(node, role) for role in (VECTOR, FINGERPRINT))
    names = ["id", *(name for name in (vector, fingerprint) if name)]
    state = ResultStore(store.normalise(output))
    known = clips.effects.get(node.key)
    effects = "" if known is None else known.take(arrow.index_in(ids, clips.kept))
    rows = state.read(
        node.key, node.digest, schema=schema_of(node), columns=names, among=ids, effects=effects
    )
    vectors = rows[vector].combine_chunks()
    size = len(vectors[0]) if len(vectors) else 0
    columns = {"id": rows["id"].combine_chunks(), "embedding": vectors.cast(pa.list_(pa.float32(), size))}
    if fingerprint and (sketches := rows[fingerprint].combine_chunks()).null_count < len(rows):
        sources = clips.videos.take(arrow.index_in(columns["id"], clips.kept))
        both = zip(sketches.to_pylist(), sources.to_pylist(), strict=True)
        columns["sketch"] = pa.array(
            [sketch and with_source(sketch, source) for sketch, source in both], pa.binary()
        )
    return pa.table(columns)


def column_of(node: Node, role: str) -> str:
    """Returns the column of a stage that has a role; empty where none has."""
    return next((column.name for column in node.stage.writes if column.role == role), "")


def _with_sources(clips: pa.Table, videos: pa.Table) -> pa.Table:
    """Returns clips with what their files say: how the pictures are coded, and whether there is sound."""
    rows = pa.array(arrow.index_in(clips["source_uri"].combine_chunks(), videos["uri"].combine_chunks()))
    for name in OF_SOURCES:
        clips = clips.append_column(f"source_{name}", videos[name].take(rows))
    return clips


def export_clips(
    output: str, plan: Plan, sources: Iterable[SourceFile], *, known: Collected | None = None
) -> ClipsBeforeDedup:
    """Writes the clips as they are before deduplication, for ``which_to_keep: columns``.

    ``known`` is what the state has of them, where the caller read it.
    """
    output = store.normalise(output)
    kept: list[pa.Array] = [pa.array([], pa.string())]
    videos: list[pa.Array] = [pa.array([], _SOURCE)]
    effects: dict[str, list[pa.Array]] = {node.key: [kept[0]] for node in embedders(plan) if node.effects}

    def parts(known: Collected) -> Iterator[tuple[str, bytes]]:
        for index, collection in enumerate(known.collections()):
            tables = assemble_range(collection)
            kept.append(kept_ids(tables))
            videos.append(_sources_of(tables.clips, kept[-1]))
            places = arrow.index_in(kept[-1], collection.clips.ids)
            for key, found in effects.items():
                found.append(collection.clips.rows[key]["effects"].combine_chunks().take(places))
            yield f"part-{index:05d}.parquet", parquet.encode(_with_sources(tables.clips, tables.videos))

    folder = layout.join(layout.work_dir(output), "clips")
    with collected(output, plan=plan, sources=sources, known=known) as found_here:
        fill_folder(folder, parts(found_here), suffix=".parquet", at_once=1)
    of_kept = {key: pa.concat_arrays(found) for key, found in effects.items()}
    return ClipsBeforeDedup(folder, pa.concat_arrays(kept), pa.concat_arrays(videos), of_kept)


def _sources_of(clips: pa.Table, ids: pa.Array) -> pa.Array:
    """Returns what sketches say of the videos of some clips, ``(N,)``."""
    places = arrow.index_in(ids, clips["clip_id"].combine_chunks())
    videos = clips["video_id"].combine_chunks().take(places).dictionary_encode()
    names = [source_of(video_id) for video_id in videos.dictionary.to_pylist()]
    return pa.array(names, _SOURCE).take(videos.indices)
