"""Writes the snapshot: tables and exports first, the manifest that names them last."""

from collections.abc import Collection as Names
from dataclasses import replace

import pyarrow as pa

from clipmill import layout
from clipmill.plan import RunPlan
from clipmill.snapshot.assemble import Tables, assemble
from clipmill.snapshot.clip_json import as_json, clip_files
from clipmill.snapshot.collect import Collection
from clipmill.snapshot.conservation import check_conservation
from clipmill.snapshot.folders import fill_folder
from clipmill.snapshot.funnel import Funnel, count_funnel
from clipmill.snapshot.manifest import manifest_bytes
from clipmill.snapshot.run_record import RunRecord, write_run
from clipmill.snapshot.video_json import video_files
from clipmill.stages.video.caption.caption_enhancement import ENHANCED_KEY
from clipmill.stages.video.io.clip_writer import ClipWriterStage
from clipmill.storage import parquet, store
from clipmill.storage.tables import DUPLICATES

_KEPT_KEYS = ("clip_id", "clip_uri", "source_uri", "start_s", "end_s")


def read_duplicates(uri: str) -> pa.Table:
    """The table that semantic deduplication wrote."""
    return parquet.read(uri, schema=DUPLICATES)


def publish(
    collection: Collection,
    *,
    run: RunRecord,
    duplicates: pa.Table | None = None,
    writes_clip_json: bool = True,
) -> tuple[Tables, Funnel]:
    """Assemble, check and write the snapshot; returns its tables and its funnel.

    A run that changes nothing writes ``runs/<run_id>.json`` only. Exports follow the tables: the JSON of a
    clip or video that is no longer in the snapshot is deleted, clip files and previews never are. Raises
    ConservationError before anything is written, TransientStoreError when another run published meanwhile.
    """
    tables = assemble(collection, duplicates=duplicates)
    check_conservation(tables, num_found=len(collection.sources))
    funnel = count_funnel(tables)
    output = collection.output
    files = {name: parquet.encode(table) for name, table in tables.by_name().items()}
    for name, data in files.items():
        store.put_if_changed(layout.table_path(output, name), data)
    _export(collection, tables, writes_clip_json=writes_clip_json)
    names = {name: layout.table_path("", name).lstrip("/") for name in files}
    manifest = manifest_bytes(collection.plan, tables, funnel, table_files=files, names=names)
    store.swap(layout.manifest_path(output), collection.manifest, manifest)
    write_run(output, run)
    store.remove_leftovers(output)
    return tables, funnel


def _export(collection: Collection, tables: Tables, *, writes_clip_json: bool) -> None:
    output, plan = collection.output, collection.plan
    tables = with_written_captions(tables, plan)
    store.put_if_changed(layout.kept_clips_path(output), as_json(kept_clips(tables)))
    if writes_clip_json and not (plan.writer and plan.writer.dry_run):
        files = clip_files(tables, caption_variant=plan.captions.model_variant if plan.captions else "")
        fill_folder(layout.metas_dir(output), files, suffix=".json")
    source_root = plan.writer.input_path if plan.writer else plan.reader.input_video_path
    clips_per_chunk = plan.transcode.num_clips_per_chunk if plan.transcode else len(tables.clips) + 1
    videos, chunks = video_files(
        tables,
        source_root=store.normalise(source_root),
        clips_per_chunk=clips_per_chunk,
    )
    fill_folder(layout.processed_videos_dir(output), videos, suffix=".json")
    fill_folder(layout.processed_clip_chunks_dir(output), chunks, suffix=".json")


def with_written_captions(tables: Tables, plan: RunPlan) -> Tables:
    """The tables as the documents' JSON tells them: without captions of models that the writer leaves out."""
    writer = plan.writer
    left_out: list[str] = []
    if (
        writer
        and plan.captions
        and not _is_written(plan.captions.model_variant, writer.caption_models, writer)
    ):
        left_out.append("caption")
    if writer and plan.enhancement and not _is_written(ENHANCED_KEY, writer.enhanced_caption_models, writer):
        left_out.append("enhanced_caption")
    windows = tables.windows
    for column in left_out:
        at = windows.schema.get_field_index(column)
        windows = windows.set_column(at, windows.schema.field(at), pa.nulls(len(windows), pa.string()))
    return replace(tables, windows=windows)


def _is_written(model: str, wanted: Names[str] | None, writer: ClipWriterStage) -> bool:
    return writer.generate_captions and (wanted is None or model in wanted)


def kept_clips(tables: Tables) -> list[dict[str, object]]:
    """The kept set for readers of JSON: what passed the filters and duplicates nothing."""
    rows = tables.clips.select([*_KEPT_KEYS, "status"]).to_pylist()
    return [{key: row[key] for key in _KEPT_KEYS} for row in rows if row["status"] == "kept"]
