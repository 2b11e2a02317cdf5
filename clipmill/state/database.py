"""A database in scratch space for joins over rows: its memory is limited, whatever the number of rows."""

import itertools
import re
import threading
import weakref
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb
import pyarrow as pa

from clipmill.errors import StoreError
from clipmill.machine import num_cores
from clipmill.scratch import PREFIX, ScratchFolder, fault_of
from clipmill.state import ids, part_file
from clipmill.state.part_set import PartSet, damaged_among
from clipmill.storage import store
from clipmill.storage.filesystems import filesystem_of

MEMORY_MB = 350
"""The process peaks 400 MB above it: half of that is Python with its libraries."""
PARTS_AT_ONCE = 320
"""The database keeps the footers of all files of its two queries in memory, beside its limit."""
_OF_LOCAL_FILES = {
    "async_threads": "0", "disable_parquet_prefetching": "true", "enable_external_file_cache": "false"
}  # fmt: skip
"""To hand the few kilobytes of a local part to another thread takes longer than to read them."""


@dataclass(frozen=True)
class Database:
    """A connection to a database that lives as long as the ``with`` block of ``scratch_database``."""

    connection: duckdb.DuckDBPyConnection
    folder: str
    """Scratch space that lives as long."""
    name: str
    columns: dict[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    """Form of parts -> type of each of their columns."""

    def run(self, query: str, **tables: pa.Table) -> None:
        """Carries out a statement that returns nothing. ``tables`` go by their names in it."""
        with self._named(tables):
            self.connection.execute(query)

    def rows(self, query: str, **tables: pa.Table) -> pa.Table:
        """Returns the rows of a query."""
        with self._named(tables):
            return self.connection.sql(query).to_arrow_table()

    def number(self, query: str) -> int:
        """Returns the one number of a query; 0 for null."""
        return int(self.rows(query).column(0)[0].as_py() or 0)

    @contextmanager
    def beside(self) -> Generator["Database"]:
        """Another connection to the same tables: both carry out statements at the same time."""
        connection = self.connection.cursor()
        try:
            connection.execute(f"USE {self.name}")
            yield replace(self, connection=connection)
        finally:
            connection.close()

    def batches(self, query: str, max_rows: int) -> Iterator[pa.RecordBatch]:
        """Yields the rows of a query in batches; until the last, nothing else may use this connection."""
        waiting: list[pa.RecordBatch] = []
        for batch in self.connection.sql(query).to_arrow_reader(max_rows):  # small ones for small files
            if waiting and sum(map(len, waiting)) + len(batch) > max_rows:
                yield pa.concat_batches(waiting)
                waiting = []
            waiting.append(batch)
        if waiting:
            yield pa.concat_batches(waiting)

    @contextmanager
    def _named(self, tables: dict[str, pa.Table]) -> Generator[None]:
        for name, table in tables.items():
            self.connection.register(name, table)
        try:
            yield
        finally:
            for name in tables:
                self.connection.unregister(name)

    def load(
        self,
        name: str,
        parts: PartSet,
        *,
        select: str,
        where: str = "true",
        schema: pa.Schema,
    ) -> PartSet:
        """Makes the table ``name`` of the rows of parts that count; returns the parts that could be read.

        ``select`` and ``where`` name columns of ``schema``, which has ``id``, ``outcome`` and ``run_id`` too;
        ids are UUIDs made by ``ids.key_of``. A column that no part has is null. What cleared and lost rows
        end is left out, and so are these rows. Damaged parts are set aside.
        """

        def query(rows: str) -> str:
            return f"SELECT {select} FROM ({rows}) r WHERE {where}"

        def begin() -> None:
            self.run(
                f"CREATE OR REPLACE TABLE {name} AS {query('FROM nothing')} LIMIT 0", nothing=keyed(schema)
            )

        def add(rows: str) -> None:
            self.run(f"INSERT INTO {name} {query(rows)}")

        return self.read(parts, schema, begin, add)

    def read(
        self, parts: PartSet, schema: pa.Schema, begin: Callable[[], None], add: Callable[[str], None]
    ) -> PartSet:
        """Calls ``add`` with queries for the rows that count, and starts again at ``begin`` after damage.

        A query whose rows are too many for the memory comes again for some of its parts at a time.
        """
        while True:
            begin()
            if not parts.live:
                return parts
            try:
                self._add(parts, schema, add)
                return parts
            except duckdb.Error as error:
                if PREFIX in str(error):
                    raise
                if left := parts.without_gone():
                    parts = left
                elif damaged := damaged_among(parts.live) or self._unread(parts, schema):
                    parts = parts.set_aside(damaged)
                else:
                    raise StoreError(parts.folder, f"cannot be read: {str(error).splitlines()[0]}") from error

    def _unread(self, parts: PartSet, schema: pa.Schema) -> list[str]:
        """Returns the parts that the database cannot read alone: Arrow skips what it does not need."""
        found: list[str] = []
        for uri in parts.live:
            try:
                self.rows(f"SELECT bit_xor(hash(r)) FROM ({self._rows_of((uri,), schema)}) r")
            except duckdb.OutOfMemoryException:
                raise
            except duckdb.Error:
                found.append(uri)
        return found

    def _add(self, parts: PartSet, schema: pa.Schema, add: Callable[[str], None]) -> None:
        self._open_store(parts.folder)
        standing = self._standing(parts, schema)
        for uris in _batches(parts.live):
            _in_memory(uris, lambda some: add(standing.format(self._rows_of(some, schema))))

    def _standing(self, parts: PartSet, schema: pa.Schema) -> str:
        """The query for the rows that no cleared or lost row ends, with a place for that of all rows."""
        mixed = [uri for uri in parts.live if not part_file.has_only_results(uri)]
        if not mixed:
            return "{}"
        ends = "SELECT id, run_id, outcome FROM"
        self.run(f"CREATE OR REPLACE TEMP TABLE ends AS {ends} nothing LIMIT 0", nothing=keyed(schema))
        for uris in _batches(mixed):
            self.run(f"INSERT INTO ends {ends} ({self._rows_of(uris, schema)}) WHERE {_ENDS}")
        return _STANDING if self.number("SELECT count(*) FROM ends") else "{}"

    def keep_best(self, name: str) -> None:
        """Keeps the row of each id that counts, in a table of rows."""
        if self.number(f"SELECT count(*) - count(DISTINCT id) FROM {name}"):
            best = f"SELECT arg_min(rowid, ({RANK}, run_id)) FROM {name} GROUP BY id"
            self.run(f"DELETE FROM {name} WHERE rowid NOT IN ({best})")

    def _rows_of(self, uris: tuple[str, ...], schema: pa.Schema) -> str:
        """The query for every row of some of the parts, with the columns of ``schema``."""
        form = part_file.columns_form(uris[0])
        there = self.columns.get(form)
        if there is None:
            described = self.connection.execute(f"DESCRIBE FROM {_source(uris[:1] if form else uris)}")
            there = {str(row[0]): str(row[1]) for row in described.fetchall()}
            if form:
                self.columns[form] = there
        columns = ", ".join(one for field in schema for one in _columns(field, there))
        return f"SELECT {columns} FROM {_source(uris)}"

    def _open_store(self, folder: str) -> None:
        for name, value in _OF_LOCAL_FILES.items():
            self.connection.execute(f"SET {name} = {value}" if store.is_local(folder) else f"RESET {name}")
        if not store.is_local(folder):
            scheme = folder.split("://", 1)[0]
            if scheme not in self.connection.list_filesystems():
                self.connection.register_filesystem(filesystem_of(folder))


_ENDS = "outcome IN ('cleared', 'lost')"
_STANDING = (
    "SELECT r.* FROM ({}) r LEFT JOIN (SELECT id, max(run_id) AS run, "
    "max(run_id) FILTER (WHERE outcome = 'lost') AS lost FROM ends GROUP BY id) over ON r.id = over.id "
    f"WHERE NOT r.{_ENDS} AND "
    "NOT coalesce(r.run_id <= CASE r.outcome WHEN 'result' THEN over.lost ELSE over.run END, false)"
)
"""The rows that no cleared or lost row of their run or a later one takes away."""
RANK = "CASE outcome WHEN 'result' THEN 0 WHEN 'final' THEN 1 ELSE 2 END"
"""The rank of an outcome, as ``winners.RANKS`` has it."""


def _in_memory(uris: tuple[str, ...], work: Callable[[tuple[str, ...]], None]) -> None:
    """Works on all parts at once; on each half of them, and so on, where memory does not suffice."""
    try:
        work(uris)
    except duckdb.OutOfMemoryException:
        if len(uris) == 1:
            raise
        for half in (uris[: len(uris) // 2], uris[len(uris) // 2 :]):
            _in_memory(half, work)


_WILD = re.compile(r"[\[?*]")
"""What DuckDB takes for a pattern in the name of a file that is not local."""


def _batches(uris: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yields parts in their order, as many as go into one query: all of one form, or of unknown ones."""
    for _, alike in itertools.groupby(uris, part_file.columns_form):
        while batch := tuple(itertools.islice(alike, PARTS_AT_ONCE)):
            yield batch


def _source(uris: Sequence[str]) -> str:
    quoted = ", ".join(_text(uri if store.is_local(uri) else _WILD.sub(r"[\g<0>]", uri)) for uri in uris)
    return f"read_parquet([{quoted}], union_by_name={not part_file.columns_form(uris[0])})"


def keyed(schema: pa.Schema) -> pa.Table:
    """Returns no rows with the columns that ``Database.load`` names."""
    keys = [pa.field(one.name, pa.uuid()) if one.name in ids.ID_COLUMNS else one for one in schema]
    return pa.schema([*keys, pa.field("video_id_text", pa.string())]).empty_table()


def _columns(field: pa.Field, there: Mapping[str, str]) -> Iterator[str]:
    """Yields expressions for a column; an id of a video also as text, under ``<name>_text``."""
    name, kind = f'"{field.name}"', there.get(field.name, "NULL")
    if field.name in ids.ID_COLUMNS:
        yield f"{ids.key_of(name, kind)} AS {name}"
        if field.name == "video_id":
            yield f"{ids.hex_of(name, kind)} AS video_id_text"
    elif field.name == "outcome":
        yield f"coalesce({name if kind != 'NULL' else 'NULL'}, {_reason_in_words(there)}) AS {name}"
    elif field.name in ("run_id", "effects"):
        yield f"coalesce({name if kind != 'NULL' else 'NULL'}, '') AS {name}"
    else:
        yield name if kind != "NULL" else f"NULL AS {name}"


def _reason_in_words(there: Mapping[str, str]) -> str:
    """The outcome of rows that only have a reason, as ``part_file.outcome_of`` says it."""
    if "reason" not in there:
        return "'result'"
    return (
        "CASE WHEN reason IS NULL THEN 'result' WHEN reason = 'store_error' THEN 'retryable' ELSE 'final' END"
    )


def case_of(name: str, values: Mapping[str, str]) -> str:
    """Returns the expression that maps a column of text; the text is empty where ``values`` does not say."""
    cases = [f"WHEN {_text(key)} THEN {_text(value)}" for key, value in values.items() if value]
    return f"CASE {name} {' '.join(cases)} ELSE '' END" if cases else "''"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


class _Engine:
    """What carries out the statements of all databases of a process; it ends with the last of its users."""

    def __init__(self) -> None:
        folder = ScratchFolder("spill")
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{MEMORY_MB}MB",
            "threads": min(num_cores(), 4),
            "temp_directory": str(Path(folder.path) / "spill"),
            "preserve_insertion_order": True,
            "arrow_lossless_conversion": True,
            "force_compression": "uncompressed",  # packing takes more than writing
        }
        self.connection = duckdb.connect(config=settings)
        self.connection.execute("SET enable_progress_bar = false")
        weakref.finalize(self, _end, self.connection, folder)


def _end(connection: duckdb.DuckDBPyConnection, folder: ScratchFolder) -> None:
    connection.close()
    folder.close()


_last_engine: weakref.ReferenceType[_Engine] | None = None
_engine_lock = threading.Lock()
_numbers = itertools.count()


def _engine() -> _Engine:
    """Returns the engine of this process, a new one where the last has no user any more."""
    global _last_engine
    with _engine_lock:
        engine = (_last_engine and _last_engine()) or _Engine()
        _last_engine = weakref.ref(engine)
        return engine


@contextmanager
def kept_engine() -> Generator[None]:
    """Databases that are opened in the body, one after another, share an engine: to start one takes long."""
    engine = _engine()
    yield
    del engine


@contextmanager
def scratch_database() -> Generator[Database]:
    """A database in scratch space, gone at the end; its memory is limited, together with that of others.

    ScratchFault where a scratch disk is full.
    """
    engine, name = _engine(), f"scratch_{next(_numbers)}"
    connection = engine.connection.cursor()
    with ScratchFolder("database") as folder:
        path = _text(str(Path(folder.path) / "rows.db"))  # tables in memory would fill the whole limit
        try:
            connection.execute(f"ATTACH {path} AS {name} (RECOVERY_MODE no_wal_writes); USE {name}")
            try:
                yield Database(connection, folder.path, name)
            finally:
                connection.execute(f"USE memory; DETACH {name}")  # which writes, and so may fail too
        except duckdb.Error as error:
            if PREFIX not in str(error):
                raise
            cause = next(line for line in str(error).splitlines() if PREFIX in line)
            raise fault_of(cause, folder.path) from error
        finally:
            connection.close()
