"""Rows that later runs compare with, by cluster: bare float32 for quick reading of any of the clusters.

A part is files of one name: ``.parquet`` says whose the rows are, ``.f32`` holds nothing but the rows, so
that a cluster's are one range of bytes, and where rows have sketches ``.sketches`` nothing but those. Parts
are immutable, and known only where ``known.json`` lists them.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from heapq import merge

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from clipmill import identity, layout
from clipmill.dedup.vectors import Indices, Unit
from clipmill.dedup_job.assign import as_matrix, read_table
from clipmill.dedup_job.step_io import RowsPart
from clipmill.dedup_job.tables.fingerprint_column import Sketches, sketches_of
from clipmill.errors import StoreError
from clipmill.storage import parquet, store

_GAP_BYTES = 64 << 10  # what is read in vain rather than asked for twice
_SPAN_BYTES = 8 << 20  # read at once: a larger buffer is given back and asked for again each time
_REQUESTS_AT_ONCE = 16
_KEPT_BYTES = 256 << 20  # of clusters that later chunks of a run may ask for as well
_ITEM = np.dtype("<f4")
_SKETCH_END = "sketch_end"


@dataclass(frozen=True)
class Part:
    """Whose rows lie at ``uri``, by cluster: ``facts`` has their ``id``, ``cluster`` and ``digest``.

    Where any has a sketch also ``sketch_end``, the place behind it among the bytes of all, for each row.
    ``kept`` holds clusters that were read, where they are asked for again and again.
    """

    uri: str
    facts: pa.Table
    kept: "KeptRows | None" = field(default=None, repr=False, compare=False)

    @property
    def ids(self) -> pa.ChunkedArray:
        """Ids in the order of the rows."""
        return self.facts["id"]

    @property
    def clusters(self) -> npt.NDArray[np.int32]:
        """Clusters in the order of the rows, ascending."""
        return self.facts["cluster"].to_numpy()


@dataclass(frozen=True)
class ClusterRows:
    """Rows of one cluster, float32 ``(N, D)`` of unit length; the first is row ``first_row`` of its part."""

    cluster: int
    first_row: int
    unit: Unit


class KeptRows:
    """Clusters of parts in memory, up to 256 MB; those go first that were asked for longest ago."""

    def __init__(self) -> None:
        self._rows: OrderedDict[tuple[str, int], ClusterRows] = OrderedDict()
        self._num_bytes = 0

    def get(self, part: Part, cluster: int) -> ClusterRows | None:
        """Returns the rows of a cluster that was read before."""
        if (part.uri, cluster) in self._rows:
            self._rows.move_to_end((part.uri, cluster))
        return self._rows.get((part.uri, cluster))

    def keep(self, part: Part, rows: ClusterRows) -> None:
        """Keeps the rows of a cluster, in memory of their own."""
        self._rows[part.uri, rows.cluster] = replace(rows, unit=rows.unit.copy())
        self._num_bytes += rows.unit.nbytes
        while self._num_bytes > _KEPT_BYTES:
            self._num_bytes -= self._rows.popitem(last=False)[1].unit.nbytes


def write_part(folder: str, rows: pa.Table) -> RowsPart:
    """Write ``rows``, by cluster, with the columns ``id``, ``cluster``, ``digest`` and ``embedding``.

    A part is named by what it holds.
    """
    unit, facts = as_matrix(rows["embedding"]), rows.select(["id", "cluster", "digest"])
    sketches = sketches_of(rows)
    if sketches is not None:
        ends = np.cumsum([len(sketch or b"") for sketch in sketches])
        facts = facts.append_column(_SKETCH_END, pa.array(ends))
    data = parquet.encode(facts)
    name = identity.bytes_digest(data)[:32]
    uri = layout.join(folder, name)
    if sketches is not None:
        store.put_if_changed(f"{uri}.sketches", b"".join(sketch or b"" for sketch in sketches))
    store.put_if_changed(f"{uri}.f32", np.ascontiguousarray(unit, dtype=_ITEM).tobytes())
    store.put_if_changed(f"{uri}.parquet", data)
    clusters = rows["cluster"]
    first, last = clusters[0].as_py(), clusters[-1].as_py()
    return RowsPart(name=name, num_rows=len(rows), first_cluster=first, last_cluster=last)


def read_part(uri: str) -> Part:
    """Whose rows a part holds."""
    return Part(uri, read_table(f"{uri}.parquet"))


def rows_of_clusters(part: Part, clusters: Sequence[int], *, dimensions: int) -> Iterator[ClusterRows]:
    """The part's rows of ``clusters``, ascending, but for those without any; a bounded stretch at once."""
    if part.kept is None:
        yield from _read_clusters(part, clusters, dimensions=dimensions)
        return
    known = {cluster: part.kept.get(part, cluster) for cluster in clusters}
    missing = [cluster for cluster, rows in known.items() if rows is None]
    read = _read_clusters(part, missing, dimensions=dimensions)
    yield from merge(filter(None, known.values()), _keeping(part, read), key=lambda rows: rows.cluster)


