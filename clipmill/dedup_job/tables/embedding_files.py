"""Embeddings as they lie in parquet: ours, and those of NeMo Curator's writer."""

import itertools
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from clipmill.dedup.vectors import faulty_row, row_digests
from clipmill.dedup_job.tables.fingerprint_column import SKETCH, checked, sketch_digests
from clipmill.errors import BadEmbeddings, SourceError
from clipmill.stages.fault_words import listed
from clipmill.storage import store
from clipmill.storage.faults import named_faults

SUFFIXES = (".parquet",)

BATCH_ROWS = 65_536
"""Rows in memory at once where a file is read piece by piece."""

SKETCHED_ROWS = 8_192
"""The same of rows with sketches, some 12 kB each."""

Rows = npt.NDArray[np.float32]

_BUFFER_BYTES = 1 << 20

_FOLDER_ENDING = "_embd_parquet"
_ID = "id"
_EMBEDDING = ("embedding", "embeddings")


def embedding_files(uri: str) -> list[store.FileEntry]:
    """The parquet files that hold embeddings under ``uri``: a file, a folder of them, or a whole output.

    An output, ours or NeMo Curator's, has its embeddings in one folder ``<name>_embd_parquet`` among other
    tables. SourceError when there is no file, or when several such folders leave a choice.
    """
    if not uri.strip():
        raise SourceError("the place of the embeddings is empty: name a folder or a URI")
    files = store.find(uri, SUFFIXES)
    root = store.normalise(uri)
    first = [file.uri.removeprefix(root).lstrip("/").partition("/")[0] for file in files]
    folders = sorted({name for name in first if name.endswith(_FOLDER_ENDING)})
    if len(folders) > 1:
        raise SourceError(f"{uri} holds several embeddings ({', '.join(folders)}): name one of these folders")
    if folders:
        files = [file for file, name in zip(files, first, strict=True) if name == folders[0]]
    if not files:
        what = f"holds no embeddings ({' '.join(SUFFIXES)})" if store.exists(uri) else "does not exist"
        raise SourceError(f"{uri} {what}")
    return files


@dataclass(frozen=True)
class Batch:
    """Rows of a file: string ids ``(N,)`` and float32 ``(N, D)`` as stored; where they start in the file.

    ``sketches`` ``(N,)`` are null where a row has none, or none were asked for.
    """

    ids: pa.Array
    rows: Rows
    first_row: int
    sketches: pa.Array

    @property
    def digests(self) -> npt.NDArray[np.uint64]:
        """64 bits ``(N,)`` for each row that tell whether embedding and sketch are what they were."""
        return row_digests(self.rows) ^ sketch_digests(self.sketches)


def read_files(uris: Sequence[str]) -> tuple[list[str], Rows]:
    """Ids and embeddings, float32 ``(N, D)`` as stored, of the files named, sorted by id.

    Columns are ``id`` and ``embedding`` or ``embeddings``, lists of numbers of any width. No file and no row
    give no ids and ``(0, 0)``. BadEmbeddings names file and row of mixed dimensions, NaN, zeros, a missing
    value and an id that was there before. Memory is that of the rows and one batch.
    """
    ids, place = sorted_ids(uris)
    return ids.to_pylist(), read_placed(uris, place)


def sorted_ids(uris: Sequence[str]) -> tuple[pa.Array, npt.NDArray[np.int64]]:
    """The ids of the files named, sorted, and the place in them of each row, files one after the other.

    Only the ids are read. BadEmbeddings as ``read_files``.
    """
    parts = [(uri, read_ids(uri)) for uri in uris]
    unsorted = pa.concat_arrays([pa.array([], pa.string()), *(ids for _, ids in parts)])
    order = pc.call_function("array_sort_indices", [unsorted])
    ids = unsorted.take(order)
    _check_unique([(uri, len(own)) for uri, own in parts], ids, order)
    place = np.empty(len(ids), dtype=np.int64)
    place[order.to_numpy()] = np.arange(len(ids))
    return ids, place


