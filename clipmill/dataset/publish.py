"""Writes the snapshot: tables and exports first, the manifest that names them last."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pyarrow as pa

from clipmill import layout
from clipmill.dataset.assemble import Tables, assemble
from clipmill.dataset.collect import Collection
from clipmill.dataset.conservation import check_conservation
from clipmill.dataset.exports.clip_json import as_json, clip_files
from clipmill.dataset.exports.folders import fill_folder
from clipmill.dataset.exports.video_json import video_files
from clipmill.dataset.funnel import Funnel, count_funnel
from clipmill.dataset.manifest import manifest_bytes
from clipmill.dataset.run_record import RunRecord, write_run
from clipmill.dataset.schemas import table_columns
from clipmill.planning.plan import Plan
from clipmill.storage import parquet, store

_KEPT_KEYS = ("clip_id", "clip_uri", "source_uri", "start_s", "end_s")


def _no_check(*_: object) -> None:
    pass


@dataclass(frozen=True)
class Guard:
    """What stops a publication: ``clips`` sees the table of clips before anything is written, ``writes``
    is asked before files are replaced that readers look at, and right before the manifest."""

    clips: Callable[[pa.Table], None] = _no_check
    writes: Callable[[], None] = _no_check


def publish(
    collection: Collection,
    *,
    run: RunRecord,
    duplicates: pa.Table | None = None,
    writes_clip_json: bool = True,
    guard: Guard = Guard(),
) -> tuple[Tables, Funnel]:
    """Assemble, check and write the snapshot; returns its tables and its funnel.

    A run that changes nothing writes ``runs/<run_id>.json`` only. Exports follow the tables: the JSON of a
    clip or video that is no longer in the snapshot is deleted, clip files and previews never are. Raises
    ConservationError, and what ``guard`` raises of the clips, before anything is written; WriteConflict when
    another run published meanwhile.
    """
    tables = assemble(collection, duplicates=duplicates)
    check_conservation(tables, num_found=len(collection.sources))
    guard.clips(tables.clips)
    funnel = count_funnel(tables)
    guard.writes()
    output = collection.output
    files = {name: parquet.encode(table) for name, table in tables.by_name().items()}
    for name, data in files.items():
        store.put_if_changed(layout.table_path(output, name), data)
    _export(collection, tables, writes_clip_json=writes_clip_json)
    names = {name: layout.table_path("", name).lstrip("/") for name in files}
    is_complete = run.end.kind == "done"
    manifest = manifest_bytes(
        collection.plan, tables, funnel, table_files=files, names=names, is_complete=is_complete
    )
    guard.writes()
    collection.manifest.swap(manifest)
    write_run(output, run)
    store.remove_leftovers(output)
    return tables, funnel


def _export(collection: Collection, tables: Tables, *, writes_clip_json: bool) -> None:
    output, plan = collection.output, collection.plan
    store.put_if_changed(layout.kept_clips_path(output), as_json(kept_clips(tables)))
    if writes_clip_json and not (plan.output and plan.output.dry_run):
        fill_folder(layout.metas_dir(output), clip_files(tables, plan), suffix=".json")
    source_root = plan.output.input_path if plan.output else plan.source.path
    videos, chunks = video_files(
        with_documented_captions(tables, plan),
        source_root=store.normalise(source_root),
        clips_per_chunk=plan.clips_per_chunk or len(tables.clips) + 1,
    )
    fill_folder(layout.processed_videos_dir(output), videos, suffix=".json")
    fill_folder(layout.processed_clip_chunks_dir(output), chunks, suffix=".json")


def with_documented_captions(tables: Tables, plan: Plan) -> Tables:
    """Returns the tables as the documented JSON has them: without what the writer leaves out."""
    windows = tables.windows
    for node in plan.nodes:
        if node.stage.grain == "window" and not plan.documents(node.stage):
            for name, _, kind in table_columns(node):
                at = windows.schema.get_field_index(name)
                windows = windows.set_column(at, windows.schema.field(at), pa.nulls(len(windows), kind))
    return replace(tables, windows=windows)


def kept_clips(tables: Tables) -> list[dict[str, object]]:
    """The kept set for readers of JSON: what passed the filters and duplicates nothing."""
    rows = tables.clips.to_pylist()
    return [{key: row.get(key) for key in _KEPT_KEYS} for row in rows if row["status"] == "kept"]
