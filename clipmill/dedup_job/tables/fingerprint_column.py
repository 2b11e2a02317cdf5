"""Sketches beside embeddings: an optional column of parquet, and the pairs that are verified by it."""

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from clipmill.dedup.best_copy import SAME_SIZE
from clipmill.dedup.candidates import MIN_SIMILARITY, Candidates
from clipmill.dedup.copies.copy_similarity import likeness
from clipmill.dedup.copies.fingerprints import decode, faulty_sketch
from clipmill.dedup.copies.picture_candidates import MayGo, picture_candidates
from clipmill.dedup.vectors import Indices
from clipmill.dedup_job.step_io import Borders
from clipmill.dedup_job.tables.arrow_lookup import places_among
from clipmill.errors import BadEmbeddings

SKETCH = "sketch"

LEAST_ALIKE = 0.5
"""No threshold in use is lower; below it embeddings say what a chain joins."""

# Of the copies that embeddings make candidates all but 1 in 100 meet so (6,554 clips, in 82 clusters or 160,
# for the worst of six changes of time). A wider border adds guests, and no copies.
_BORDER_WIDTH = 0.4
_NUM_BORDERS = 3

Sketches = Sequence[bytes | None]


def checked(uri: str, column: pa.Array, ids: pa.Array, *, first_row: int) -> pa.Array:
    """The column of a file as binary; BadEmbeddings names the file and the row of what is no sketch."""
    if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
        raise BadEmbeddings(uri, f"column {SKETCH} holds {column.type}, not bytes")
    fault = faulty_sketch(value.as_py() for value in column)
    if fault is not None:
        row, cause = fault
        raise BadEmbeddings(uri, f"{SKETCH} of row {first_row + row} (id {ids[row].as_py()}) {cause}")
    return column.cast(pa.binary())


def sketch_digests(column: pa.Array) -> npt.NDArray[np.uint64]:
    """64 bits ``(N,)`` of each sketch; 0 of none."""
    if column.null_count == len(column):
        return np.zeros(len(column), dtype=np.uint64)
    each = (value.as_py() for value in column)
    whole = b"".join(hashlib.blake2b(data, digest_size=8).digest() if data else bytes(8) for data in each)
    return np.frombuffer(whole, dtype="<u8").astype(np.uint64)


def with_sketches(table: pa.Table, sketches: pa.Array) -> pa.Table:
    """A table with the column, where any row has a sketch."""
    return table if sketches.null_count == len(sketches) else table.append_column(SKETCH, sketches)


def joined_with(table: pa.Table, sketches: pa.Table) -> pa.Table:
    """A table of clips with the column, from one of ``id`` and ``sketch``; null where that has no row."""
    place = places_among(table["id"], sketches["id"])
    rows = pa.array(place, mask=place < 0)
    return table.append_column(SKETCH, sketches[SKETCH].take(rows))


def sketches_of(table: pa.Table) -> Sketches | None:
    """The sketches of a table's rows, None where there is none; None where no row has one."""
    if SKETCH not in table.column_names or table[SKETCH].null_count == len(table):
        return None
    return table[SKETCH].to_pylist()


def sizes_and_lengths(table: pa.Table) -> list[npt.NDArray[np.float64]]:
    """The size of each picture between its bars, in steps of ``SAME_SIZE``, and its frames ``(N,)``.

    NaN where its sketch does not say.
    """
    sketches = [decode(one) if one else None for one in sketches_of(table) or [None] * len(table)]
    pixels = [
        np.nan if one is None or one.detail is None else math.prod(one.detail.picture_px) for one in sketches
    ]
    lengths = [np.nan if one is None else one.step * one.views.shape[1] for one in sketches]
    steps = np.floor(np.log(np.maximum(pixels, 1)) / math.log(SAME_SIZE))
    return [steps, np.array(lengths, dtype=np.float64)]


def widened(borders: Borders) -> Borders:
    """The borders of clips with sketches: copies that only those can tell lie farther apart."""
    if not borders.width:
        return borders
    return Borders(width=max(borders.width, _BORDER_WIDTH), count=max(borders.count, _NUM_BORDERS))


def concatenated(tables: Iterable[pa.Table]) -> pa.Table:
    """Tables of which some may lack the column, as one."""
    return pa.concat_tables(list(tables), promote_options="default")


def verified(candidates: Candidates, sketches: Sketches, others: Sketches) -> npt.NDArray[np.float64]:
    """The similarity ``(P,)`` of candidates, by their sketches where both have one.

    ``sketches`` are of the rows, ``others`` of those that they are compared with.
    """
    return pair_similarity(
        candidates.similarity,
        [sketches[row] for row in candidates.row],
        [others[row] for row in candidates.other],
    )


def verified_by_pictures(sketches: Sketches, others: Sketches, *, may_go: MayGo) -> Candidates:
    """The pairs that pictures propose, with their similarity by sketches.

    Only those that some threshold may take for copies: others keep what their embeddings say.
    """
    decoded = [[decode(one) if one else None for one in each] for each in (sketches, others)]
    pairs = picture_candidates(*decoded, may_go=may_go)
    pairs = replace(pairs, similarity=verified(pairs, sketches, others))
    return pairs.where(pairs.similarity >= LEAST_ALIKE)


def pair_similarity(
    similarity: npt.NDArray[np.float64],
    sketches: Sketches,
    others: Sketches,
    *,
    least: float = MIN_SIMILARITY,
) -> npt.NDArray[np.float64]:
    """Of pairs whose embeddings have this ``similarity``, as ``verified``; below ``least`` its own.

    A clip of ``sketches`` may be a part of its other one, not the other way round: it is the one that goes.
    """
    return np.array(
        [
            likeness(decode(one), decode(other)) if one and other and score >= least else score
            for score, one, other in zip(similarity.tolist(), sketches, others, strict=True)
        ],
        dtype=np.float64,
    )


def best_rows(row: Indices, score: npt.NDArray[np.float64]) -> Indices:
    """Places of the pairs with the best ``score`` of each ``row``; of equals the first."""
    order = np.lexsort((np.arange(len(row)), -score, row))
    return order[np.unique(row[order], return_index=True)[1]]
