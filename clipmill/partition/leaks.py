"""Clips of different parts that may show the same: by embeddings, and by fingerprints where they exist.

The search is wider than that of deduplication: it finds what that just let pass.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from clipmill.dataset.snapshots.embeddings import embeddings_of
from clipmill.dataset.snapshots.record import Snapshot
from clipmill.dedup.candidates import candidates_among
from clipmill.dedup.groups import eps_for
from clipmill.dedup.vectors import unit_rows
from clipmill.dedup_job.tables.embedding_files import read_batches
from clipmill.dedup_job.tables.fingerprint_column import Sketches, pair_similarity
from clipmill.errors import SourceError
from clipmill.partition.rows import read_clips
from clipmill.partition.table import HELD_OUT, places_in, read_standing

WIDER = 1.4
"""How much farther apart than duplicates two clips may be to be named."""
_BATCH = 1024


@dataclass(frozen=True, order=True)
class Leak:
    """Two clips of different parts that are alike."""

    clip_id: str
    part: str
    other_id: str
    other_part: str
    similarity: float


@dataclass(frozen=True)
class _Measured:
    """The clips to measure by: ids, parts, vectors of unit length ``(M, D)`` and sketches."""

    ids: list[str]
    parts: list[str]
    unit: np.ndarray
    sketches: Sketches


def find_leaks(output: str, snapshot: Snapshot, training: str, embedding: str = "") -> list[Leak]:
    """Returns the pairs of clips in different parts that are alike, by id.

    Clips to measure by are held in memory, all others are read in batches. SourceError for an output
    without that embedding; without a name its first one is taken.
    """
    known = {name: uris for name, uris in embeddings_of(output, snapshot) if uris}
    name = embedding or next(iter(known), "")
    if name not in known:
        raise SourceError(f"{output} has no embedding {name} to look for leaks by; it has {', '.join(known)}")
    parts = _parts(output, snapshot)
    least = 1 - WIDER * eps_for(name)
    measured = _measured(known[name], parts, training)
    found = {leak for uri in known[name] for leak in _of_file(uri, parts, measured, least)}
    return sorted(found)


def _parts(output: str, snapshot: Snapshot) -> Mapping[str, str]:
    """Clip id -> part, for the clips of the snapshot that are in one."""
    clips = read_clips(output, snapshot)
    standing = read_standing(output)
    kept = places_in(standing.ids, clips.ids.filter(pa.array(clips.is_kept))) >= 0
    pairs = zip(standing.by_id().items(), kept.tolist(), strict=True)
    return {name: part for (name, part), is_kept in pairs if is_kept and part != HELD_OUT}


def _measured(uris: Sequence[str], parts: Mapping[str, str], training: str) -> _Measured:
    ids: list[str] = []
    rows: list[np.ndarray] = []
    sketches: list[bytes | None] = []
    for uri in uris:
        for batch in read_batches(uri):
            names = batch.ids.to_pylist()
            own = [row for row, name in enumerate(names) if parts.get(name, training) != training]
            ids += [names[row] for row in own]
            rows.append(batch.rows[own])
            sketches += batch.sketches.take(pa.array(own, pa.int64())).to_pylist()
    unit = unit_rows(np.concatenate(rows)) if ids else np.zeros((0, 1), np.float32)
    return _Measured(ids, [parts[name] for name in ids], unit, sketches)


def _of_file(uri: str, parts: Mapping[str, str], measured: _Measured, least: float) -> Iterator[Leak]:
    if not measured.ids:
        return
    for batch in read_batches(uri):
        names, sketches = batch.ids.to_pylist(), batch.sketches.to_pylist()
        found = candidates_among(unit_rows(batch.rows), measured.unit, batch_size=_BATCH)
        crosses = np.array(
            [
                parts.get(names[row], "") not in ("", measured.parts[other])
                for row, other in zip(found.row.tolist(), found.other.tolist(), strict=True)
            ],
            bool,
        )
        row, other = found.row[crosses].tolist(), found.other[crosses].tolist()
        scores = pair_similarity(
            found.similarity[crosses],
            [sketches[one] for one in row],
            [measured.sketches[one] for one in other],
        )
        for one, two, score in zip(row, other, scores.tolist(), strict=True):
            if score >= least:
                yield _leak((names[one], parts[names[one]]), (measured.ids[two], measured.parts[two]), score)


def _leak(one: tuple[str, str], other: tuple[str, str], score: float) -> Leak:
    first, second = sorted((one, other))
    return Leak(*first, *second, round(score, 6))
