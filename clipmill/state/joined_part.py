"""One part made of many, with the rows that still matter."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clipmill import arrow, layout
from clipmill.planning.judgement import LOST, RESULT
from clipmill.scratch import scratch_file
from clipmill.stages.process_stage import SEEN_CLIPS
from clipmill.state import ids, part_file
from clipmill.state.schema import OUTCOME
from clipmill.state.winners import RANKS, codes_of, items_of, ranks_of, taken_away
from clipmill.storage import parquet, store

_KEYS = pa.schema([OUTCOME.field(name) for name in ("id", "outcome", "run_id", "effects")])
_COPY_BYTES = 1 << 20
PREFIX = "compacted"


@dataclass(frozen=True)
class Keys:
    """The keys of a part's rows, and the schema of the part, with ids as text."""

    rows: pa.Table
    schema: pa.Schema


class Group(dict[str, Keys]):
    """URI of a part -> its keys, in the order of the parts."""


def read_keys(uri: str) -> Keys:
    """Returns the keys of a part. DamagedPart for a file that is none."""
    data = store.read_bytes(uri)
    rows = part_file.decode(uri, data, schema=_KEYS)
    return Keys(rows, ids.as_text(part_file.schema_of(uri, data)))


def write_joined(folder: str, group: Group) -> tuple[str, int]:
    """Writes the part that replaces a group; returns its name and its number of rows."""
    with scratch_file("part") as file:
        try:
            num_rows = _write(file.name, group, as_bytes=True)
        except _MixedIds:
            num_rows = _write(file.name, group, as_bytes=False)
        digest = hashlib.sha256()
        with open(file.name, "rb") as written:
            while piece := written.read(_COPY_BYTES):
                digest.update(piece)
        outcomes = pa.chunked_array([chunk for one in group.values() for chunk in one.rows["outcome"].chunks])
        has_only_results = bool(arrow.flags(arrow.equal(outcomes, RESULT)).all())
        form = part_file.form_of(pq.read_schema(file.name), has_only_results=has_only_results)
        name = part_file.name_of(PREFIX, form, digest.hexdigest())
        store.put_file(layout.join(folder, name), file.name)
    return name, num_rows


class _MixedIds(Exception):
    """Not every id of a column has the same form."""


def _write(path: str, group: Group, *, as_bytes: bool) -> int:
    schema = pa.unify_schemas([keys.schema for keys in group.values()], promote_options="permissive")
    writer: pq.ParquetWriter | None = None
    num_rows = 0
    for rows in _row_groups(group, schema):
        stored = _like(ids.encoded(rows), writer.schema if writer else None) if as_bytes else rows
        writer = writer or pq.ParquetWriter(
            path, stored.schema, version="2.6", compression="zstd",
            use_dictionary=parquet.repeating(stored.schema),  # pyright: ignore[reportArgumentType] names are fine too
        )  # fmt: skip
        writer.write_table(stored, row_group_size=part_file.group_rows(schema))
        num_rows += len(rows)
    if writer:
        writer.close()
    return num_rows


def _like(rows: pa.Table, schema: pa.Schema | None) -> pa.Table:
    """Returns rows with ids as those before them have them: nulls alone do not show a form."""
    for index, field in enumerate(schema or ()):
        if rows.schema.field(index).type != field.type:
            if rows.column(index).null_count < len(rows):
                raise _MixedIds
            rows = rows.set_column(index, field, pa.nulls(len(rows), field.type))
    return rows


def _row_groups(group: Group, schema: pa.Schema) -> Iterator[pa.Table]:
    """Yields the rows that matter, a row group at a time."""
    size = part_file.group_rows(schema)
    empty = schema.empty_table()
    waiting = [empty]
    for rows in _kept_rows(group, schema):
        waiting.append(rows)
        if sum(map(len, waiting)) >= size:
            joined = pa.concat_tables(waiting)
            whole = len(joined) // size * size
            yield from (joined.slice(start, size).combine_chunks() for start in range(0, whole, size))
            waiting = [empty, joined.slice(whole)]
    if rest := sum(map(len, waiting)):
        yield pa.concat_tables(waiting).slice(0, rest).combine_chunks()


def _kept_rows(group: Group, schema: pa.Schema) -> Iterator[pa.Table]:
    keys = pa.concat_tables([one.rows for one in group.values()]).combine_chunks()
    is_kept = kept(keys, newest=SEEN_CLIPS in schema.names)
    start = 0
    for uri, one in group.items():
        mask = is_kept[start : start + len(one.rows)]
        start += len(one.rows)
        if mask.any():
            rows = part_file.decode(uri, store.read_bytes(uri), schema=schema)
            yield rows if mask.all() else rows.filter(pa.array(mask))


def kept(rows: pa.Table, *, newest: bool) -> np.ndarray:
    """Returns bool ``(N,)``: the rows that may still count, each once.

    An id with a result keeps the one that counts, for each of its effects, and its last lost row: a part that
    is not joined may hold an older result. An id without one keeps one row for each outcome and run.
    """
    if not len(rows):
        return np.zeros(0, bool)
    names, runs, ranks = items_of(rows), codes_of(rows["run_id"]), ranks_of(rows)
    is_over = taken_away(rows)
    order = np.lexsort((-runs if newest else runs, ranks, is_over, names))
    is_first = np.concatenate([[True], np.diff(names[order]) != 0])
    first_of = np.maximum.accumulate(np.where(is_first, np.arange(len(order)), 0))
    has_result = (ranks[order][first_of] == RANKS[RESULT]) & ~is_over[order][first_of]
    is_lost = ranks[order] == RANKS[LOST]
    is_repeat = (
        np.concatenate([[False], (np.diff(ranks[order]) == 0) & (np.diff(runs[order]) == 0)]) & ~is_first
    )
    found = np.zeros(len(rows), bool)
    found[order] = np.where(has_result & ~is_lost, is_first, ~is_repeat)
    return found & ~is_over
