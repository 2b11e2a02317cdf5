"""Reads what a run published as rows by name of the part, without what differs from run to run."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

Row = dict[str, object]

TABLE_KEYS = {
    "videos": ("uri",),
    "shots": ("video_id", "shot_index"),
    "clips": ("source_uri", "start_frame", "end_frame"),
    "windows": ("clip_id", "start_frame"),
    "rejections": ("uri", "clip_id", "reason"),
    "duplicates": ("scope", "clip_id"),
}
"""What rows are sorted by: the order within a table is not compared."""

LEFT_OUT = {
    "videos": {"source_version"},  # holds the file's time
    "clips": {"encode_digest", "schema_version"},  # names how results are kept, not a result
}

JSON_FOLDERS = ("metas/v0", "processed_videos", "processed_clip_chunks")
FILE_FOLDERS = ("clips", "filtered_clips", "previews", "frames")


def read_rows(output: Path, source: Path) -> dict[str, list[Row]]:
    """Name -> rows of tables, embeddings, JSON and funnel; paths are relative to ``output`` or ``source``."""
    parts: dict[str, list[Row]] = {name: _table(output, name) for name in TABLE_KEYS}
    parts["duplicates"] = _with_numbered_groups(parts["duplicates"])
    parts["embeddings"] = _embeddings(output)
    for folder in JSON_FOLDERS:
        parts[folder] = [_flat(json.loads(path.read_text())) for path in _files(output / folder)]
    parts["kept_clips"] = json.loads((output / "kept_clips.json").read_text())
    parts["funnel"] = [_flat(json.loads((output / "manifest.json").read_text())["funnel"])]
    folders = [f"{output}/", f"{source}/"]
    return {name: [_relative(row, folders) for row in rows] for name, rows in parts.items()}


def read_files(output: Path) -> dict[str, str]:
    """Path of each clip, and folder of each clip's previews and frames -> digest of the bytes."""
    found: dict[str, list[str]] = {}
    for folder in FILE_FOLDERS:
        for path in _files(output / folder):
            name = path.relative_to(output)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found.setdefault("/".join(name.parts[:2]), []).append(f"{name} {digest}")
    return {name: hashlib.sha256("\n".join(lines).encode()).hexdigest() for name, lines in found.items()}


def _table(output: Path, name: str) -> list[Row]:
    """A published table, one file or a folder of parts, sorted by its key."""
    file = output / "tables" / f"{name}.parquet"
    table = pq.read_table(file if file.exists() else file.with_suffix(""))
    kept = [column for column in table.column_names if column not in LEFT_OUT.get(name, ())]
    return sorted(table.select(kept).to_pylist(), key=lambda row: [str(row[key]) for key in TABLE_KEYS[name]])


def _with_numbered_groups(duplicates: list[Row]) -> list[Row]:
    """Group ids as numbers in the order of the rows: those of videos hold the place of the source."""
    numbers: dict[object, int] = {}
    return [{**row, "group_id": numbers.setdefault(row["group_id"], len(numbers))} for row in duplicates]


def _embeddings(output: Path) -> list[Row]:
    parts = [pq.read_table(path) for path in sorted(output.glob("*_embd_parquet/*.parquet"))]
    if not parts:
        return []
    return sorted(pa.concat_tables(parts).to_pylist(), key=lambda row: str(row["id"]))


def _flat(value: Mapping[str, object]) -> Row:
    """Nested objects as columns whose names have dots, so that an added one changes no other."""
    return dict(_items("", value))


def _items(prefix: str, value: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            yield from _items(f"{prefix}{name}.", inner)
        else:
            yield prefix + name, inner


def _relative(row: Row, folders: list[str]) -> Row:
    return {name: _without(value, folders) for name, value in row.items()}


def _without(value: object, folders: list[str]) -> object:
    if isinstance(value, str):
        for folder in folders:
            value = value.replace(folder, "")
    return value


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