def _keeping(part: Part, read: Iterator[ClusterRows]) -> Iterator[ClusterRows]:
    for rows in read:
        if part.kept is not None:
            part.kept.keep(part, rows)
        yield rows


def _read_clusters(part: Part, clusters: Sequence[int], *, dimensions: int) -> Iterator[ClusterRows]:
    starts = np.searchsorted(part.clusters, clusters, side="left")
    ends = np.searchsorted(part.clusters, clusters, side="right")
    there = np.flatnonzero(ends > starts)
    for span in _spans(starts[there], ends[there], row_bytes=dimensions * _ITEM.itemsize):
        chosen = there[span]
        first = int(starts[chosen[0]])
        rows = _read(part.uri, first, int(ends[chosen[-1]]), dimensions=dimensions)
        for place in chosen:
            start, end = int(starts[place]), int(ends[place])
            yield ClusterRows(int(clusters[place]), start, rows[start - first : end - first])


def rows_at(part: Part, places: Indices, *, dimensions: int) -> Unit:
    """The rows at ``places``, float32 ``(N, D)``."""
    order = np.argsort(places)
    at = places[order]
    spans = _spans(at, at + 1, row_bytes=dimensions * _ITEM.itemsize)
    rows = np.empty((len(places), dimensions), dtype=np.float32)
    with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
        edges = [(int(at[span][0]), int(at[span][-1]) + 1) for span in spans]
        read = pool.map(lambda edge: _read(part.uri, *edge, dimensions=dimensions), edges)
        for span, (first, _), found in zip(spans, edges, read, strict=True):
            rows[order[span]] = found[at[span] - first]
    return rows


def sketches_at(part: Part, places: Indices) -> Sketches:
    """The sketches of the rows at ``places``, None of those without."""
    if _SKETCH_END not in part.facts.column_names:
        return [None] * len(places)
    ends = np.concatenate([[0], part.facts[_SKETCH_END].to_numpy()])
    wanted = np.unique(places)
    spans = [wanted[span] for span in _spans(ends[wanted], ends[wanted + 1], row_bytes=1)]
    found: dict[int, bytes] = {}
    with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
        edges = [(int(ends[rows[0]]), int(ends[rows[-1] + 1])) for rows in spans]
        read = pool.map(lambda edge: store.read_range(f"{part.uri}.sketches", *edge), edges)
        for rows, (first, _), data in zip(spans, edges, read, strict=True):
            found |= {row: data[ends[row] - first : ends[row + 1] - first] for row in rows.tolist()}
    return [found[row] or None for row in places.tolist()]


def _read(uri: str, start: int, end: int, *, dimensions: int) -> Unit:
    row_bytes = dimensions * _ITEM.itemsize
    data = store.read_range(f"{uri}.f32", start * row_bytes, end * row_bytes)
    if len(data) != (end - start) * row_bytes:
        raise StoreError(f"{uri}.f32", f"ends before row {end}")
    return np.frombuffer(data, dtype=_ITEM).reshape(end - start, dimensions)


def _spans(starts: Indices, ends: Indices, *, row_bytes: int) -> list[slice]:
    """Runs of neighbouring ranges of rows, ascending, that are read in one request."""
    spans: list[slice] = []
    begin = 0
    for place in range(1, len(starts) + 1):
        is_last = place == len(starts)
        if is_last or _is_apart(starts, ends, begin, place, row_bytes=row_bytes):
            spans.append(slice(begin, place))
            begin = place
    return spans


def _is_apart(starts: Indices, ends: Indices, begin: int, place: int, *, row_bytes: int) -> bool:
    gap = (starts[place] - ends[place - 1]) * row_bytes
    span = (ends[place] - starts[begin]) * row_bytes
    return bool(gap > _GAP_BYTES or span > _SPAN_BYTES)
