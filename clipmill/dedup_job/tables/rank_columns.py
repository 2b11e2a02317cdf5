"""Columns of a table of clips, by which duplicates are ranked."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from clipmill.errors import SpecError
from clipmill.storage import store

_KEYS = ("clip_id", "id")


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
