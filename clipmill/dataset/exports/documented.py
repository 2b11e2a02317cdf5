"""The documented JSON of clips, videos and chunks, and pickles of embeddings, range by range."""

import pickle
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa

from clipmill import layout
from clipmill.dataset.assemble import Tables
from clipmill.dataset.exports.clip_json import clip_files
from clipmill.dataset.exports.embeddings import VECTOR, embedders, embeddings_folder, published_embedders
from clipmill.dataset.exports.folders import fill_folder
from clipmill.dataset.exports.video_json import chunk_files, video_files
from clipmill.dataset.schemas import table_columns
from clipmill.dataset.spool import Spool
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.stages.roles import EmbedderStage
from clipmill.storage import parquet, store

File = tuple[str, bytes]
"""Name below the folder, and content."""
_FILES_PER_HOLD = 64
_VECTORS_AT_ONCE = 4096
_PROTOCOL = 4
"""Of pickles, so that the same vectors give the same bytes: the default of each Python that runs clipmill."""


def export_documented(
    output: str, spool: Spool, plan: Plan, *, writes_json: bool, hold: Callable[[], None]
) -> None:
    """Writes the JSON of what the snapshot holds, and pickles, and deletes those of everything else.

    Without ``writes_json`` all of it is deleted: what an earlier run wrote says other than the tables.
    ``hold`` is asked now and then: a run that lost its output writes no more.
    """
    _export_pickles(output, plan, is_asked=writes_json, hold=hold)
    if not writes_json:
        for folder in (
            layout.metas_dir(output),
            layout.processed_videos_dir(output),
            layout.processed_clip_chunks_dir(output),
        ):
            hold()
            fill_folder(folder, [], suffix=".json")
        store.delete(layout.kept_clips_path(output))
        return
    if not (plan.output and plan.output.dry_run):
        files = (file for tables in spool.ranges() for file in clip_files(tables, plan))
        fill_folder(layout.metas_dir(output), _held(files, hold), suffix=".json")
    root = store.normalise(plan.output.input_path if plan.output else plan.source.path)
    most = plan.clips_per_chunk
    videos = (file for one in _documented(spool, plan) for file in video_files(one, root, most))
    fill_folder(layout.processed_videos_dir(output), _held(videos, hold), suffix=".json")
    chunks = (file for one in _documented(spool, plan) for file in chunk_files(one, root, most))
    fill_folder(layout.processed_clip_chunks_dir(output), _held(chunks, hold), suffix=".json")


def _export_pickles(output: str, plan: Plan, *, is_asked: bool, hold: Callable[[], None]) -> None:
    """Gives each clip that NeMo Curator would pickle the embedding of its pickle, float32 ``(1, D)``."""
    published = published_embedders(plan) if is_asked else []
    for node in embedders(plan):
        assert isinstance(node.stage, EmbedderStage)
        if node.stage.is_pickled:
            hold()
            files = _held(_pickles(node, output), hold) if node in published else ()
            folder = layout.pickles_dir(output, node.stage.folder_prefix(node.key))
            fill_folder(folder, files, suffix=".pickle")


def _pickles(node: Node, output: str) -> Iterator[File]:
    for part in store.find(embeddings_folder(node, output), (".parquet",)):
        for rows in parquet.read_batches(part.uri, ["id", VECTOR], max_rows=_VECTORS_AT_ONCE):
            for clip_id, vector in zip(rows["id"].to_pylist(), rows[VECTOR], strict=True):
                array = vector.values.to_numpy(zero_copy_only=False).astype(np.float32)[None]
                yield f"{clip_id}.pickle", pickle.dumps(array, protocol=_PROTOCOL)


def _held(files: Iterable[File], hold: Callable[[], None]) -> Iterator[File]:
    for index, file in enumerate(files):
        if index % _FILES_PER_HOLD == 0:
            hold()
        yield file


def _documented(spool: Spool, plan: Plan) -> Iterator[Tables]:
    return (with_documented_captions(tables, plan) for tables in spool.ranges())


def with_documented_captions(tables: Tables, plan: Plan) -> Tables:
    """Returns the tables as the documented JSON has them: without what the writer leaves out."""
    windows = tables.windows
    for node in plan.nodes:
        if node.stage.grain == "window" and not plan.documents(node.stage):
            for name, _, kind in table_columns(node):
                at = windows.schema.get_field_index(name)
                windows = windows.set_column(at, windows.schema.field(at), pa.nulls(len(windows), kind))
    return replace(tables, windows=windows)
