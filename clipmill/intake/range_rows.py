"""Rows in files of scratch space: those of a stage by range, and splits by where they were read."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager

import numpy as np
import pyarrow as pa

from clipmill import arrow
from clipmill.stages.process_stage import SEEN_CLIPS
from clipmill.state.database import RANK, Database, keyed
from clipmill.state.part_set import PartSet
from clipmill.state.schema import SPLIT_STATE
from clipmill.state.splits import LISTS
from clipmill.state.winners import RANKS, codes_of, ranks_of

PLACE, RANGE = "clipmill place", "clipmill range"
"""Names that no column of a stage can have."""
ROWS_AT_ONCE, SPLITS_AT_ONCE = 65_536, 4_096
_KEYS = {"outcome", "run_id", "effects", "start_frame", "end_frame"}
_OUTCOMES = list(RANKS)[: RANKS["retryable"] + 1]
"""Outcomes by rank: the files have the ranks."""


def written_fields(schema: pa.Schema, *, has_effects: bool) -> list[pa.Field]:
    """Returns the columns of a stage's rows that are written beside their places.

    Rows of one rank without values of their own are equal: their run does not matter.
    """
    unread = {"id", "clip_id"} if has_effects else {"id", "clip_id", "effects"}
    found = [field for field in schema if field.name not in unread]
    has_values = bool({field.name for field in found} - _KEYS)
    return found if has_values else [field for field in found if field.name != "run_id"]


def best_of(rows: pa.Table, places: np.ndarray) -> np.ndarray:
    """Returns the row of each place that counts."""
    if not len(rows) or np.bincount(places).max() == 1:
        return np.arange(len(rows))
    runs = codes_of(rows["run_id"]) if "run_id" in rows.column_names else np.zeros(len(rows))
    is_newest = SEEN_CLIPS in rows.column_names
    order = np.lexsort((-runs if is_newest else runs, ranks_of(rows), places))
    return order[np.concatenate([[True], np.diff(places[order]) != 0])]


def row_of_places(rows: pa.Table, places: np.ndarray, num_places: int) -> pa.Array:
    """Returns the row of each place that counts, null where there is none."""
    row_of = np.full(num_places, -1)
    best = best_of(rows, places)
    row_of[places[best]] = best
    return pa.array(row_of, pa.int64(), mask=row_of < 0)


class _Batches:
    """Batches of rows in a file of scratch space, any of which is read again."""

    def __init__(self, path: str, schema: pa.Schema) -> None:
        self.path, self.schema = path, schema
        self._writer: pa.ipc.RecordBatchFileWriter | None = None
        self.num = 0

    def begin(self) -> None:
        """Starts a file without rows."""
        self.end()
        self._writer = pa.ipc.new_file(self.path, self.schema)
        self.num = 0

    def add(self, rows: pa.RecordBatch) -> None:
        """Writes the columns of the schema."""
        columns = [_typed(rows[field.name], field.type) for field in self.schema]
        assert self._writer, "it was not begun"
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self.schema))
        self.num += 1

    def end(self) -> None:
        """Completes the file."""
        if self._writer:
            self._writer.close()
        self._writer = None

    @contextmanager
    def reader(self) -> Generator[pa.ipc.RecordBatchFileReader]:
        """What reads the file; its pages count as memory until then."""
        with pa.memory_map(self.path) as file:
            yield pa.ipc.open_file(file)


def _typed(values: pa.Array, kind: pa.DataType) -> pa.Array:
    return pa.nulls(len(values), kind) if values.null_count == len(values) else values.cast(kind)


def _joined(batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_batches(batches, schema=schema).combine_chunks()


class RangeSpool:
    """The rows of a stage in a file of scratch space, those of a range together in each batch."""

    def __init__(self, path: str, fields: Sequence[pa.Field]) -> None:
        kept = [pa.field(one.name, pa.int8()) if one.name == "outcome" else one for one in fields]
        places = [pa.field(RANGE, pa.int32()), pa.field(PLACE, pa.int64())]
        self._batches = _Batches(path, pa.schema([*places, *kept]))

    def load(
        self, database: Database, parts: PartSet, schema: pa.Schema, *, join: str, where: str
    ) -> PartSet:
        """Reads rows ``r``, joined to clips ``c``; returns the parts that could be read."""
        fields = [name for name in self._batches.schema.names if name not in (RANGE, PLACE)]
        values = (f"{RANK} AS outcome" if name == "outcome" else f'r."{name}"' for name in fields)
        names = ", ".join([f'c.range AS "{RANGE}"', f'c.place AS "{PLACE}"', *values])

        def add(rows: str) -> None:
            query = f"SELECT {names} FROM ({rows}) r {join} WHERE {where}"
            for batch in database.batches(query, ROWS_AT_ONCE):
                order = np.argsort(np.asarray(batch[RANGE]), kind="stable")
                self._batches.add(batch.take(pa.array(order)))

        left = database.read(parts, schema, self._batches.begin, add)
        self._batches.end()
        return left

    def rows(self, index: int) -> pa.Table:
        """Returns the rows of a range with their places."""
        found: list[pa.RecordBatch] = []
        with self._batches.reader() as reader:
            for number in range(reader.num_record_batches):
                batch = reader.get_batch(number)
                start, end = np.searchsorted(np.asarray(batch[RANGE]), [index, index + 1])
                found += [batch.slice(start, end - start)] if start < end else []
            rows = _joined(found, self._batches.schema)
        outcomes = pa.array(_OUTCOMES).take(rows["outcome"].combine_chunks())
        rows = rows.set_column(rows.schema.get_field_index("outcome"), "outcome", outcomes)
        return rows.drop_columns([RANGE])


class SplitSpool:
    """Splits in a file of scratch space; any of their rows is read again."""

    def __init__(self, path: str, columns: Sequence[str]) -> None:
        self._columns = columns
        self._batches = _Batches(path, pa.schema([SPLIT_STATE.field(name) for name in columns]))

    def load(self, database: Database, parts: PartSet) -> PartSet:
        """Reads splits; returns the parts that could be read.

        The table ``splits`` has their ids and effects, the columns that are no lists, the number of their
        clips, and where the rows are: ``batch``, and ``row`` in it.
        """
        light = ["id", "effects", *(name for name in self._columns if name not in LISTS)]
        names = ", ".join(f'"{name}"' for name in light)
        chosen = ", ".join(map(_split_value, dict.fromkeys([*light, *self._columns])))
        place = "len(clips) AS num_clips, 0 AS batch, 0 AS row"

        def begin() -> None:
            self._batches.begin()
            database.run(
                f"CREATE OR REPLACE TABLE splits AS SELECT {names}, {place} FROM nothing LIMIT 0",
                nothing=keyed(SPLIT_STATE),
            )

        with database.beside() as reader:

            def add(rows: str) -> None:
                for batch in reader.batches(f"SELECT {chosen} FROM ({rows})", SPLITS_AT_ONCE):
                    found = {name: batch[name] for name in light}
                    found["num_clips"] = pa.array(arrow.list_lengths(batch["clips"]))
                    found["row"] = pa.array(np.arange(len(batch)))
                    database.run(
                        f"INSERT INTO splits SELECT {names}, num_clips, {self._batches.num}, row FROM found",
                        found=pa.table(found),
                    )
                    self._batches.add(batch)

            left = reader.read(parts, SPLIT_STATE, begin, add)
        self._batches.end()
        return left

    def rows(self, batches: np.ndarray, rows: np.ndarray, names: Sequence[str]) -> pa.Table:
        """Returns columns of N rows, by the numbers and places in their batches."""
        order = np.argsort(batches, kind="stable")
        numbers, starts = np.unique(batches[order], return_index=True)
        ends = np.append(starts, len(order))[1:]
        found: list[pa.RecordBatch] = []
        with self._batches.reader() as reader:
            for number, start, end in zip(numbers.tolist(), starts, ends, strict=True):
                batch = reader.get_batch(number).select(names)
                found.append(batch.take(pa.array(rows[order[start:end]])))
        schema = pa.schema([self._batches.schema.field(name) for name in names])
        return _joined(found, schema).take(pa.array(np.argsort(order)))


def _split_value(name: str) -> str:
    """Returns the expression for a column of a split; no traits are an empty text."""
    return "coalesce(traits, '') AS traits" if name == "traits" else f'"{name}"'
