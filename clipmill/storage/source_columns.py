"""What users know of their sources: columns of a CSV or parquet file, joined by URI."""

import io
import logging
import os
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from pyarrow import csv

from clipmill import arrow, identity, layout
from clipmill.errors import SpecError
from clipmill.storage import parquet, store
from clipmill.storage.filesystems import is_local

logger = logging.getLogger(__name__)

PREFIX = "source."
"""How the columns are called in tables and by stages: ``source.licence``."""
_KEYS = ("uri", "source_uri", "path", "file")
_DELIMITERS = (",", ";", "\t")
_SHOWN_NAMES = 3


@dataclass(frozen=True)
class SourceColumns:
    """One row for each source: its names, and columns that begin with ``source.``.

    ``uris`` name ``rows`` by place: a relative name may stand for a file below the table's folder or below
    the source, so that a row may have two.
    """

    file: str
    uris: pa.Array
    places: pa.Array
    rows: pa.Table

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return self.rows.column_names

    def of(self, uris: pa.Array | pa.ChunkedArray) -> pa.Table:
        """Returns a row for each of ``uris``; null where the file does not name it."""
        uris = uris.combine_chunks() if isinstance(uris, pa.ChunkedArray) else uris
        return self.rows.take(self.places.take(arrow.index_in(uris, self.uris)))

    def beside(self, table: pa.Table, *, key: str = "source_uri") -> pa.Table:
        """Returns a table with the columns of the sources in its column ``key``; they replace its own."""
        found = self.of(table[key])
        table = table.drop_columns([name for name in self.names if name in table.column_names])
        for name in self.names:
            table = table.append_column(name, found[name])
        return table

    def values_of(self, uri: str, names: Iterable[str]) -> Mapping[str, object]:
        """Returns the values of a source as JSON has them: times as text; None where there are none."""
        place = self._place_of.get(uri)
        values = {name: None if place is None else self.rows[name][place].as_py() for name in names}
        return {name: plain_value(value) for name, value in values.items()}

    @cached_property
    def _place_of(self) -> Mapping[str, int]:
        pairs = zip(self.uris.to_pylist(), self.places.to_pylist(), strict=True)
        return dict(reversed([(str(uri), int(place)) for uri, place in pairs]))

    def check_against(self, uris: Sequence[str]) -> None:
        """Names sources that the file lacks, and rows of no source, in a warning each.

        SpecError where no row is of any source.
        """
        listed = pa.array(uris, pa.string())
        is_listed = arrow.flags(arrow.is_in(self.uris, listed))
        places = np.asarray(self.places)
        unknown = np.setdiff1d(places, places[is_listed])
        shown = [str(self.uris[int(np.flatnonzero(places == row)[0])]) for row in unknown[:_SHOWN_NAMES]]
        if uris and len(unknown) == len(self.rows):
            raise SpecError(
                f"{self.file} names no video of the source: it names {', '.join(shown) or 'nothing'}, "
                f"the source has {uris[0]}"
            )
        if len(unknown):
            logger.warning(
                "%s: %d rows are of no source: %s", self.file, len(unknown), _listed(shown, unknown)
            )
        lacking = np.flatnonzero(~arrow.flags(arrow.is_in(listed, self.uris)))
        if len(lacking):
            named = [uris[int(place)] for place in lacking[:_SHOWN_NAMES]]
            logger.warning(
                "%s does not name %d sources: %s", self.file, len(lacking), _listed(named, lacking)
            )


def _listed(shown: Sequence[str], every: np.ndarray) -> str:
    return ", ".join(shown) + (" ..." if len(every) > len(shown) else "")


def plain_value(value: object) -> object:
    """Returns a value of a table as JSON has it: times as text, lengths in seconds, bytes in base 64."""
    if isinstance(value, date | time):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return float(value)
    return b64encode(value).decode() if isinstance(value, bytes) else value


def values_mark(values: Mapping[str, object]) -> str:
    """Returns the name of some values of a source, for rows that were made with them; empty for none."""
    known = {name: value for name, value in values.items() if value is not None}
    return f"source={identity.stage_digest('source', 1, known)[:16]}" if known else ""


def read_source_columns(uri: str, *, root: str = "", schema: pa.Schema | None = None) -> SourceColumns:
    """Returns the columns of a CSV or parquet file that names sources.

    The URIs are in ``uri``, ``source_uri``, ``path`` or ``file``. A relative path counts from the folder of
    the file, or from ``root``. A CSV is in UTF-8, its cells end at commas, semicolons or tabs, and an empty
    one is no value. Whole numbers are int64, others float64. SpecError for a file without such a
    column, that is no table, that says two things of one source, that has values of other kinds than texts,
    numbers, flags, times and lists of texts, or columns other than ``schema``.
    """
    table = _table(uri)
    key = _key_of(uri, table.schema)
    rows = _typed(uri, table.drop_columns([key]))
    if schema is not None and rows.schema != schema:
        raise SpecError(f"the columns of {uri} changed while the run worked: run again")
    folder = store.normalise(uri).rpartition("/")[0]
    names = [str(one or "") for one in table[key].cast(pa.string()).to_pylist()]
    kept = _once(uri, [_whole(name, folder) if name else "" for name in names], rows)
    bases = (folder, root or folder)
    whole = [(_whole(names[row], base), place) for base in bases for place, row in enumerate(kept)]
    unique = dict(reversed(whole))  # of two names the first counts
    return SourceColumns(
        uri,
        pa.array(list(unique), pa.string()),
        pa.array(list(unique.values()), pa.int64()),
        rows.take(pa.array(kept, pa.int64())),
    )


