"""The documented JSON of clips, videos and chunks, from the tables, range by range."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import pyarrow as pa

from clipmill import layout
from clipmill.dataset.assemble import Tables
from clipmill.dataset.exports.clip_json import clip_files
from clipmill.dataset.exports.folders import fill_folder
from clipmill.dataset.exports.video_json import chunk_files, video_files
from clipmill.dataset.schemas import table_columns
from clipmill.dataset.spool import Spool
from clipmill.planning.plan import Plan
from clipmill.storage import store

File = tuple[str, bytes]
"""Name below the folder, and content."""
_FILES_PER_HOLD = 64


def export_json(
    output: str, spool: Spool, plan: Plan, *, writes_json: bool, hold: Callable[[], None]
) -> None:
    """Writes the JSON of what the snapshot holds and deletes that of everything else.

    Without ``writes_json`` all of it is deleted: what an earlier run wrote says other than the tables.
    ``hold`` is asked now and then: a run that lost its output writes no more.
    """
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
