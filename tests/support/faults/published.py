"""What a reader finds in an output by its manifest, without what may differ between equal runs."""

import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq

from clipmill import identity
from clipmill.storage import store

Row = dict[str, object]
Json = Mapping[str, object]

OF_A_RUN = {
    "run_id", "source_version", "version", "attempts", "num_failed_runs", "snapshot_id", "created_at", "path",
    "parts", "sha256", "tables", "sources", "previous",
}  # fmt: skip
"""Names of columns and keys that hold ids and times of runs, versions of sources, and names made of them."""

IDS = {"videos": "uri", "clips": "clip_id", "windows": "window_id"}
"""Table -> the column that has each value once."""

EXPORTS = ("metas/", "processed_videos/", "processed_clip_chunks/")
FILES = ("clips/", "filtered_clips/", "previews/")
_NUMBERED_GROUP = "group_id"


@dataclass(frozen=True)
class Published:
    """Tables by name, rows sorted; JSON by path; digests of the files that rows name; the manifest."""

    tables: Mapping[str, list[Row]]
    exports: Mapping[str, object]
    files: Mapping[str, str]
    manifest: Json

    def clips(self) -> dict[str, tuple[str, str]]:
        """Returns clip id -> source and digest of the file, of the clips that have one."""
        rows = {str(row["clip_id"]): row for row in self.tables["clips"]}
        return {
            clip_id: (str(row["source_uri"]), self.files[str(row["clip_uri"])])
            for clip_id, row in rows.items()
            if row["clip_uri"]
        }


def read_published(output: str, source: str, *, copies_may_lag: bool = False) -> Published:
    """Reads a snapshot as a reader does: by its manifest. AssertionError where it does not hold together.

    Files with a table's plain name follow the manifest: they may lag only where publishing was cut short.
    """
    manifest = json.loads(store.read_bytes(f"{output}/manifest.json"))
    places = re.compile(rf"({re.escape(output)}|{re.escape(source)})(/|$)")
    tables = {name: _rows(output, name, entry, places) for name, entry in manifest["tables"].items()}
    names = [entry.uri.removeprefix(f"{output}/") for entry in store.find(output)]
    if not copies_may_lag:
        _check_copies(output, manifest, names)
    return Published(
        tables=tables,
        exports={
            name: _without(json.loads(store.read_bytes(f"{output}/{name}")), places)
            for name in names
            if name.startswith(EXPORTS) or name == "kept_clips.json"
        },
        files={name: _digest(f"{output}/{name}") for name in _named_files(tables)},
        manifest=cast(Json, _without(manifest, places)),
    )


def differences(found: Published, expected: Published) -> list[str]:
    """Returns what is not equal, in words; an empty list for equal snapshots."""
    parts = ("tables", "exports", "files", "manifest")
    return [
        line for part in parts for line in _differing(part, getattr(found, part), getattr(expected, part))
    ]


def stray_files(output: str, published: Published) -> set[str]:
    """Returns the clip and preview files of an output that no row of its snapshot names."""
    names = {entry.uri.removeprefix(f"{output}/") for entry in store.find(output)}
    return {name for name in names if name.startswith(FILES)} - published.files.keys()


def _differing(part: str, found: Mapping[str, object], expected: Mapping[str, object]) -> Iterator[str]:
    for name in sorted(found.keys() | expected.keys()):
        one, other = found.get(name), expected.get(name)
        if one != other:
            yield f"{part} {name}: {_first_difference(one, other)}"


def _first_difference(found: object, expected: object) -> str:
    if isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        pairs = zip(found, expected, strict=True)
        return next(_first_difference(one, other) for one, other in pairs if one != other)
    if isinstance(found, dict) and isinstance(expected, dict):
        names = sorted(found.keys() | expected.keys())
        return ", ".join(
            f"{name} {found.get(name)!r:.120} instead of {expected.get(name)!r:.120}"
            for name in names
            if found.get(name) != expected.get(name)
        )
    return f"{found!r:.300} instead of {expected!r:.300}"


def _rows(output: str, name: str, entry: Json, places: re.Pattern[str]) -> list[Row]:
    """The rows of a table of the manifest, whose parts must be there with their digests."""
    parts = cast("list[Json]", entry.get("parts") or [entry])
    tables = [_part(f"{output}/{part['path']}", str(part["sha256"])) for part in parts]
    assert sum(len(table) for table in tables) == entry["rows"], "the manifest counts other rows"
    rows = cast("list[Row]", pa.concat_tables(tables).to_pylist()) if tables else []
    cleaned = [cast(Row, _without(row, places)) for row in rows]
    _check_ids(name, cleaned)
    return _with_numbered_groups(sorted(cleaned, key=lambda row: json.dumps(_sort_key(row), default=str)))


def _part(uri: str, digest: str) -> pa.Table:
    data = store.read_bytes(uri)
    assert identity.bytes_digest(data) == digest, f"{uri} is not the table of the manifest"
    return pq.read_table(io.BytesIO(data))


def _check_ids(table: str, rows: list[Row]) -> None:
    if table in IDS:
        counts = Counter(row[IDS[table]] for row in rows)
        twice = [one for one, count in counts.items() if count > 1]
        assert not twice, f"{table} has twice: {twice}"


def _check_copies(output: str, manifest: Json, names: list[str]) -> None:
    """Checks the files that have a table's plain name against the manifest."""
    for name, entry in cast("Mapping[str, Json]", manifest["tables"]).items():
        plain = f"tables/{name}.parquet"
        parts = cast("list[Json]", entry.get("parts") or [entry])
        if plain in names and len(parts) == 1:
            assert identity.bytes_digest(store.read_bytes(f"{output}/{plain}")) == parts[0]["sha256"], plain


def _sort_key(row: Row) -> list[object]:
    first = ("uri", "video_id", "clip_id", "source_uri", "start_frame", "shot_index", "reason", "scope")
    return [row.get(name) for name in first] + [
        value for name, value in sorted(row.items()) if name not in first and name != _NUMBERED_GROUP
    ]


def _with_numbered_groups(rows: list[Row]) -> list[Row]:
    """Ids of groups as numbers in the order of the rows: those of videos hold the place of the source."""
    numbers: dict[object, int] = {}
    return [
        {**row, _NUMBERED_GROUP: numbers.setdefault(row[_NUMBERED_GROUP], len(numbers))}
        if _NUMBERED_GROUP in row
        else row
        for row in rows
    ]


def _named_files(tables: Mapping[str, list[Row]]) -> Iterator[str]:
    for rows in tables.values():
        for row in rows:
            yield from (str(row[name]) for name in ("clip_uri", "preview_uri") if row.get(name))


def _digest(uri: str) -> str:
    return identity.bytes_digest(store.read_bytes(uri))


def _without(value: object, places: re.Pattern[str]) -> object:
    """The value without what is of a run; paths relative to the output and the source."""
    if isinstance(value, dict):
        return {name: _without(one, places) for name, one in cast(Row, value).items() if name not in OF_A_RUN}
    if isinstance(value, list):
        return [_without(one, places) for one in cast("list[object]", value)]
    if isinstance(value, str):
        return places.sub("", value)
    return value
