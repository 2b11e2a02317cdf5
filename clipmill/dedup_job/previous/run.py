"""What a run leaves for the next one: the clips it compared and the centroids they belong to.

``dedup/known.json`` names immutable files and is written last: a run that is interrupted has added nothing.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import ValidationError

from clipmill import identity, layout
from clipmill.dedup_job import step_io
from clipmill.dedup_job.previous.rows import Part, read_part
from clipmill.dedup_job.step_io import Known
from clipmill.dedup_job.tables.arrow_lookup import all_names, are_among, places_among
from clipmill.dedup_job.tables.embedding_files import Batch, Rows, read_together, sorted_ids
from clipmill.errors import BadEmbeddings
from clipmill.specs import DedupSpec
from clipmill.storage import store

CENTROIDS = "centroids.npy"
ROWS = "known"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class NewRows:
    """Ids, embeddings ``(N, D)`` and sketches of new clips; ids of others whose embedding has changed."""

    ids: pa.Array
    rows: Rows
    sketches: pa.Array
    changed: list[str]


def known_uri(output: str) -> str:
    """Where the next run looks."""
    return layout.join(layout.dedup_dir(output), "known.json")


def rows_dir(output: str) -> str:
    """Folder of the rows that later runs compare with."""
    return layout.join(layout.dedup_dir(output), ROWS)


def read_files_uri(output: str, known: Known) -> str:
    """Where the list of the files lies that led to ``known``; without it all files are read again."""
    name = f"{identity.bytes_digest(step_io.encode(known))}.json"
    return layout.join(layout.work_dir(output), "dedup_read", name)


def parameters(spec: DedupSpec) -> str:
    """Names what a result depends on beside the clips, so that no run adds to one of other parameters."""
    fields = {name: value for name, value in spec.result_fields().items() if name != "mode"}
    return identity.stage_digest("dedup", 3, fields)


def read_known(output: str, spec: DedupSpec) -> Known | None:
    """What earlier runs left for one of ``spec``; None where there is nothing to add to."""
    uri = known_uri(output)
    if spec.mode == "full" or not store.exists(uri):
        return None
    try:
        known = step_io.read(uri, Known)
    except ValidationError:
        logger.warning("%s is of another version: all clips are compared again", uri)
        return None
    return known if known.parameters == parameters(spec) and any(known.rows) else None


def forget_if_clips_are_gone(output: str, spec: DedupSpec, ids: pa.ChunkedArray) -> None:
    """Makes the next run a full one where clips of earlier runs are not among ``ids``, those of all clips.

    A clip that is no longer there stands for no other one, and is new should it come back.
    """
    known = read_known(output, spec)
    if known is None:
        return
    before = all_names([part.ids for part in parts_of(known, layout.dedup_dir(output))])
    num_gone = int(np.count_nonzero(~are_among(before, ids)))
    if num_gone:
        logger.info("%d clips of earlier runs are no longer there: all clips are compared again", num_gone)
        store.delete(known_uri(output))


def parts_of(known: Known, root: str, *, clusters: range | None = None) -> list[Part]:
    """Whose rows there are, part by part, of some ``clusters`` or all; ``root`` holds ``known.json``."""
    return [
        read_part(layout.join(root, ROWS, part.name))
        for run in known.rows
        for part in run
        if clusters is None or (part.first_cluster < clusters.stop and part.last_cluster >= clusters.start)
    ]


def read_files(known: Known, output: str) -> frozenset[step_io.InputFile]:
    """The files that earlier runs have read, as they were listed then; none where that is not known."""
    uri = read_files_uri(output, known)
    return frozenset(step_io.read(uri, step_io.InputFiles).files if store.exists(uri) else ())


def unread_files(known: Known, output: str, files: Sequence[store.FileEntry]) -> list[store.FileEntry]:
    """Those of ``files`` that earlier runs have not read as they are now listed."""
    seen = read_files(known, output)
    return [file for file in files if not file.version or step_io.input_file(file) not in seen]


def read_new(known: Known, root: str, uris: Sequence[str]) -> Iterator[NewRows]:
    """Ids and embeddings of the files that earlier runs have not seen, piece by piece.

    BadEmbeddings as ``embedding_files.read_files``, and for another number of dimensions.
    """
    ids, place = sorted_ids(uris)
    parts = parts_of(known, root)
    digests = np.concatenate([part.facts["digest"].to_numpy() for part in parts])
    before = places_among(pa.chunked_array([ids]), all_names([part.ids for part in parts]))[place]
    start = 0
    for uri in uris:
        for batch in read_together([uri]):
            if batch.rows.shape[1] != known.dimensions:
                cause = f"row 0 has {batch.rows.shape[1]} numbers, earlier runs had {known.dimensions}"
                raise BadEmbeddings(uri, cause)
            yield _compared(batch, before[start : start + len(batch.rows)], digests)
            start += len(batch.rows)


def _compared(batch: Batch, before: npt.NDArray[np.int64], digests: npt.NDArray[np.uint64]) -> NewRows:
    """``before`` names each row's place among ``digests``, -1 for a new one."""
    was_seen = before >= 0
    differs = np.zeros(len(before), dtype=bool)
    differs[was_seen] = batch.digests[was_seen] != digests[before[was_seen]]
    is_new = pa.array(~was_seen)
    return NewRows(
        batch.ids.filter(is_new),
        batch.rows[~was_seen],
        batch.sketches.filter(is_new),
        batch.ids.filter(pa.array(differs)).to_pylist(),
    )
