"""Columns of a table of clips, by which duplicates are ranked."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from clipmill.dedup.best_copy import Facts
from clipmill.errors import SpecError
from clipmill.storage import parquet, store

_KEYS = ("clip_id", "id")
_FACTS = ("start_s", "end_s", "width", "height", "num_bytes", "video_codec", "letterbox_ratio", "sharpness")
_BATCH_ROWS = 1 << 16


def read_columns(uri: str, names: Sequence[str], *, ids: Sequence[str]) -> list[npt.NDArray[np.float64]]:
    """One array ``(N,)`` per name: its values for ``ids``, NaN where the table has none.

    ``uri`` is a parquet file or a folder of them, keyed by ``clip_id`` or ``id``. SpecError names a column
    that is not there or holds no numbers.
    """
    if not uri:
        raise SpecError("dedup.rank_columns need a table of clips: name one by columns")
    files = [entry.uri for entry in store.find(uri, (".parquet",))]
    if not files:
        raise SpecError(f"dedup.rank_columns: there is no table at {uri}")
    table = pa.concat_tables([_read(file, names) for file in files])
    place = {key: row for row, key in enumerate(table["key"].to_pylist())}
    rows = pa.array([place.get(name) for name in ids], pa.int64())
    return [table[name].take(rows).to_numpy() for name in names]


def _read(uri: str, names: Sequence[str]) -> pa.Table:
    file = pq.ParquetFile(pa.BufferReader(store.read_bytes(uri)))
    schema = file.schema_arrow
    key = next((name for name in _KEYS if name in schema.names), None)
    if key is None:
        raise SpecError(f"dedup.rank_columns: {uri} has no column {' or '.join(_KEYS)}")
    for name in names:
        _check_column(uri, schema, name)
    table = file.read(columns=[key, *names])
    values = [pc.cast(table[name], pa.float64(), safe=False) for name in names]
    return pa.table([table[key].cast(pa.string()), *values], names=["key", *names])


def _check_column(uri: str, schema: pa.Schema, name: str) -> None:
    if name not in schema.names:
        raise SpecError(f"dedup.rank_columns: {uri} has no column {name}")
    kind = schema.field(name).type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        raise SpecError(f"dedup.rank_columns: column {name} of {uri} holds {kind}, not numbers")


def read_facts(uri: str, ids: Iterable[str]) -> Mapping[str, Facts]:
    """Returns what a table of clips says of some of them, by id; without a table nothing.

    ``uri`` is as in ``read_columns``. Columns that it lacks are left out.
    """
    wanted = pa.array(sorted(set(ids)), pa.string())
    files = [entry.uri for entry in store.find(uri, (".parquet",))] if uri else []
    found = dict[str, Facts]()
    for file in files:
        for batch in parquet.read_batches(file, (*_KEYS, *_FACTS), max_rows=_BATCH_ROWS):
            key = next((name for name in _KEYS if name in batch.column_names), None)
            if key is not None:
                rows = batch.filter(pc.field(key).cast(pa.string()).isin(wanted)).to_pylist()
                found |= {str(row[key]): _facts(row) for row in rows}
    return found


def _facts(row: Mapping[str, object]) -> Facts:
    numbers = {name: float(value) for name, value in row.items() if isinstance(value, int | float)}
    length_s = numbers["end_s"] - numbers["start_s"] if {"start_s", "end_s"} <= numbers.keys() else None
    pixels = numbers["width"] * numbers["height"] if {"width", "height"} <= numbers.keys() else None
    size_bytes, codec = numbers.get("num_bytes"), row.get("video_codec")
    return Facts(
        num_pixels=pixels,
        bars=numbers.get("letterbox_ratio"),
        sharpness=numbers.get("sharpness"),
        length_s=length_s,
        bit_rate=size_bytes * 8 / length_s if size_bytes and length_s else None,
        codec=None if codec is None else str(codec),
    )
