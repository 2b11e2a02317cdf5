"""The fit of a run that adds to earlier ones: their centroids, and shards of what those have not seen."""

import logging
import posixpath
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from clipmill import layout
from clipmill.dedup_job import fit, step_io
from clipmill.dedup_job.assign import as_lists
from clipmill.dedup_job.previous.run import CENTROIDS, NewRows, known_uri, read_new, unread_files
from clipmill.dedup_job.step_io import Known
from clipmill.dedup_job.tables.embedding_files import BATCH_ROWS
from clipmill.dedup_job.tables.fingerprint_column import with_sketches
from clipmill.specs import DedupSpec
from clipmill.storage import parquet, store

logger = logging.getLogger(__name__)

NUM_BORDERS = 3
"""Other clusters in which a new clip looks for earlier ones that have its own second-nearest."""

KNOWN_PER_NEW = 50
"""Known clips that cost what a new one does: they are only read."""


def fit_new(
    known: Known, files: Sequence[store.FileEntry], output: str, spec: DedupSpec, *, uri: str
) -> str | None:
    """A fit of earlier centroids, whose shards hold only new clips, written at ``uri``.

    None when a clip's embedding is no longer what earlier runs compared: what they removed may then be wrong.
    """
    folder = posixpath.dirname(uri)
    root = layout.dedup_dir(output)
    fresh = unread_files(known, output, files)
    changed: list[str] = []
    parts = _write_parts(folder, _noting(read_new(known, root, [file.uri for file in fresh]), changed))
    if changed:
        logger.warning(
            "the embeddings of %d clips, as %s, are not those of earlier runs: all clips are compared again",
            len(changed), min(changed),
        )  # fmt: skip
        return None
    num_new = sum(num_rows for _, num_rows in parts)
    num_known = sum(part.num_rows for run in known.rows for part in run)
    centroids = fit.read_centroids(layout.join(root, CENTROIDS))
    return fit.write_fit(
        uri,
        centroids,
        [(uri,) for uri, _ in parts] or [()],
        fit.groups_of(len(centroids), num_new + num_known // KNOWN_PER_NEW, spec),
        # Guests of earlier runs are not kept: new rows visit where those would have come from.
        borders=step_io.Borders(width=min(2 * spec.border_width, 2.0), count=NUM_BORDERS),
        backend=spec.backend,
        files=fresh,
        known_uri=known_uri(output),
    )


def _noting(batches: Iterable[NewRows], changed: list[str]) -> Iterator[NewRows]:
    for batch in batches:
        changed.extend(batch.changed)
        yield batch


def _write_parts(folder: str, batches: Iterable[NewRows]) -> list[tuple[str, int]]:
    """Write the new rows as files of embeddings; the URI of each and its number of rows."""
    written: list[tuple[str, int]] = []
    for held in _gathered(batches):
        rows = np.concatenate([batch.rows for batch in held])
        table = pa.table({"id": pa.concat_arrays([batch.ids for batch in held]), "embedding": as_lists(rows)})
        table = with_sketches(table, pa.concat_arrays([batch.sketches for batch in held]))
        uri = layout.join(folder, "new", f"part-{len(written)}.parquet")
        store.put_if_changed(uri, parquet.encode(table))
        written.append((uri, len(rows)))
    return written


def _gathered(batches: Iterable[NewRows]) -> Iterator[list[NewRows]]:
    """Runs of batches with at least ``BATCH_ROWS`` new rows, but for the last."""
    held: list[NewRows] = []
    for batch in batches:
        held += [batch] if len(batch.rows) else []
        if sum(len(one.rows) for one in held) >= BATCH_ROWS:
            yield held
            held = []
    if held:
        yield held
