"""The pairs of new clips: each with the most similar one of earlier runs, or better-ranked new one."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clipmill.dedup.pairwise import nearest_earlier, nearest_earlier_across
from clipmill.dedup.vectors import Indices
from clipmill.dedup_job.assign import as_matrix, cluster_ranges
from clipmill.dedup_job.pairs.of_cluster import ClusterPairs, Scores, Side, sides
from clipmill.dedup_job.pairs.verified import Verified, joined, verified_pairs
from clipmill.dedup_job.pairs.with_known_clips import Best, KnownRows, parts_of_new, to_known
from clipmill.dedup_job.previous.rows import Part
from clipmill.dedup_job.tables.arrow_lookup import all_names
from clipmill.dedup_job.tables.fingerprint_column import sketches_of


def find_new_pairs(
    rows: pa.Table,
    place: Indices,
    known: Sequence[Part],
    *,
    removed: pa.ChunkedArray,
    dimensions: int,
    batch_size: int,
    replaces: bool = False,
) -> ClusterPairs:
    """The pairs of new clips ``rows``, sorted by ``host``, in each of their clusters.

    ``place`` ranks them among each other; the ``known`` clips all rank before and are not compared with each
    other, those named in ``removed`` not at all. Both tables name the clips' own ``cluster``. Of clips with
    sketches the similarity is that which those verify. With ``replaces`` a pair may also be of a known clip
    that is a part of the new one, where the picture of the new one is as large. Memory is that of the rows,
    and of a stretch of the known ones.
    """
    unit, hosts, sketches = as_matrix(rows["embedding"]), cluster_ranges(rows), sketches_of(rows)
    ids = all_names([part.ids for part in known])
    is_guest = rows["cluster"].to_numpy() != rows["host"].to_numpy()
    compared = [KnownRows.without(part, removed) for part in known]
    best, verified = to_known(
        rows, compared, dimensions=dimensions, batch_size=batch_size, looks_at_pictures=True
    )
    if replaces:
        verified += parts_of_new(rows, compared, dimensions=dimensions)
    within, across = best.of(~is_guest), best.of(is_guest)
    for own in hosts.values():
        residents, guests = sides(unit[own], is_guest[own], place[own])
        base = len(ids) + own.start
        _compare(residents, guests, within, across, own=own, base=base, batch_size=batch_size)
        if sketches is not None:
            found = verified_pairs(unit[own], is_guest[own], place[own], sketches[own], batch_size=batch_size)
            verified.append(Verified(found.row + own.start, found.other + base, found.score, found.is_across))
    if verified:
        within, across = _by_sketches(joined(verified), within, across)
    order = np.lexsort((place, rows["host"].to_numpy()))
    residents_row = order[~is_guest[order]]
    itself = np.where(within.index < 0, np.arange(len(unit)) + len(ids), within.index)
    linked = np.flatnonzero(across.index >= 0)
    return ClusterPairs(
        _table(rows, ids, residents_row, itself, within.score),
        _table(rows, ids, linked, across.index, across.score),
    )


def _by_sketches(verified: Verified, within: Best, across: Best) -> tuple[Best, Best]:
    rows = np.arange(len(within.index))
    return (
        Best(*verified.in_place_of(rows, within.index, within.score, is_across=False)),
        Best(*verified.in_place_of(rows, across.index, across.score, is_across=True)),
    )


def _compare(
    residents: Side, guests: Side, within: Best, across: Best, *, own: slice, base: int, batch_size: int
) -> None:
    """New clips of one cluster with each other; row 0 of it is row ``own.start`` and id ``base`` of all."""
    index, score = nearest_earlier(residents.unit, batch_size=batch_size)
    within.take(residents.row + own.start, residents.row[index] + base, score)
    found = nearest_earlier_across(guests.in_order, residents.in_order, batch_size=batch_size)
    for (index, score), side, other in zip(found, (guests, residents), (residents, guests), strict=True):
        has = np.flatnonzero(index >= 0)
        across.take(side.row[has] + own.start, other.row[index[has]] + base, score[has])


def _table(
    rows: pa.Table, known: pa.ChunkedArray, chosen: Indices, index: Indices, score: Scores
) -> pa.Table:
    """The pairs of the ``chosen`` rows; ``index`` counts the ``known`` clips and then the rows."""
    other = index[chosen]
    is_known = other < len(known)
    names = pa.concat_arrays([
        known.chunk(0).take(pa.array(other[is_known])),
        rows["id"].combine_chunks().take(pa.array(other[~is_known] - len(known))),
    ])  # fmt: skip
    place = np.argsort(np.argsort(~is_known, kind="stable"))
    columns = {
        "id": rows["id"].take(pa.array(chosen)),
        "max_id": names.take(pa.array(place)),
        "cosine_sim_score": pc.cast(pa.array(score[chosen]), pa.float32(), safe=False),
        "cluster": rows["cluster"].take(pa.array(chosen)),
    }
    return pa.table(columns)
