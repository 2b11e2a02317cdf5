"""Rows of a range of clips in tables of a scratch database, with the places of their clips."""

import numpy as np
import pyarrow as pa

from clipmill.stages.process_stage import SEEN_CLIPS
from clipmill.state.database import RANK, Database
from clipmill.state.winners import RANKS, codes_of, ranks_of

PLACE, RANGE = "clipmill place", "clipmill range"
"""Names that no column of a stage can have."""
_KEYS = {"outcome", "run_id", "effects", "start_frame", "end_frame"}
_OUTCOMES = list(RANKS)[: RANKS["retryable"] + 1]
"""Outcomes by rank: the tables have the ranks."""


def written_fields(schema: pa.Schema, *, has_effects: bool) -> list[pa.Field]:
    """Returns the columns of a stage's rows that are written beside their places.

    Rows of one rank without values of their own are equal: their run does not matter.
    """
    unread = {"id", "clip_id"} if has_effects else {"id", "clip_id", "effects"}
    found = [field for field in schema if field.name not in unread]
    has_values = bool({field.name for field in found} - _KEYS)
    return found if has_values else [field for field in found if field.name != "run_id"]


def written(field: pa.Field) -> str:
    """Returns the expression for a column of a row ``r`` of a stage as it is written."""
    return f"CAST({RANK} AS TINYINT) AS outcome" if field.name == "outcome" else f'r."{field.name}"'


def read(
    database: Database, table: str, index: int, schema: pa.Schema, *, among: pa.Table | None = None
) -> pa.Table:
    """Returns the rows of a range with their places and the columns of ``schema``.

    ``among`` has the only places that are wanted, in a column ``place``.
    """
    schema = pa.schema([pa.field(PLACE, pa.int64()), *schema])
    names = ", ".join(f'"{name}"' for name in schema.names)
    query = f'SELECT {names} FROM {table} WHERE "{RANGE}" = {index}'
    if among is None:
        rows = database.rows(query)
    else:
        rows = database.rows(f'{query} AND "{PLACE}" IN (SELECT place FROM among)', among=among)
    return pa.Table.from_arrays([_cast(rows[field.name], field) for field in schema], schema=schema)


def _cast(column: pa.ChunkedArray, field: pa.Field) -> pa.Array:
    values = column.combine_chunks()
    if field.name == "outcome" and pa.types.is_integer(column.type):
        return pa.array(_OUTCOMES).take(values)
    return values.cast(field.type)


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
