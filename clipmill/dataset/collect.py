"""Everything that a snapshot is published from: the listing and the rows of the state, range by range."""

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa

from clipmill import arrow
from clipmill.dedup.exact import ExactDuplicate, VideoRow, find_exact
from clipmill.intake.complete_videos import NoteTaker, load_complete
from clipmill.intake.known_clips import CLIPS_AT_ONCE, KnownClips
from clipmill.intake.known_videos import load_inspections, load_sources, make_videos
from clipmill.intake.manifests import source_of
from clipmill.planning.missing import ClipRange
from clipmill.planning.plan import Plan
from clipmill.records import ShownAs, SourceFile
from clipmill.state.database import Database, scratch_database
from clipmill.state.schema import OUTCOME, SPLIT_STATE
from clipmill.state.splits import Row, Splits, splits_of
from clipmill.storage import store
from clipmill.storage.source_columns import SourceColumns

_SPLIT = [name for name in SPLIT_STATE.names if name not in OUTCOME.names]
_WHY = ("reason", "message", "limit", "limit_value")


@dataclass(frozen=True)
class Collection:
    """The input of ``assemble``: a range of sources.

    ``inspections`` has one row for each source version. ``clips`` are those of every split, with the rows of
    the stages of clips and windows by their current digests, without vectors and bytes. ``copies`` maps the
    URI of a copy to what it duplicates, which may be a source of another range. ``source_columns`` are what
    the user knows of the sources. ``video_rows`` has the rows of the stages of whole videos, one for each of
    the sources.
    """

    output: str
    plan: Plan
    sources: tuple[SourceFile, ...]
    inspections: Mapping[str, Row]
    splits: Splits
    clips: ClipRange
    copies: Mapping[str, ExactDuplicate]
    source_columns: SourceColumns | None = None
    video_rows: Mapping[str, pa.Table] = field(default_factory=dict[str, pa.Table])


@dataclass(frozen=True)
class Collected:
    """What the state knows of the sources of a plan, in ranges by URI."""

    output: str
    plan: Plan
    known: KnownClips

    def notes(self) -> NoteTaker:
        """Returns what notes which videos lack nothing, up to the first barrier."""
        return NoteTaker(self.known, self.plan.up_to(0), self.output)

    def seen_by(self, plan: Plan) -> "Collected":
        """Returns the same for a plan of the same stages in other phases."""
        return replace(self, plan=plan, known=replace(self.known, plan=plan))

    def collections(self) -> Iterator[Collection]:
        """Yields what is known of each range."""
        copies = _copies(self.known.database)
        for index, (first, last) in enumerate(self.known.ranges or [(0, -1)]):
            inspected = _inspected(self.known.database, first, last)
            sources = tuple(map(source_of, inspected["record"].to_pylist()))
            yield Collection(
                output=self.output,
                plan=self.plan,
                sources=sources,
                inspections={str(row["id"]): row for row in inspected.to_pylist() if row["is_seen"]},
                splits=splits_of(_named(self.known.splits(index), inspected)),
                clips=self.known.clips(index),
                copies=copies,
                source_columns=self.known.sources,
                video_rows=self.known.rows_of_videos(index, first, len(sources)),
            )


@contextmanager
def collected(
    output: str,
    *,
    plan: Plan,
    sources: Iterable[SourceFile],
    clips_per_range: int = CLIPS_AT_ONCE,
    known: Collected | None = None,
) -> Generator[Collected]:
    """What the state under ``output`` knows of ``sources``, which stand for all of the snapshot.

    It is ``known`` where an earlier step read the same and nothing was added since.
    """
    if known is not None:
        yield known
        return
    output = store.normalise(output)
    with scratch_database() as database:
        load_sources(database, sources)
        load_inspections(database, plan, output)
        make_videos(database)
        load_complete(database, plan.up_to(0), output)
        database.run(
            "CREATE TABLE found AS SELECT s.place, s.source_version AS id, s.uri, s.record, "
            "i.* EXCLUDE (id, run_id, video_id, video_id_text), i.id IS NOT NULL AS is_seen, "
            "coalesce(r.video_id, i.video_id) AS video, "
            "coalesce(r.video_id_text, i.video_id_text) AS video_id, "
            "coalesce(s.place = v.source, false) AS is_first "
            "FROM sources s LEFT JOIN inspected i ON i.id = s.id LEFT JOIN resolved r ON r.id = s.id "
            "LEFT JOIN videos v ON v.id = coalesce(r.video_id, i.video_id)"
        )
        clips = KnownClips(
            database,
            plan,
            of="SELECT place, video AS id, video_id, is_first FROM found",
            uris="SELECT place, uri FROM found",
            columns=(*_WHY, *_SPLIT),
            publishes=True,
            clips_per_range=clips_per_range,
        )
        clips.load(output)
        yield Collected(output, plan, clips)


def _inspected(database: Database, first: int, last: int) -> pa.Table:
    """Returns what is known of the sources of a range, one row for each."""
    return database.rows(
        f"SELECT * EXCLUDE (uri, video) FROM found WHERE place BETWEEN {first} AND {last} ORDER BY place"
    )


def _named(splits: pa.Table, inspected: pa.Table) -> pa.Table:
    """Returns splits with the id of their videos, one for each id: the one with the clips, if any has."""
    if not len(splits):
        return splits.append_column("id", pa.array([], pa.string()))
    of_source = inspected.take(
        arrow.index_in(splits["place"].combine_chunks(), inspected["place"].combine_chunks())
    )
    named = splits.append_column("id", of_source["video_id"])
    order = np.argsort(~np.array(of_source["is_first"].to_pylist(), bool), kind="stable")
    codes = named["id"].combine_chunks().dictionary_encode().indices.to_numpy()
    _, first = np.unique(codes[order], return_index=True)
    return named.take(pa.array(np.sort(order[first])))


def _copies(database: Database) -> dict[str, ExactDuplicate]:
    """Copies among sources that can be read, by URI. Only those that share an id are looked at."""
    rows = database.rows(
        "SELECT f.uri, f.video_id, s.content_digest, s.audio_digest, f.rotation_deg, f.sar, s.duration_s, "
        "s.shown "
        "FROM found f LEFT JOIN splits s ON s.id = f.video "
        "WHERE f.is_seen AND f.reason IS NULL AND s.reason IS NULL "
        "QUALIFY count(f.video) OVER (PARTITION BY f.video) > 1 "
        "OR count(s.content_digest) OVER (PARTITION BY s.content_digest) > 1"
    )
    return {copy.uri: copy for copy in find_exact([_video_row(row) for row in rows.to_pylist()])}


def _shown(value: Mapping[str, Any] | None) -> ShownAs | None:
    """None where an earlier version scanned the video."""
    if value is None:
        return None
    return ShownAs(
        width_px=value["width_px"],
        height_px=value["height_px"],
        is_mirrored=value["is_mirrored"],
        colours=tuple(value["colours"]),
        other_sound=value["other_sound"],
        every=value["every"],
        times_s=tuple(value["times_s"]),
    )


def _video_row(row: Mapping[str, Any]) -> VideoRow:
    return VideoRow(
        uri=row["uri"],
        video_id=row["video_id"],
        content_digest=row["content_digest"],
        audio_digest=row["audio_digest"],
        rotation_deg=row["rotation_deg"] or 0,
        sar=Fraction(row["sar"] or 1),
        duration_s=row["duration_s"] or 0.0,
        shown=_shown(row["shown"]),
    )
