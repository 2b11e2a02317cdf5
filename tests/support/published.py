"""A snapshot written by hand: tables, and the stages that a manifest names."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from clipmill import identity, layout
from clipmill.base_columns import DUPLICATES, SCHEMA_VERSION
from clipmill.storage import parquet, store

Row = dict[str, object]
CAPTIONS = {"caption": {"class": "a.b:C", "parameters": {}}}


def publish_by_hand(
    output: str,
    clips: Sequence[Mapping[str, object]],
    stages: Mapping[str, object],
    *,
    name: str = "by-hand",
    **more: Sequence[Mapping[str, object]],
) -> None:
    """Puts rows of the clips table, and of others, and a manifest that names them."""
    tables = {"clips": pa.Table.from_pylist(list(clips))}
    for table, rows in more.items():
        schema = DUPLICATES if table == "duplicates" else None
        tables[table] = pa.Table.from_pylist(list(rows), schema=schema)
    named = {table: _put(output, name, table, rows) for table, rows in tables.items()}
    funnel = {"kept": {"items": len(clips), "seconds": 1.0}}
    content = {"snapshot_id": name, "complete": True, "tables": named, "stages": stages, "funnel": funnel}
    manifest = json.dumps({"schema_version": SCHEMA_VERSION, **content}).encode()
    store.put_bytes(layout.snapshot_manifest_path(output, name), manifest)
    store.put_bytes(layout.manifest_path(output), manifest)


def _put(output: str, name: str, table: str, rows: pa.Table) -> Mapping[str, object]:
    path = f"snapshots/{name}/{table}/part-00000.parquet"
    store.put_bytes(layout.join(output, path), parquet.encode(rows))
    return {"rows": len(rows), "parts": [{"path": path, "sha256": "", "rows": len(rows)}]}


def clip_row(index: int, *, video: int, num_bytes: int = 1000, num_frames: int = 48, **more: object) -> Row:
    """A kept clip of two seconds, 24 frames a second."""
    clip_id = identity.clip_id(f"video-{video}", index, index + num_frames)
    values: Row = {
        "clip_id": clip_id, "video_id": f"video-{video}", "source_uri": f"/films/{video}.mp4",
        "start_s": 2.0 * index, "end_s": 2.0 * index + num_frames / 24, "start_frame": 0,
        "end_frame": num_frames, "status": "kept", "reason": None, "clip_uri": f"clips/{clip_id}.mp4",
        "clip_digest": "d", "width": 1280, "height": 720, "framerate": 24.0, "num_frames": num_frames,
        "num_bytes": num_bytes, "has_audio": index % 2 == 0, "sharpness": float(index % 7),
    }  # fmt: skip
    return {**values, **more}


def window_row(clip: Row, start: int, end: int, caption: str | None) -> Row:
    """A captioned window of a clip."""
    clip_id = str(clip["clip_id"])
    return {
        "window_id": identity.window_id(clip_id, start, end), "clip_id": clip_id, "start_frame": start,
        "end_frame": end, "start_s": start / 24, "end_s": end / 24, "caption": caption,
    }  # fmt: skip


def write_clip_files(output: Path, clips: Sequence[Row]) -> None:
    """Files of the sizes that the rows name; each byte tells the clip."""
    for clip in clips:
        path = output / str(clip["clip_uri"])
        path.parent.mkdir(parents=True, exist_ok=True)
        data = str(clip["clip_id"]).encode() * (int(str(clip["num_bytes"])) // 36 + 1)
        path.write_bytes(data[: int(str(clip["num_bytes"]))])
