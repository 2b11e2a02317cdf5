"""Which of several rows for one id counts. Pure."""

import numpy as np
import pyarrow as pa

from clipmill import arrow
from clipmill.planning.judgement import CLEARED, FINAL, LOST, RESULT, RETRYABLE

RANKS = {RESULT: 0, FINAL: 1, RETRYABLE: 2, CLEARED: 3, LOST: 4}
"""Of several rows for one id the lowest counts."""


def best_rows(rows: pa.Table, *, newest: bool = False) -> pa.Table:
    """Returns the row of each id that counts, sorted by id; ``newest`` prefers later runs among equals.

    ``rows`` are without what cleared and lost rows take away.
    """
    if not len(rows):
        return rows
    ids, runs = groups_of(rows["id"]), codes_of(rows["run_id"])
    order = np.lexsort((-runs if newest else runs, ranks_of(rows), ids))
    first = np.concatenate([[True], np.diff(ids[order]) != 0])
    return rows.take(pa.array(order[first])).sort_by("id")


def without_cleared(rows: pa.Table) -> pa.Table:
    """Returns rows without what cleared and lost rows take away, and without these."""
    ranks = ranks_of(rows)
    if not (ranks >= RANKS[CLEARED]).any():
        return rows
    return rows.filter(pa.array((ranks < RANKS[CLEARED]) & ~taken_away(rows)))


def taken_away(rows: pa.Table) -> np.ndarray:
    """Returns bool ``(N,)``: rows that a cleared or lost row of their run or a later one ends.

    A lost row ends results, failures and cleared rows, a cleared row failures; of several the last stays.
    """
    ranks = ranks_of(rows)
    if not (ranks >= RANKS[CLEARED]).any():
        return np.zeros(len(rows), bool)
    ids, runs = groups_of(rows["id"]), codes_of(rows["run_id"])
    is_lost = ranks == RANKS[LOST]
    last_lost = _last_runs(ids, runs, is_lost)
    last = np.maximum(_last_runs(ids, runs, ranks == RANKS[CLEARED]), last_lost)
    return np.select(
        [is_lost, ranks == RANKS[CLEARED], ranks == RANKS[RESULT]],
        [runs < last_lost, (runs < last) | (runs <= last_lost), runs <= last_lost],
        runs <= last,
    )


def _last_runs(ids: np.ndarray, runs: np.ndarray, is_end: np.ndarray) -> np.ndarray:
    """Returns int64 ``(N,)``: for each row the last run of its id among ``is_end``, -1 without one."""
    last = np.full(ids.max() + 1 if len(ids) else 0, -1)
    np.maximum.at(last, ids[is_end], runs[is_end])
    return last[ids]


def ranks_of(rows: pa.Table) -> np.ndarray:
    """Returns int64 ``(N,)``: the rank of each row's outcome; an unknown outcome counts as retryable."""
    places = arrow.index_in(rows["outcome"].combine_chunks(), pa.array(list(RANKS), pa.string()))
    return np.asarray(places.fill_null(RANKS[RETRYABLE])).astype(np.int64)


def items_of(rows: pa.Table) -> np.ndarray:
    """Returns int64 ``(N,)``: rows of one id and the same effects have the same number."""
    effects = groups_of(rows["effects"])
    return groups_of(rows["id"]) * (effects.max(initial=0) + 1) + effects


def groups_of(values: pa.ChunkedArray) -> np.ndarray:
    """Returns int64 ``(N,)``: equal texts have the same number from 0 on, nulls -1."""
    coded = values.combine_chunks().dictionary_encode()
    return np.asarray(coded.indices.fill_null(-1)).astype(np.int64)


def codes_of(values: pa.ChunkedArray) -> np.ndarray:
    """Returns int64 ``(N,)``: the rank of each text among the distinct ones, -1 for nulls."""
    coded = values.combine_chunks().dictionary_encode()
    codes = np.asarray(coded.indices.fill_null(-1)).astype(np.int64)
    names = arrow.sort_indices(coded.dictionary)
    place = np.empty(len(names) + 1, np.int64)
    place[names], place[-1] = np.arange(len(names)), -1
    return place[codes]
