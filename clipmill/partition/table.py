"""The append-only table of parts: each run adds a file, and the last row of a clip counts."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from clipmill import arrow, layout
from clipmill.errors import OutputError
from clipmill.scratch import ScratchFolder
from clipmill.state.ids import UUID, keys_of, text_of
from clipmill.storage import conditional, parquet, store

HELD_OUT = "held_out"
"""Part of clips that are in none: they would leak, or exceed a cap."""

PARTS_SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()), ("group_id", pa.string()), ("part", pa.string()), ("reason", pa.string()),
        ("snapshot_id", pa.string()),
    ]
)  # fmt: skip
_ROWS = 16_384


def folder(output: str) -> str:
    """``splits/`` below an output."""
    return layout.join(store.normalise(output), "splits")


def settings_path(output: str) -> str:
    """What all files of the table were made by."""
    return layout.join(folder(output), "settings.json")


def read_settings(output: str) -> Mapping[str, Any] | None:
    """Returns what the table was made by; None for an output that was never split."""
    uri = settings_path(output)
    return store.read_record(uri) if store.exists(uri) else None


def part_files(output: str) -> list[str]:
    """Returns the URIs of the table's files, oldest first."""
    return [entry.uri for entry in store.find(folder(output), (".parquet",))]


def part_rows(output: str) -> Iterator[pa.Table] | None:
    """Yields the rows of the table, oldest first; None for an output that was never split."""
    files = part_files(output)
    if not files:
        return None
    columns = ["clip_id", "part", "reason"]
    return (table for uri in files for table in parquet.read_batches(uri, columns, max_rows=_ROWS))


def check_settings(output: str, lasting: Mapping[str, object]) -> None:
    """OutputError for a table that was made by other settings."""
    known = read_settings(output)
    if known is not None and dict(known) != dict(lasting):
        raise OutputError(
            f"{folder(output)} has {_in_words(known)}, not {_in_words(lasting)}: split with the same, "
            "or move that folder away to begin anew"
        )


def _in_words(settings: Mapping[str, Any]) -> str:
    parts = ", ".join(settings["parts"])
    return f"parts {parts} grouped by {settings['group_by']}" if settings["group_by"] else f"parts {parts}"


def append_rows(output: str, rows: Iterable[pa.Table], lasting: Mapping[str, object]) -> None:
    """Adds a file behind the others. WriteConflict where another run added one meanwhile."""
    store.put_if_changed(settings_path(output), json.dumps(dict(lasting)).encode())
    with ScratchFolder("split") as scratch:
        path = Path(scratch.path) / "rows.parquet"
        if parquet.write_file(str(path), rows, schema=PARTS_SCHEMA):
            uri = layout.join(folder(output), f"part-{len(part_files(output)):06d}.parquet")
            conditional.put_new(uri, path)


@dataclass(frozen=True)
class Standing:
    """The parts that earlier runs gave, one row for each clip.

    ``ids`` are as ``short`` has them. ``groups`` and ``parts`` are codes, places in ``group_ids`` and
    ``names``.
    """

    ids: pa.Array
    groups: np.ndarray
    group_ids: pa.Array
    parts: np.ndarray
    names: list[str]

    def by_id(self) -> dict[str, str]:
        """Returns clip id -> part."""
        parts = (self.names[part] for part in self.parts.tolist())
        return dict(zip(texts(self.ids).to_pylist(), parts, strict=True))


def read_standing(output: str) -> Standing:
    """Returns the last row of each clip of the table of parts."""
    nothing = pa.schema([PARTS_SCHEMA.field(name) for name in ("clip_id", "group_id", "part")]).empty_table()
    found = [_coded(nothing)]
    for uri in part_files(output):
        found += map(_coded, parquet.read_batches(uri, nothing.column_names, max_rows=_ROWS))
    ids, table = joined([one for one, _ in found]), pa.concat_tables([one for _, one in found])
    last = np.sort(_last_rows(ids))
    table = table.unify_dictionaries().take(pa.array(last))
    (groups, group_ids), (parts, names) = (codes_of(table[name]) for name in ("group_id", "part"))
    return Standing(ids.take(pa.array(last)), groups, group_ids, parts.astype(np.int8), names.to_pylist())


def _coded(table: pa.Table) -> tuple[pa.Array, pa.Table]:
    columns = {name: table[name].combine_chunks().dictionary_encode() for name in ("group_id", "part")}
    return short(table["clip_id"].combine_chunks()), pa.table(columns)


def _last_rows(ids: pa.Array) -> np.ndarray:
    """The row of each id's last place."""
    order = sorted_rows(ids)  # of equal ids in their order
    in_order = ids.take(pa.array(order))
    is_last = np.ones(len(ids), bool)
    is_last[:-1] = arrow.flags(arrow.not_equal(in_order[:-1], in_order[1:]))
    return order[is_last]


def short(values: pa.Array) -> pa.Array:
    """Returns ids as 16 bytes where all are UUIDs as clips have them, else as they are; both sort alike."""
    form, keys = keys_of(values)
    return keys.storage if form is UUID else values


def texts(values: pa.Array) -> pa.Array:
    """Returns ids as text."""
    return values if pa.types.is_string(values.type) else text_of(values, UUID)


def joined(arrays: Sequence[pa.Array]) -> pa.Array:
    """Returns ids one behind the other, as text where any of them are."""
    some = [one for one in arrays if len(one)] or [pa.array([], pa.string())]
    are_alike = all(one.type == some[0].type for one in some)
    return pa.concat_arrays(some if are_alike else list(map(texts, some)))


def sorted_rows(ids: pa.Array) -> np.ndarray:
    """Returns int32 ``(N,)``: the rows in the order of their ids."""
    return arrow.sort_indices(ids).astype(np.int32)


def places_in(ids: pa.Array, among: pa.Array) -> np.ndarray:
    """Returns int32 ``(N,)``: the place of each id in ``among``, -1 where it is not there."""
    if not len(among) or not len(ids):
        return np.full(len(ids), -1, np.int32)
    if ids.type != among.type:
        ids, among = texts(ids), texts(among)
    return arrow.index_in(ids, among).fill_null(-1).to_numpy(zero_copy_only=False)


def codes_of(column: pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    """Returns codes int32 ``(N,)``, -1 for null, and the values that they are places of."""
    encoded = column.combine_chunks().dictionary_encode()  # of codes: as it is
    return encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False), encoded.dictionary
