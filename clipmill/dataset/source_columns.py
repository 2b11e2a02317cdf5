"""What users know of their sources: columns of a CSV or parquet file, joined to clips by URI."""

import io
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyarrow import csv

from clipmill import arrow, layout
from clipmill.errors import SpecError
from clipmill.storage import parquet, store
from clipmill.storage.filesystems import is_local

PREFIX = "source."
"""How the columns are called beside those of clips: ``source.licence``."""
_KEYS = ("uri", "source_uri", "path", "file")


@dataclass(frozen=True)
class SourceColumns:
    """One row for each source: its URI, and columns whose names begin with ``source.``."""

    uris: pa.Array
    rows: pa.Table

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return self.rows.column_names

    def beside(self, clips: pa.Table) -> pa.Table:
        """Returns clips with the columns of their sources; null where the file does not name the source."""
        places = arrow.index_in(clips["source_uri"].combine_chunks(), self.uris)
        for name in self.names:
            clips = clips.append_column(name, self.rows[name].combine_chunks().take(places))
        return clips


def read_source_columns(uri: str) -> SourceColumns:
    """Returns the columns of a CSV or parquet file that names sources.

    The URIs are in ``uri``, ``source_uri``, ``path`` or ``file``. A relative path counts from the folder of
    the file. Of several rows for one source the first counts. SpecError for a file without such a column, or
    that is no table.
    """
    table = _table(uri)
    key = next((name for name in _KEYS if name in table.column_names), "")
    if not key:
        raise SpecError(f"{uri} needs a column {', '.join(_KEYS[:-1])} or {_KEYS[-1]}")
    folder = store.normalise(uri).rpartition("/")[0]
    uris = [_whole(str(one), folder) for one in table[key].to_pylist()]
    first = np.unique(np.array(uris, object), return_index=True)[1]
    rows = table.drop_columns([key]).take(pa.array(np.sort(first)))
    named = rows.rename_columns([PREFIX + name for name in rows.column_names])
    return SourceColumns(pa.array([uris[row] for row in np.sort(first)], pa.string()), named)


def _table(uri: str) -> pa.Table:
    if uri.endswith(".parquet"):
        return parquet.read_all(uri)
    try:
        return csv.read_csv(io.BytesIO(store.read_bytes(uri)))
    except pa.ArrowInvalid as error:
        raise SpecError(f"{uri} is no CSV: {str(error).splitlines()[0]}") from error


def _whole(name: str, folder: str) -> str:
    is_relative = is_local(name) and not name.startswith(("/", "file://"))
    return store.normalise(layout.join(folder, name) if is_relative else name)
