"""Arrow's compute functions with types: Arrow makes them at import time, where no checker sees them.

Imported before Arrow's first array, it also keeps Arrow from importing pandas, which nothing here needs.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
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


class _PandasLater(MetaPathFinder):
    """Hides pandas at first; finds it from then on, and shows it to Arrow once it is imported."""

    is_hidden = True

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Returns None for any other module. ModuleNotFoundError while pandas is hidden."""
        if fullname != "pandas":
            return None
        if self.is_hidden:
            raise ModuleNotFoundError("pandas comes later", name=fullname)
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            self._watch(spec.loader)
        return spec

    def _watch(self, loader: Any) -> None:  # noqa: ANN401 - the method of one loader is replaced
        import_pandas = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            import_pandas(module)
            pa.nulls(0).to_pandas()  # Arrow takes a series for an array of pandas' from now on
            sys.meta_path.remove(self)

        loader.exec_module = exec_module


def _leave_out_pandas() -> None:
    """Lets Arrow's one search for pandas, at its first array, find nothing; ``to_pandas`` imports it anyway.

    The import takes half a CPU second and 40 MB.
    """
    if "pandas" not in sys.modules:
        finder = _PandasLater()
        sys.meta_path.insert(0, finder)
        pa.array([0])
        finder.is_hidden = False


_leave_out_pandas()
