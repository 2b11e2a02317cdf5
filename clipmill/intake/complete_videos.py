"""What videos lack. Admission leaves out those that lack nothing, and parts with nothing but their rows."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from clipmill import arrow
from clipmill.intake.known_clips import SPLIT_COLUMNS, KnownClips
from clipmill.planning.judgement import RETRYABLE
from clipmill.planning.missing import ClipBlock, ClipRange, lacks_of
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.state import completeness, ids
from clipmill.state.completeness import Covered, Remainder
from clipmill.state.database import Database
from clipmill.state.part_set import PartSet, forget_complete, parts_of
from clipmill.state.schema import OUTCOME, columns_for
from clipmill.state.store import ResultStore

MIN_PARTS = 100
"""Fewer parts are read again sooner than it is noted what is left of them."""
MAX_ROWS = 500_000
"""More rows of videos that lack something are not copied: they would be held in memory."""
_UNNOTED = "id NOT IN (SELECT id FROM complete)"
_UNSPLIT = f"id NOT IN (SELECT id FROM splits WHERE outcome IS NOT NULL AND outcome <> '{RETRYABLE}')"
_ID = pa.schema([OUTCOME.field(name) for name in ("id", "outcome", "run_id")])


@dataclass(frozen=True)
class Lacking:
    """What the videos of a range lack: ``places`` are those that lack anything.

    ``clips`` maps the key of a stage to bool ``(N,)`` for the clips of ``block``, ``videos`` the key of a
    stage of whole videos to their places.
    """

    block: ClipBlock
    clips: Mapping[str, np.ndarray]
    videos: Mapping[str, frozenset[int]]
    places: Sequence[int]


def lacking_of(
    known: KnownClips, index: int, plan: Plan, clips: ClipRange, passed: frozenset[str] | None
) -> Lacking:
    """Returns what the videos of a range, whose ``clips`` these are, lack of a plan of one phase."""
    block = clips.block(plan, passed)
    lacks = lacks_of(plan, block)
    is_open = np.logical_or.reduce([*lacks.values(), np.zeros(len(block), bool)])
    whole = [node for node in plan.running if node.stage.grain == "video"]
    of_videos = {
        node.key: frozenset(known.videos_without(node, index)["place"].to_pylist()) for node in whole
    }
    unsplit = known.videos(index, _UNSPLIT)["place"].to_pylist() if plan.phase == 0 else []
    places = {*unsplit, *np.unique(block.videos[is_open]).tolist()}.union(*of_videos.values())
    return Lacking(block, lacks, of_videos, sorted(places))


def load_complete(database: Database, plan: Plan, output: str) -> bool:
    """Makes the table ``complete``: the videos that were noted; returns False where there are none."""
    parts = parts_of(completeness.notes_folder(plan, output))
    database.load("complete", parts, select="id", schema=_ID)
    return bool(parts.live)


def drop_complete(database: Database, plan: Plan, output: str) -> Mapping[str, PartSet]:
    """Takes the videos that lack nothing out of ``videos``; returns the parts with the rows of the others.

    These are by the key of a stage; empty where no video was noted. Before notes are believed, the ends of
    all parts of the plan are read: one that is cut off ends all notes, and so does one that was deleted, and
    one that was looked at before and changed since.
    """
    if not load_complete(database, plan, output):
        return {}
    state = ResultStore(output)
    found = {node.key: state.parts(node.key, node.digest) for node in (plan.extractor, *plan.rowed)}
    remainder = completeness.get_remainder(plan, output)
    marks = {key: one.parts for key, one in remainder.stages.items()} if remainder else {}
    is_whole = all([parts.checked(marks.get(key, {})) is parts for key, parts in found.items()])
    if is_whole and remainder and any(_is_torn(one, found[key]) for key, one in remainder.stages.items()):
        is_whole = False
        forget_complete(state.folder("", "").rstrip("/"))
    if not is_whole:
        database.run("DELETE FROM complete")
        return {}
    database.run("DELETE FROM videos WHERE id IN (SELECT id FROM complete)")
    if remainder is None or not _holds(remainder, database, plan, output):
        return found
    copies = {
        key: completeness.copy_as_parts(plan, output, one.copy).stand_ins
        for key, one in remainder.stages.items()
    }
    return found | {
        key: replace(found[key], covered=frozenset(one.parts), stand_ins=copies[key])
        for key, one in remainder.stages.items()
    }


def _is_torn(covered: Covered, parts: PartSet) -> bool:
    """Returns True if a part was changed, or is gone although no compaction took it away."""
    if parts.unlike(covered.parts):
        return True
    return parts.index.number == covered.number and not covered.parts.keys() <= parts.names


def _holds(remainder: Remainder, database: Database, plan: Plan, output: str) -> bool:
    """Returns True if the copies have the rows of every video that was not dropped."""
    if database.number("SELECT count(DISTINCT id) FROM complete") < remainder.num_complete:
        return False
    strays = completeness.copy_as_parts(plan, output, remainder.strays)
    if database.load("strays", strays, select="id", schema=_ID) is not strays:
        return False
    return not database.number("SELECT count(*) FROM videos SEMI JOIN strays USING (id)")


@dataclass
class NoteTaker:
    """Notes, range by range, which videos lack nothing, and at the end what is left of the parts."""

    known: KnownClips
    plan: Plan
    output: str
    num_noted: int = 0
    copies: dict[str, list[pa.Table]] = field(default_factory=dict[str, list[pa.Table]])
    num_rows: int = 0

    def look_at(self, index: int, clips: ClipRange) -> None:
        """Notes which videos of a range, whose ``clips`` these are, lack nothing, where not all are noted."""
        if completeness.can_be_noted(self.plan) and len(self.known.videos(index, _UNNOTED)):
            self.add(index, lacking_of(self.known, index, self.plan, clips, None).places, clips)

    def add(self, index: int, lacking: Collection[int], clips: ClipRange) -> None:
        """Notes the videos of a range, whose ``clips`` these are, but for the places that lack rows."""
        rows = self.known.videos(index, _UNNOTED)
        is_lacking = np.isin(np.asarray(rows["place"]), list(lacking))
        completeness.note_complete(
            self.plan, self.output, rows["video_id"].combine_chunks().filter(pa.array(~is_lacking))
        )
        self.num_noted += int((~is_lacking).sum())
        if self.num_rows <= MAX_ROWS and is_lacking.any():
            self._copy(index, rows.filter(pa.array(is_lacking)), clips)

    def finish(self) -> None:
        """Notes what is left of the parts, where many were read that no earlier time covers."""
        if not completeness.can_be_noted(self.plan):
            return
        keys = [self.plan.extractor.key, *(node.key for node in _of_clips(self.plan))]
        parts = {key: self.known.parts[key] for key in keys}
        before = completeness.get_remainder(self.plan, self.output)
        covered = {key: one.parts for key, one in before.stages.items()} if before else {}
        num_new = sum(len(one.names.difference(covered.get(key, ()))) for key, one in parts.items())
        if num_new < MIN_PARTS or self.num_rows > MAX_ROWS:
            return
        database = self.known.database
        completeness.put_remainder(
            self.plan,
            self.output,
            num_complete=database.number("SELECT count(DISTINCT id) FROM complete") + self.num_noted,
            parts=parts,
            copies={key: pa.concat_tables(self.copies.get(key, [_nothing(OUTCOME)])) for key in keys},
            strays=self._strays(),
        )

    def _strays(self) -> pa.Table:
        """The videos with a split that are neither listed nor noted."""
        database = self.known.database
        database.run("CREATE TABLE IF NOT EXISTS strays (id UUID)")
        ids = database.rows(
            f"SELECT id FROM splits ANTI JOIN ({self.known.of}) o USING (id) ANTI JOIN complete USING (id) "
            "UNION SELECT id FROM strays ORDER BY id"
        )["id"]
        return pa.table({"id": ids, "outcome": pa.array(["result"] * len(ids), pa.string())})

    def _copy(self, index: int, videos: pa.Table, clips: ClipRange) -> None:
        for key, rows in self._left(index, videos, clips):
            self.copies.setdefault(key, []).append(rows)
            self.num_rows += len(rows)

    def _left(self, index: int, videos: pa.Table, clips: ClipRange) -> Iterator[tuple[str, pa.Table]]:
        """Yields the rows of the videos of a range that lack something, by key of a stage."""
        yield self.plan.extractor.key, self._splits(index, videos)
        is_chosen = np.isin(clips.videos, np.asarray(videos["place"]))
        for node in _of_clips(self.plan):
            rows, is_wanted = clips.rows[node.key], is_chosen
            if node.stage.grain == "window":
                is_wanted = is_chosen[clips.windows.owners]
            is_there = ~np.asarray(rows["outcome"].is_null())
            rows = rows.filter(pa.array(is_wanted & is_there))
            if node.stage.grain == "window":
                rows = _with_window_ids(rows)
            names = columns_for(self.plan, node, publishes=False)
            yield node.key, rows.select([name for name in names if name in rows.column_names])

    def _splits(self, index: int, videos: pa.Table) -> pa.Table:
        extractor = self.plan.extractor
        rows = self.known.splits(index, columns=(*SPLIT_COLUMNS, "traits", "clips"), among=videos)
        places = arrow.index_in(rows["place"].combine_chunks(), videos["place"].combine_chunks())
        rows = rows.append_column("id", videos["video_id"].combine_chunks().take(places))
        effects = [extractor.effects_in(traits or "") for traits in rows["traits"].to_pylist()]
        rows = rows.append_column("effects", pa.array(effects, pa.string()))
        return rows.drop_columns(["place"])


def _of_clips(plan: Plan) -> list[Node]:
    """Stages whose parts may be many; those of whole videos have a row for each video only."""
    return [node for node in plan.rowed if node.stage.grain != "video"]


def _nothing(schema: pa.Schema) -> pa.Table:
    return pa.schema([schema.field(name) for name in ("id", "outcome")]).empty_table()


def _with_window_ids(rows: pa.Table) -> pa.Table:
    frames = (rows[name].to_numpy() for name in ("start_frame", "end_frame"))
    return rows.append_column("id", ids.window_ids(rows["clip_id"], *frames))
