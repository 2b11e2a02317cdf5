"""Where names stand among others, for more of them than a dictionary should hold."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


def places_among(names: pa.ChunkedArray, others: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """The first place ``(N,)`` of each name among ``others``, -1 where it is not there.

    Names are looked up among those of ``others`` that are named: mostly few of many.
    """
    there = np.flatnonzero(are_among(others, names))
    found = _places(names, others.take(pa.array(there)))
    return np.where(found < 0, -1, there[found]) if len(there) else found


def _places(names: pa.ChunkedArray, others: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    found = pc.call_function("index_in", [names], pc.SetLookupOptions(value_set=others.combine_chunks()))
    return found.fill_null(-1).to_numpy().astype(np.int64)


def are_among(names: pa.ChunkedArray, others: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """Whether each name ``(N,)`` is one of ``others``."""
    found = pc.call_function("is_in", [names], pc.SetLookupOptions(value_set=others.combine_chunks()))
    return found.to_numpy()


def all_names(parts: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    """The names of all parts, one after the other, in one piece."""
    chunks = [chunk for part in parts for chunk in part.chunks]
    return pa.chunked_array([pa.concat_arrays([pa.array([], pa.string()), *chunks])])