def _key_of(uri: str, schema: pa.Schema) -> str:
    """The column of the names, as the file spells it."""
    key = _spelled_key(schema.names)
    if not key:
        found = ", ".join(schema.names)
        raise SpecError(f"{uri} needs a column {', '.join(_KEYS[:-1])} or {_KEYS[-1]}; it has {found}")
    if _text_kind(kind := schema.field(key).type) is None:
        raise SpecError(f"{uri}: column {key} holds {kind}, which names no file")
    return key


def _spelled_key(names: Sequence[str]) -> str:
    spelled = {name.strip().lower(): name for name in reversed(names)}
    return next((spelled[key] for key in _KEYS if key in spelled), "")


def _once(uri: str, names: Sequence[str], rows: pa.Table) -> list[int]:
    """The first row of each name. SpecError where another one says something else."""
    if num_nameless := sum(not name for name in names):
        logger.warning("%s: %d rows name no file", uri, num_nameless)
    first: dict[str, int] = {}
    for row, name in enumerate(names):
        if not name:
            continue
        before = first.setdefault(name, row)
        if before != row and (other := _difference(rows, before, row)):
            raise SpecError(f"{uri} names {name} twice, with different {other.removeprefix(PREFIX)}")
    return list(first.values())


def _difference(rows: pa.Table, one: int, other: int) -> str:
    pairs = ((name, rows[name][one].as_py(), rows[name][other].as_py()) for name in rows.column_names)
    return next((name for name, left, right in pairs if left != right), "")


def _typed(uri: str, table: pa.Table) -> pa.Table:
    names = table.column_names
    bare = [name.strip() for name in names]
    wrong = next((name for name in bare if not name or bare.count(name) > 1), None)
    if wrong is not None:
        raise SpecError(f"{uri} has two columns {wrong}" if wrong else f"{uri} has a column without a name")
    columns = {PREFIX + name.strip(): _cast(uri, name, table[name]) for name in names}
    return pa.table(columns).combine_chunks() if columns else table


def _cast(uri: str, name: str, values: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    kind = _kind(values.type)
    if kind is None:
        raise SpecError(
            f"{uri}: column {name} holds {values.type}, which is no text, number, flag, time or list of texts"
        )
    try:
        found = values.cast(kind, safe=not pt.is_timestamp(kind))
    except pa.ArrowInvalid as error:
        raise SpecError(f"{uri}: column {name} holds a value that is no {kind}: {error}") from error
    if pt.is_floating(kind):  # JSON knows no infinity
        return arrow.if_else(arrow.is_finite(found), found, pa.scalar(None, kind))
    return found


def _kind(kind: pa.DataType) -> pa.DataType | None:
    """The type that the tables have for values of a type; None for kinds that they do not hold."""
    if pt.is_list(kind) or pt.is_large_list(kind):
        return pa.list_(pa.string()) if _text_kind(kind.value_type) else None
    if pt.is_integer(kind):
        return pa.int64()
    if pt.is_floating(kind) or pt.is_decimal(kind):
        return pa.float64()
    if pt.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    return kind if pt.is_boolean(kind) or pt.is_date(kind) else _text_kind(kind)


def _text_kind(kind: pa.DataType) -> pa.DataType | None:
    """``string`` for every type of texts; None for others."""
    if pt.is_dictionary(kind):
        kind = kind.value_type
    is_text = (pt.is_string, pt.is_large_string, pt.is_string_view, pt.is_null)
    return pa.string() if any(is_kind(kind) for is_kind in is_text) else None


def _table(uri: str) -> pa.Table:
    if uri.endswith(".parquet"):
        return parquet.read_columns(uri)
    if store.is_local(uri) and os.path.isdir(store.normalise(uri)):
        raise SpecError(f"{uri} is a folder: name a CSV or parquet file")
    data = store.read_bytes(uri)
    try:
        header = data.decode("utf-8-sig").partition("\n")[0]
    except UnicodeDecodeError as error:
        raise SpecError(f"{uri} is no text in UTF-8: save it as CSV in UTF-8, or as parquet") from error
    delimiter = next((one for one in _DELIMITERS if _spelled_key(header.replace('"', "").split(one))), ",")
    # In one block, so that a column of numbers with a text at its end is one of texts.
    reading = csv.ReadOptions(block_size=len(data) + 1)
    try:
        table = csv.read_csv(io.BytesIO(data), reading, csv.ParseOptions(delimiter=delimiter))
    except pa.ArrowInvalid as error:
        raise SpecError(f"{uri} is no CSV: {str(error).splitlines()[0]}") from error
    for place, field in enumerate(table.schema):
        if pt.is_string(field.type):
            table = table.set_column(place, field.name, _texts(uri, field.name, table.column(place)))
    return table


def _texts(uri: str, name: str, values: pa.ChunkedArray) -> pa.Array:
    """A column of texts, in which an empty cell is no value; one of numbers and a few texts is named."""
    found = [one for one in values.to_pylist() if one]
    texts = [one for one in found if not _is_number(one)]
    if found and 0 < len(texts) < len(found) / 2:
        logger.warning("%s: column %s holds numbers and texts such as %r: all are texts", uri, name, texts[0])
    return arrow.if_else(arrow.not_equal(values, ""), values, pa.scalar(None, pa.string()))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _whole(name: str, folder: str) -> str:
    is_relative = is_local(name) and not name.startswith(("/", "file://"))
    return store.normalise(layout.join(folder, name) if is_relative else name)
