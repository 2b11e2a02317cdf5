"""The duplicates of one run, in the folder of the run, with the clips among which they were found.

The documented tree under ``dedup/`` is that of the last run. A run never reads its own duplicates from there.
"""

import posixpath
from dataclasses import dataclass

import pyarrow as pa

from clipmill import base_columns, identity, layout
from clipmill.dedup_job import step_io
from clipmill.dedup_job.previous.run import known_uri, parts_of
from clipmill.dedup_job.tables.arrow_lookup import all_names, are_among
from clipmill.dedup_job.tables.embedding_files import embedding_files, sorted_ids
from clipmill.errors import StaleDuplicates
from clipmill.storage import parquet, store

_IDS = pa.schema([pa.field("id", pa.string())])


@dataclass(frozen=True)
class RunDuplicates:
    """The ``table`` of a run, in the columns of ``base_columns.DUPLICATES``, and the ids that it compared."""

    table: pa.Table
    compared: pa.ChunkedArray

    def check_kept(self, ids: pa.ChunkedArray) -> None:
        """Raises StaleDuplicates where clips with embeddings are kept that were not compared."""
        was_compared = are_among(ids, self.compared)
        if not was_compared.all():
            missed = ids.filter(pa.array(~was_compared))
            raise StaleDuplicates(
                f"{len(missed)} clips, as {missed[0]}, were not compared by deduplication, which looked at "
                f"{len(self.compared)}: another run changed the output meanwhile; run again"
            )


def export_ids(embeddings_uri: str, folder: str) -> str:
    """Writes the ids of the embeddings that the run compares into its folder; returns the URI."""
    ids, _ = sorted_ids([file.uri for file in embedding_files(embeddings_uri)])
    uri = layout.join(folder, "compared_ids.parquet")
    store.put_if_changed(uri, parquet.encode(pa.table([ids], schema=_IDS)))
    return uri


def exported_ids(uri: str) -> pa.ChunkedArray:
    """Returns what ``export_ids`` wrote."""
    return parquet.read(uri, schema=_IDS)["id"]


def hand_over(table: bytes, ids_uri: str, output: str, *, is_whole: bool) -> str:
    """Writes the duplicates beside the ids that the run compares; returns the URI of what names both.

    StaleDuplicates where the clips of the steps before are others: all of them for a run that ``is_whole``,
    more than them for one that added to earlier ones.
    """
    ids = exported_ids(ids_uri)
    compared = _compared_ids(output)
    is_there = bool(are_among(ids, compared).all())
    if not is_there or (is_whole and len(compared) != len(ids)):
        raise StaleDuplicates(
            f"deduplication compared {len(compared)} clips, which are not the {len(ids)} of this run: "
            "another run changed the output meanwhile; run again"
        )
    folder = posixpath.dirname(ids_uri)
    table_uri = layout.join(folder, "duplicates.parquet")
    store.put_if_changed(table_uri, table)
    named = step_io.RunResult(
        table_uri=table_uri,
        table_digest=identity.bytes_digest(table),
        ids_uri=ids_uri,
        ids_digest=identity.bytes_digest(store.read_bytes(ids_uri)),
    )
    return step_io.write(layout.join(folder, "duplicates.json"), named)


def read_result(uri: str) -> RunDuplicates:
    """Returns what ``hand_over`` wrote; StaleDuplicates where the files are no longer those."""
    named = step_io.read(uri, step_io.RunResult)
    for file, digest in ((named.table_uri, named.table_digest), (named.ids_uri, named.ids_digest)):
        if identity.bytes_digest(store.read_bytes(file)) != digest:
            raise StaleDuplicates(f"{file} is not what deduplication wrote; run again")
    table = parquet.read(named.table_uri, schema=base_columns.DUPLICATES)
    return RunDuplicates(table, exported_ids(named.ids_uri))


def _compared_ids(output: str) -> pa.ChunkedArray:
    """Ids of the clips behind the tree that was just written, each once."""
    known = step_io.read(known_uri(output), step_io.Known)
    return all_names([part.ids for part in parts_of(known, layout.dedup_dir(output))])
