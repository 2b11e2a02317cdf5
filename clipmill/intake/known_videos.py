"""The videos of a listing and what the state has of them, as tables of a scratch database."""

from collections.abc import Iterable, Iterator
from itertools import islice

import pyarrow as pa

from clipmill import identity
from clipmill.intake.manifests import source_line
from clipmill.planning.plan import Plan, inspect_digest
from clipmill.records import SourceFile
from clipmill.state import completeness
from clipmill.state.database import Database, case_of, key_of
from clipmill.state.inspections import INSPECT, VERIFY, verify_digest
from clipmill.state.part_set import parts_of
from clipmill.state.schema import INSPECT_STATE, OUTCOME, SPLIT_STATE, VERIFY_STATE
from clipmill.state.store import ResultStore

_BATCH = 50_000
FACTS = [
    name
    for name in INSPECT_STATE.names
    if name not in (*OUTCOME.names, "uri", "size_bytes", "video_id", "bytes_read")
]


def load_sources(database: Database, sources: Iterable[SourceFile]) -> None:
    """Makes the table ``sources``: ``id`` of the source version, and the line of the manifest."""
    database.run(
        "CREATE TABLE sources (id UUID, source_version VARCHAR, uri VARCHAR, size_bytes BIGINT, "
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
            f"INSERT INTO sources SELECT {key}, source_version, uri, size_bytes, record FROM listed",
            listed=table,
        )


def load_inspections(database: Database, plan: Plan, output: str) -> None:
    """Makes the tables ``inspected``, of the listed sources, and ``verified``, of all."""
    state = ResultStore(output)
    facts = ", ".join(f'"{name}"' for name in FACTS)
    database.load(
        "inspected",
        state.parts(INSPECT, inspect_digest(plan.limits)),
        select=f"id, outcome, run_id, video_id, video_id_text, {facts}",
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
    """Makes the table ``videos``: one for each id, the one of the smallest URI, with its ``place`` by URI."""
    _resolve(database)
    facts = ", ".join(f'i."{name}"' for name in FACTS)
    resolved = "coalesce(r.video_id, i.video_id)"
    order = "s.uri, s.size_bytes, s.source_version"
    database.run(
        "CREATE TABLE videos AS SELECT row_number() OVER (ORDER BY uri, size_bytes, source_version) - 1 "
        "AS place, * EXCLUDE (uri, size_bytes, source_version) "
        "FROM (SELECT s.uri, s.size_bytes, s.source_version, s.record, "
        f"{resolved} AS id, coalesce(r.video_id_text, i.video_id_text) AS video_id, {facts} "
        f"FROM sources s JOIN inspected i ON s.id = i.id LEFT JOIN resolved r ON r.id = i.id "
        f"WHERE i.outcome = 'result' "
        f"QUALIFY row_number() OVER (PARTITION BY {resolved} ORDER BY {order}) = 1)"
    )


def drop_complete(database: Database, plan: Plan, output: str) -> bool:
    """Takes the videos that lack nothing out of ``videos``; returns False where none were noted.

    Before notes are believed, the ends of all parts of the plan are read: one that is cut off ends all notes.
    """
    parts = parts_of(completeness.notes_folder(plan, output))
    if not parts.live:
        return False
    state = ResultStore(output)
    for node in (plan.extractor, *plan.rowed):
        found = state.parts(node.key, node.digest)
        if found.checked() is not found:
            return False
    schema = pa.schema([OUTCOME.field(name) for name in ("id", "outcome")])
    database.load("complete", parts, select="id", schema=schema)
    database.run("DELETE FROM videos WHERE id IN (SELECT id FROM complete)")
    return True


def load_splits(database: Database, plan: Plan, output: str) -> bool:
    """Makes the tables ``splits``, of the videos, and ``clips``; returns False if a part was damaged."""
    extractor = plan.extractor
    parts = ResultStore(output).parts(extractor.key, extractor.digest)
    is_whole = parts is database.load(
        "splits",
        parts,
        select=(
            "id, outcome, run_id, reason, repaired_times, is_partial, oddities, clips, "
            "len(clips) AS num_clips, effects, coalesce(traits, '') AS traits"
        ),
        where="id IN (SELECT id FROM videos)",
        schema=SPLIT_STATE,
    )
    expected = case_of("traits", {one: extractor.effects_in(one) for one in traits_there(database)})
    database.run(f"DELETE FROM splits WHERE effects <> {expected}")
    database.keep_best("splits")
    clip = (
        "SELECT v.place AS video, s.traits, unnest(s.clips) AS clip FROM splits s JOIN videos v USING (id) "
        "WHERE s.outcome = 'result'"
    )
    database.run(
        f"CREATE TABLE clips AS SELECT video, traits, {key_of('clip.clip_id', 'VARCHAR')} AS id, "
        f"clip.clip_id AS clip_id, clip.end_frame - clip.start_frame AS num_frames FROM ({clip})"
    )
    return is_whole


def traits_there(database: Database) -> list[str]:
    """Returns the distinct traits of the videos of ``splits``."""
    return database.rows("SELECT DISTINCT traits FROM splits")["traits"].to_pylist()


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