def read_placed(uris: Sequence[str], place: npt.NDArray[np.int64]) -> Rows:
    """Embeddings, row ``i`` of all files at ``place[i]``; a row with a place below 0 is left out."""
    size = int(place.max(initial=-1)) + 1
    rows, first, start = np.zeros((0, 0), dtype=np.float32), "", 0
    for uri in uris:
        for batch in read_batches(uri):
            if not first:
                rows, first = np.zeros((size, batch.rows.shape[1]), dtype=np.float32), uri
            if batch.rows.shape[1] != rows.shape[1]:
                numbers = f"row 0 has {batch.rows.shape[1]} numbers, those of {first} have {rows.shape[1]}"
                raise BadEmbeddings(uri, numbers)
            own = place[start : start + len(batch.rows)]
            rows[own[own >= 0]] = batch.rows[own >= 0]
            start += len(batch.rows)
    return rows


def read_ids(uri: str) -> pa.Array:
    """The ids of a file of embeddings, in its order; BadEmbeddings as ``read_files``."""
    with _opened(uri) as file:
        name, _ = _columns(uri, file.schema_arrow.names)
        return _whole(uri, name, file.read(columns=[name])[name].cast(pa.string()))


def read_batches(uri: str, *, batch_rows: int = BATCH_ROWS) -> Iterator[Batch]:
    """The rows of a file in its order, each sound by itself; BadEmbeddings as ``read_files``."""
    with _opened(uri) as file:
        yield from _batches(uri, file, _columns(uri, file.schema_arrow.names), batch_rows=batch_rows)


def read_sketched(uri: str, *, batch_rows: int = SKETCHED_ROWS) -> Iterator[Batch]:
    """As ``read_batches``, with the sketches of rows that have one."""
    with _opened(uri) as file:
        names = file.schema_arrow.names
        sketch = (SKETCH,) if SKETCH in names else ()
        batch_rows = batch_rows if sketch else BATCH_ROWS
        yield from _batches(uri, file, (*_columns(uri, names), *sketch), batch_rows=batch_rows)


def _batches(uri: str, file: pq.ParquetFile, names: Sequence[str], *, batch_rows: int) -> Iterator[Batch]:
    start, dimensions = 0, 0
    for part in file.iter_batches(batch_rows, columns=list(names), use_threads=False):
        batch = _batch(uri, names, part, first_row=start)
        if not len(batch.rows):
            continue
        dimensions = dimensions or batch.rows.shape[1]
        if batch.rows.shape[1] != dimensions:
            cause = f"row {start} has {batch.rows.shape[1]} numbers, row 0 has {dimensions}"
            raise BadEmbeddings(uri, cause)
        start += len(batch.rows)
        yield batch


def read_together(uris: Sequence[str], *, batch_rows: int = BATCH_ROWS) -> Iterator[Batch]:
    """The rows of all files in their order, with sketches, ``batch_rows`` at once or nearly, or the last.

    Of rows with sketches, which are larger, fewer are in a batch.
    """
    parts: list[Batch] = []
    for batch in itertools.chain.from_iterable(map(read_sketched, uris)):
        parts.append(batch)
        is_sketched = any(part.sketches.null_count < len(part.sketches) for part in parts)
        if sum(len(part.rows) for part in parts) >= (SKETCHED_ROWS if is_sketched else batch_rows):
            yield _together(parts)
            parts = []
    if parts:
        yield _together(parts)


def _together(parts: Sequence[Batch]) -> Batch:
    return Batch(
        pa.concat_arrays([part.ids for part in parts]),
        np.concatenate([part.rows for part in parts]),
        parts[0].first_row,
        pa.concat_arrays([part.sketches for part in parts]),
    )


def _batch(uri: str, names: Sequence[str], part: pa.RecordBatch, *, first_row: int) -> Batch:
    ids = _whole(uri, names[0], part[names[0]].cast(pa.string()), first_row=first_row)
    lists = _whole(uri, names[1], part[names[1]], first_row=first_row)
    rows = _matrix(uri, names[1], lists, first_row=first_row)
    fault = faulty_row(rows)
    if fault is not None:
        cause = f"row {first_row + fault[0]} (id {ids[fault[0]].as_py()}) {fault[1]}"
        raise BadEmbeddings(uri, cause)
    sketches = pa.nulls(len(ids), pa.binary())
    if SKETCH in names:
        sketches = checked(uri, part[SKETCH], ids, first_row=first_row)
    return Batch(ids, rows, first_row, sketches)


