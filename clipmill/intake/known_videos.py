"""The videos of a listing and what the state has of them, as tables of a scratch database."""

from collections.abc import Iterable, Iterator
from itertools import islice

import pyarrow as pa

from clipmill import identity
from clipmill.intake.manifests import source_line
from clipmill.planning.plan import Plan, inspect_digest
from clipmill.records import SourceFile
from clipmill.state.database import Database
from clipmill.state.ids import key_of
from clipmill.state.schema import INSPECT, INSPECT_STATE, OUTCOME, VERIFY, VERIFY_STATE, verify_digest
from clipmill.state.store import ResultStore

_BATCH = 10_000
FACTS = [
    name
    for name in INSPECT_STATE.names
    if name not in (*OUTCOME.names, "uri", "size_bytes", "video_id", "bytes_read")
]


def load_sources(database: Database, sources: Iterable[SourceFile]) -> None:
    """Makes the table ``sources``: ``id`` of the source version, and the line of the manifest.

    ``place`` counts them by URI, size and version.
    """
    database.run(
        "CREATE TABLE listed (id UUID, source_version VARCHAR, uri VARCHAR, size_bytes BIGINT, "
        "record VARCHAR)"
    )
    rest = iter(sources)
    key = key_of("source_version", "VARCHAR")
    while batch := list(islice(rest, _BATCH)):
        table = pa.table(
            {
                "source_version": [one.source_version for one in batch],
                "uri": [one.uri for one in batch],
                "size_bytes": [one.size_bytes for one in batch],
                "record": [source_line(one).decode() for one in batch],
            }
        )
        database.run(
            f"INSERT INTO listed SELECT {key}, source_version, uri, size_bytes, record FROM batch",
            batch=table,
        )
    order = "uri, size_bytes, source_version"
    database.run(
        f"CREATE TABLE sources AS SELECT row_number() OVER (ORDER BY {order}) - 1 AS place, * FROM listed; "
        "DROP TABLE listed"
    )


def load_inspections(database: Database, plan: Plan, output: str) -> None:
    """Makes the tables ``inspected``, of the listed sources, and ``verified``, of all."""
    state = ResultStore(output)
    facts = ", ".join(f'"{name}"' for name in FACTS)
    database.load(
        "inspected",
        state.parts(INSPECT, inspect_digest(plan.limits)),
        select=f'id, outcome, run_id, reason, message, "limit", video_id, video_id_text, {facts}',
        where="id IN (SELECT id FROM sources)",
        schema=INSPECT_STATE,
    )
    database.keep_best("inspected")
    database.load(
        "verified",
        state.parts(VERIFY, verify_digest()),
        select="id, outcome, run_id, video_id, video_id_text, file_digest",
        schema=VERIFY_STATE,
    )
    database.keep_best("verified")


def make_videos(database: Database) -> None:
    """Makes the table ``videos``: one for each id, the one of the smallest URI, with its ``place`` by URI.

    ``source`` is the place of its source.
    """
    _resolve(database)
    facts = ", ".join(f'i."{name}"' for name in FACTS)
    resolved = "coalesce(r.video_id, i.video_id)"
    order = "s.uri, s.size_bytes, s.source_version"
    database.run(
        "CREATE TABLE videos AS SELECT row_number() OVER (ORDER BY uri, size_bytes, source_version) - 1 "
        "AS place, * EXCLUDE (uri, size_bytes, source_version) "
        "FROM (SELECT s.uri, s.size_bytes, s.source_version, s.place AS source, s.record, "
        f"{resolved} AS id, coalesce(r.video_id_text, i.video_id_text) AS video_id, {facts} "
        f"FROM sources s JOIN inspected i ON s.id = i.id LEFT JOIN resolved r ON r.id = i.id "
        f"WHERE i.outcome = 'result' "
        f"QUALIFY row_number() OVER (PARTITION BY {resolved} ORDER BY {order}) = 1)"
    )


def _resolve(database: Database) -> None:
    """Makes the table ``resolved``: sources whose sampled id names more than one file, and their own ids."""
    alike = "SELECT video_id FROM verified GROUP BY video_id HAVING count(DISTINCT file_digest) > 1"
    rows = database.rows(
        f"SELECT id, video_id_text, file_digest FROM verified WHERE video_id IN ({alike}) "
        "AND id IN (SELECT id FROM sources)"
    )
    made = list(_disambiguated(rows))
    texts = rows.set_column(1, "video_id_text", pa.array(made, pa.string()))
    key = key_of("video_id_text", "VARCHAR")
    database.run(
        f"CREATE TABLE resolved AS SELECT id, {key} AS video_id, video_id_text FROM made", made=texts
    )


def _disambiguated(rows: pa.Table) -> Iterator[str]:
    pairs = zip(rows["video_id_text"].to_pylist(), rows["file_digest"].to_pylist(), strict=True)
    for video_id, digest in pairs:
        yield identity.disambiguated_id(str(video_id), str(digest))
