"""Arrow's compute functions with types: Arrow makes them at import time, where no checker sees them."""

from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Values: TypeAlias = pa.Array | pa.ChunkedArray | pa.Scalar


def _array(name: str, *values: Values) -> pa.Array:
    made: Any = pc.call_function(name, list(values))
    return cast(pa.Array, made.combine_chunks() if isinstance(made, pa.ChunkedArray) else made)


def equal(values: Values, other: object) -> pa.Array:
    """Returns bool ``(N,)``, null where a value is null; ``other`` is one value, or an array of ``(N,)``."""
    return _array("equal", values, other if isinstance(other, pa.Array) else pa.scalar(other))


def not_equal(values: Values, other: object) -> pa.Array:
    """Returns bool ``(N,)``, null where a value is null; ``other`` is one value, or an array of ``(N,)``."""
    return _array("not_equal", values, other if isinstance(other, pa.Array) else pa.scalar(other))


def less(values: Values, other: float | str) -> pa.Array:
    """Returns bool ``(N,)``, null where a value is null."""
    return _array("less", values, pa.scalar(other))


def greater(values: Values, other: float) -> pa.Array:
    """Returns bool ``(N,)``, null where a value is null."""
    return _array("greater", values, pa.scalar(other))


def both(left: Values, right: Values) -> pa.Array:
    """Returns bool ``(N,)``: where both are true."""
    return _array("and", left, right)


def is_finite(values: Values) -> pa.Array:
    """Returns bool ``(N,)``: which values are neither NaN nor infinite; null where a value is null."""
    return _array("is_finite", values)


def is_in(values: pa.Array | pa.ChunkedArray, wanted: pa.Array) -> pa.Array:
    """Returns bool ``(N,)``: which values are among ``wanted``; a null is in none."""
    made: Any = pc.call_function("is_in", [values], pc.SetLookupOptions(value_set=wanted, skip_nulls=True))
    return cast(pa.Array, made.combine_chunks() if isinstance(made, pa.ChunkedArray) else made)


def index_in(values: pa.Array, places: pa.Array) -> pa.Array:
    """Returns int32 ``(N,)``: the place of each value in ``places``, null where it is not there."""
    made: Any = pc.call_function("index_in", [values], pc.SetLookupOptions(value_set=places))
    return cast(pa.Array, made)


def list_lengths(values: Values) -> np.ndarray:
    """Returns int64 ``(N,)``: how many values each list has, 0 for a null."""
    return _array("list_value_length", values).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)


def if_else(mask: Values, left: Values, right: Values) -> pa.Array:
    """Returns values of ``left`` where the mask is true, else of ``right``."""
    return _array("if_else", mask, left, right)


def coalesce(*values: Values) -> pa.Array:
    """Returns the first value of each place that is not null."""
    return _array("coalesce", *values)


def sort_indices(values: pa.Array) -> np.ndarray:
    """Returns int ``(N,)``: the places of values in ascending order, nulls last."""
    made: Any = pc.call_function("array_sort_indices", [values])
    return made.to_numpy()


def placed(values: pa.Array, places: Sequence[int], num_rows: int, fill: object) -> pa.Array:
    """Returns ``(N,)`` with ``values`` at ``places`` and ``fill`` everywhere else."""
    index = np.full(num_rows, len(values))
    index[list(places)] = np.arange(len(values))
    return pa.concat_arrays([values, pa.array([fill], values.type)]).take(pa.array(index))


def flags(values: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Returns bool ``(N,)``: where a value is true; a null is not."""
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return np.asarray(array.fill_null(False), dtype=bool)