def raw_batches(uri: str) -> Iterator[tuple[int, pa.Array, pa.Array]]:
    """Yields (number of the first row, ids, lists of numbers) of a file, whatever the rows hold.

    BadEmbeddings for a file that is no table of embeddings.
    """
    with _opened(uri) as file:
        names = _columns(uri, file.schema_arrow.names)
        _check_lists(uri, names[1], file.schema_arrow.field(names[1]).type)
        first_row = 0
        for part in file.iter_batches(BATCH_ROWS, columns=list(names)):
            yield first_row, part[names[0]].cast(pa.string()), part[names[1]]
            first_row += len(part)


@contextmanager
def _opened(uri: str) -> Generator[pq.ParquetFile]:
    """A file read piece by piece where it is local, else from memory."""
    is_here = store.is_local(uri) and store.exists(uri)
    source = pa.OSFile(store.normalise(uri)) if is_here else pa.BufferReader(store.read_bytes(uri))
    try:
        with named_faults(uri), source, pq.ParquetFile(source, buffer_size=_BUFFER_BYTES) as file:
            yield file
    except pa.ArrowException as error:
        raise BadEmbeddings(uri, f"not a readable table: {str(error).splitlines()[0]}") from error


def _columns(uri: str, names: Sequence[str]) -> tuple[str, str]:
    embedding = next((name for name in _EMBEDDING if name in names), None)
    if _ID not in names or embedding is None:
        missing = _ID if _ID not in names else " or ".join(_EMBEDDING)
        raise BadEmbeddings(uri, f"no column {missing}, only {listed(names)}")
    return _ID, embedding


def _whole(uri: str, name: str, column: pa.ChunkedArray | pa.Array, *, first_row: int = 0) -> pa.Array:
    """The column as one array without missing values."""
    array = column
    if isinstance(column, pa.ChunkedArray):
        array = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if array.null_count:
        row = first_row + int(np.argmax(array.is_null().to_numpy(zero_copy_only=False)))
        raise BadEmbeddings(uri, f"row {row} has no {name}")
    return array


def _matrix(uri: str, name: str, lists: pa.Array, *, first_row: int) -> Rows:
    _check_lists(uri, name, lists.type)
    if not len(lists):
        return np.zeros((0, 0), dtype=np.float32)
    lengths = lists.value_lengths().to_numpy()
    odd = np.flatnonzero(lengths != lengths[0])
    if len(odd):
        row = first_row + int(odd[0])
        raise BadEmbeddings(uri, f"row {row} has {lengths[odd[0]]} numbers, row {first_row} has {lengths[0]}")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is named as that
        values = lists.flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    return values.reshape(len(lists), int(lengths[0]))


def _check_lists(uri: str, name: str, kind: pa.DataType) -> None:
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not is_list or not (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)):
        raise BadEmbeddings(uri, f"column {name} holds {kind}, not lists of numbers")


def _check_unique(parts: Sequence[tuple[str, int]], ids: pa.Array, order: pa.Array) -> None:
    """``ids`` are sorted, ``order`` says which row of all ``parts`` (file and number of rows) each was."""
    again = pc.call_function("equal", [ids[1:], ids[:-1]]).to_numpy(zero_copy_only=False)
    if again.any():
        place = int(np.argmax(again))
        earlier, later = sorted(order[place : place + 2].to_pylist())
        (first_uri, first_row), (uri, row) = _place(parts, earlier), _place(parts, later)
        raise BadEmbeddings(uri, f"row {row} has the id {ids[place]} of row {first_row} of {first_uri}")


def _place(parts: Sequence[tuple[str, int]], row: int) -> tuple[str, int]:
    """File and row within it of a row counted over all files."""
    for uri, num_rows in parts:
        if row < num_rows:
            return uri, row
        row -= num_rows
    raise IndexError(row)
