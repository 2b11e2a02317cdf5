"""Before two sources are called copies their whole files are compared: a sampled id is no proof."""

import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor

from clipmill import identity
from clipmill.errors import StoreError
from clipmill.intake.manifests import source_of
from clipmill.media.io.source import open_source
from clipmill.planning.judgement import RESULT
from clipmill.records import SourceFile
from clipmill.state.database import Database
from clipmill.state.schema import FIRST_RUN, VERIFY, VERIFY_STATE, verify_digest
from clipmill.state.store import ResultStore

logger = logging.getLogger(__name__)

PIECE_BYTES = 8 << 20
READS_AT_ONCE = 4
_FILES_AT_ONCE = 1_000


def verify_copies(database: Database, output: str) -> int:
    """Digests every large source that shares its ``video_id``; returns how many were read.

    ``database`` has the tables ``sources``, ``inspected`` and ``verified``. Small files enter their id whole,
    and a file is read once in its life.
    """
    large = f"(s.size_bytes = 0 OR s.size_bytes > {identity.WHOLE_BYTES})"
    unread = database.rows(
        "SELECT record, video_id_text FROM (SELECT s.*, i.video_id, i.video_id_text "
        f"FROM sources s JOIN inspected i USING (id) WHERE i.video_id IS NOT NULL AND {large} "
        "QUALIFY count(*) OVER (PARTITION BY i.video_id) > 1) "
        "WHERE id NOT IN (SELECT id FROM verified) ORDER BY video_id_text, uri"
    )
    for start in range(0, len(unread), _FILES_AT_ONCE):
        _digest_files(unread.slice(start, _FILES_AT_ONCE).to_pylist(), output)
    return len(unread)


def _digest_files(rows: list[dict[str, object]], output: str) -> None:
    sources = [source_of(str(row["record"])) for row in rows]
    with ThreadPoolExecutor(READS_AT_ONCE) as pool:
        digests = list(pool.map(_digest_or_none, sources))
    records = [
        {
            "id": source.source_version,
            "outcome": RESULT,
            "video_id": row["video_id_text"],
            "file_digest": digest,
        }
        for row, source, digest in zip(rows, sources, digests, strict=True)
        if digest is not None
    ]
    ResultStore(output).append_records(
        VERIFY, verify_digest(), records, schema=VERIFY_STATE, run_id=FIRST_RUN
    )


def _digest_or_none(source: SourceFile) -> str | None:
    """The digest; None where the file cannot be read to its end, which its own outcome will say."""
    try:
        return file_digest(source)
    except StoreError as error:
        logger.warning("not compared with those that look like it: %s", error)
        return None


def file_digest(source: SourceFile) -> str:
    """Returns the BLAKE2b-256 of a whole file, in hex. SourceChanged where it is not what was listed."""
    digest = hashlib.blake2b(digest_size=32)
    with open_source(source) as reader:
        while piece := reader.read(PIECE_BYTES):
            digest.update(piece)
        reader.verify()
    return digest.hexdigest()
