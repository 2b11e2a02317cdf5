"""Embeddings as they lie in parquet: ours, and those of NeMo Curator's writer."""

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from clipmill.dedup.vectors import faulty_row
from clipmill.errors import BadEmbeddings, SourceError
from clipmill.storage import store

SUFFIXES = (".parquet",)

Rows = npt.NDArray[np.float32]

_FOLDER_ENDING = "_embd_parquet"
_ID = "id"
_EMBEDDING = ("embedding", "embeddings")


def embedding_files(uri: str) -> list[store.FileEntry]:
    """The parquet files that hold embeddings under ``uri``: a file, a folder of them, or a whole output.

    An output, ours or the reference's, has its embeddings in one folder ``<name>_embd_parquet`` among other
    tables. SourceError when there is no file, or when several such folders leave a choice.
    """
    files = store.find(uri, SUFFIXES)
    root = store.normalise(uri)
    first = [file.uri.removeprefix(root).lstrip("/").partition("/")[0] for file in files]
    folders = sorted({name for name in first if name.endswith(_FOLDER_ENDING)})
    if len(folders) > 1:
        raise SourceError(f"{uri} holds several embeddings ({', '.join(folders)}): name one of these folders")
    if folders:
        files = [file for file, name in zip(files, first, strict=True) if name == folders[0]]
    if not files:
        raise SourceError(f"{uri} holds no embeddings ({' '.join(SUFFIXES)})")
    return files


def read_embeddings(uri: str) -> tuple[list[str], Rows]:
    """``read_files`` of all ``embedding_files`` under ``uri``."""
    return read_files([file.uri for file in embedding_files(uri)])


def read_files(uris: Sequence[str]) -> tuple[list[str], Rows]:
    """Ids and embeddings, float32 ``(N, D)`` as stored, of the files named, sorted by id.

    Columns are ``id`` and ``embedding`` or ``embeddings``, lists of numbers of any width. No file and no row
    give no ids and ``(0, 0)``. BadEmbeddings names file and row of mixed dimensions, NaN, zeros, a missing
    value and an id that was there before.
    """
    parts = [(uri, *_read_file(uri)) for uri in uris]
    parts = [(uri, ids, rows) for uri, ids, rows in parts if len(ids)]
    if not parts:
        return [], np.zeros((0, 0), dtype=np.float32)
    _check_dimensions([(uri, rows) for uri, _, rows in parts])
    unsorted = pa.concat_arrays([ids for _, ids, _ in parts])
    table = pa.table({"id": unsorted, "row": np.arange(len(unsorted))}).sort_by("id")
    ids, order = table["id"].to_pylist(), table["row"].to_numpy()
    _check_unique([(uri, len(rows)) for uri, _, rows in parts], ids, order)
    return ids, np.concatenate([rows for _, _, rows in parts])[order]


def read_ids(uri: str) -> list[str]:
    """The ids of a file of embeddings, in its order; BadEmbeddings as ``read_files``."""
    data = store.read_bytes(uri)
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        name, _ = _columns(uri, file.schema_arrow.names)
        return file.read(columns=[name])[name].cast(pa.string()).to_pylist()
    except pa.ArrowException as error:
        raise BadEmbeddings(uri, f"not a readable table: {str(error).splitlines()[0]}") from error


def _read_file(uri: str) -> tuple[pa.StringArray, Rows]:
    """Ids and rows in the file's order, each row sound by itself."""
    data = store.read_bytes(uri)
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        names = _columns(uri, file.schema_arrow.names)
        table = file.read(columns=list(names)).combine_chunks()
    except pa.ArrowException as error:
        raise BadEmbeddings(uri, f"not a readable table: {str(error).splitlines()[0]}") from error
    ids = _whole(uri, names[0], table[names[0]].cast(pa.string()))
    rows = _matrix(uri, names[1], _whole(uri, names[1], table[names[1]]))
    fault = faulty_row(rows)
    if fault is not None:
        raise BadEmbeddings(uri, f"row {fault[0]} (id {ids[fault[0]].as_py()}) {fault[1]}")
    return ids, rows


def _columns(uri: str, names: Sequence[str]) -> tuple[str, str]:
    embedding = next((name for name in _EMBEDDING if name in names), None)
    if _ID not in names or embedding is None:
        missing = _ID if _ID not in names else " or ".join(_EMBEDDING)
        raise BadEmbeddings(uri, f"no column {missing}, only {', '.join(names) or 'none'}")
    return _ID, embedding


def _whole(uri: str, name: str, column: pa.ChunkedArray) -> pa.Array:
    """The column as one array without missing values."""
    array = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if array.null_count:
        row = np.argmax(array.is_null().to_numpy(zero_copy_only=False))
        raise BadEmbeddings(uri, f"row {row} has no {name}")
    return array


def _matrix(uri: str, name: str, lists: pa.Array) -> Rows:
    kind = lists.type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not is_list or not (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)):
        raise BadEmbeddings(uri, f"column {name} holds {kind}, not lists of numbers")
    if not len(lists):
        return np.zeros((0, 0), dtype=np.float32)
    lengths = lists.value_lengths().to_numpy()
    odd = np.flatnonzero(lengths != lengths[0])
    if len(odd):
        raise BadEmbeddings(uri, f"row {odd[0]} has {lengths[odd[0]]} numbers, row 0 has {lengths[0]}")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is named as that
        values = lists.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    return values.reshape(len(lists), int(lengths[0]))


def _check_dimensions(parts: Sequence[tuple[str, Rows]]) -> None:
    first_uri, first = parts[0]
    for uri, rows in parts:
        if rows.shape[1] != first.shape[1]:
            cause = f"row 0 has {rows.shape[1]} numbers, those of {first_uri} have {first.shape[1]}"
            raise BadEmbeddings(uri, cause)


def _check_unique(parts: Sequence[tuple[str, int]], ids: Sequence[str], order: npt.NDArray[np.int64]) -> None:
    """``ids`` are sorted, ``order`` says which row of all ``parts`` (file and number of rows) each was."""
    for place, (name, following) in enumerate(itertools.pairwise(ids)):
        if name == following:
            earlier, later = sorted(int(row) for row in order[place : place + 2])
            (first_uri, first_row), (uri, row) = _place(parts, earlier), _place(parts, later)
            raise BadEmbeddings(uri, f"row {row} has the id {name} of row {first_row} of {first_uri}")


def _place(parts: Sequence[tuple[str, int]], row: int) -> tuple[str, int]:
    """File and row within it of a row counted over all files."""
    for uri, num_rows in parts:
        if row < num_rows:
            return uri, row
        row -= num_rows
    raise IndexError(row)
