"""The rows of the stages of clips, in a scratch database, and the clips of a range of videos beside them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from clipmill import arrow
from clipmill.intake.known_videos import traits_there
from clipmill.planning.missing import ClipBlock
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.stages.process_stage import SEEN_CLIPS
from clipmill.state.database import RANK, Database, case_of
from clipmill.state.schema import light_columns, schema_of
from clipmill.state.store import ResultStore
from clipmill.state.winners import RANKS, codes_of, ranks_of

CLIPS_AT_ONCE = 250_000
CLIPS_PER_VIDEO = 10
"""A video without clips counts as so many: its facts take memory too."""
_DONE = RANKS["final"]


@dataclass(frozen=True)
class KnownClips:
    """The rows of a plan's stages in ``database``, a table for each stage.

    ``passed`` are the clips that passed the barriers of the plan; None stands for all.
    """

    database: Database
    plan: Plan
    passed: frozenset[str] | None = None
    _num_windows: dict[int, int] = field(default_factory=dict[int, int], repr=False)

    def load(self, output: str) -> bool:
        """Reads the rows, each part once; damaged parts are set aside. Returns False if there was one."""
        state, is_whole = ResultStore(output), True
        is_few = self.database.number("SELECT count(*) FROM clips") <= CLIPS_AT_ONCE
        for node in self.plan.rowed:
            schema = schema_of(node)
            columns = _columns(self.plan, node)
            schema = pa.schema([schema.field(name) for name in columns])
            quoted = ", ".join(f'"{name}"' for name in columns)
            parts = state.parts(node.key, node.digest)
            where = _owners(node) if is_few else "true"
            is_whole &= parts is self.database.load(
                self._table(node), parts, select=quoted, where=where, schema=schema
            )
            self.database.settle(self._table(node))
        return is_whole

    def ranges(self) -> Iterator[tuple[int, int]]:
        """Yields (first, last) place of videos with about ``CLIPS_AT_ONCE`` clips."""
        size = f"coalesce(s.num_clips, 0) + {CLIPS_PER_VIDEO}"
        totals = (
            f"SELECT v.place, sum({size}) OVER (ORDER BY v.place) AS total "
            "FROM videos v LEFT JOIN splits s USING (id)"
        )
        found = self.database.rows(
            f"SELECT min(place) AS first, max(place) AS last FROM ({totals}) "
            f"GROUP BY total // {CLIPS_AT_ONCE} ORDER BY first"
        )
        yield from zip(found["first"].to_pylist(), found["last"].to_pylist(), strict=True)

    def block(self, first: int, last: int) -> ClipBlock:
        """Returns the clips of a range of videos; ``videos`` of the block are their places."""
        self.database.run(
            "CREATE OR REPLACE TEMP TABLE wanted AS SELECT row_number() OVER () - 1 AS place, * FROM clips "
            f"WHERE video BETWEEN {first} AND {last}"
        )
        clips = self.database.rows("SELECT clip_id, video, num_frames FROM wanted ORDER BY place")
        ids = clips["clip_id"].combine_chunks()
        nodes = [node for node in self.plan.rowed if node.stage.grain != "video"]
        rows = {node.key: self._aligned(node, ids) for node in nodes if node.stage.grain == "clip"}
        done = {key: ranks_of(table) <= _DONE for key, table in rows.items()}
        windows = np.array([self._windows(num) for num in clips["num_frames"].to_pylist()], int)
        done |= {
            node.key: self._num_done(node, len(ids)) >= windows
            for node in nodes
            if node.stage.grain == "window"
        }
        return ClipBlock(ids, np.asarray(clips["video"]), rows, done, self._passed(ids))

    def videos_lacking(self, first: int, last: int) -> Mapping[str, frozenset[int]]:
        """Returns the key of each stage of whole videos -> places of the videos of a range that lack it."""
        found: dict[str, frozenset[int]] = {}
        for node in self.plan.running:
            if node.stage.grain == "video":
                rows = f"SELECT id, effects FROM {self._table(node)} WHERE {RANK} <= {_DONE}"
                expected = self._expected(node, "coalesce(s.traits, '')")
                done = (
                    f"SELECT id FROM ({rows}) r LEFT JOIN (SELECT id, traits FROM splits) s USING (id) "
                    f"WHERE r.effects = {expected}"
                )
                places = self.database.rows(
                    f"SELECT place FROM videos WHERE place BETWEEN {first} AND {last} AND id NOT IN ({done})"
                )
                found[node.key] = frozenset(places["place"].to_pylist())
        return found

    def _table(self, node: Node) -> str:
        return f"rows_{self.plan.place(node.key)}"

    def _aligned(self, node: Node, ids: pa.Array) -> pa.Table:
        """Returns a stage's rows, one for each clip of ``wanted``, null where it has none."""
        rows = self.database.rows(
            f"SELECT w.place, r.* FROM {self._table(node)} r JOIN wanted w USING (id) "
            f"WHERE r.effects = {self._expected(node, 'w.traits')}"
        )
        places = np.asarray(rows["place"])
        best = np.arange(len(rows))
        if len(rows) and np.bincount(places).max() > 1:
            runs = codes_of(rows["run_id"])
            is_newest = SEEN_CLIPS in rows.column_names
            order = np.lexsort((-runs if is_newest else runs, ranks_of(rows), places))
            best = order[np.concatenate([[True], np.diff(places[order]) != 0])]
        row_of = np.full(len(ids), -1)
        row_of[places[best]] = best
        there = pa.array(row_of >= 0)
        taken = rows.drop_columns(["place"]).take(pa.array(row_of, pa.int64(), mask=row_of < 0))
        shown = arrow.if_else(there, ids, pa.scalar(None, pa.string()))
        return taken.set_column(taken.schema.get_field_index("id"), "id", shown)

    def _num_done(self, node: Node, num_clips: int) -> np.ndarray:
        """Returns int ``(N,)``: the windows of each clip of ``wanted`` with a result or a final failure."""
        rows = self.database.rows(
            f"SELECT w.place, count(DISTINCT r.id) AS num FROM {self._table(node)} r "
            f"JOIN wanted w ON r.clip_id = w.id WHERE {RANK} <= {_DONE} "
            f"AND r.effects = {self._expected(node, 'w.traits')} GROUP BY w.place"
        )
        found = np.zeros(num_clips, int)
        found[np.asarray(rows["place"])] = np.asarray(rows["num"])
        return found

    def _expected(self, node: Node, traits: str) -> str:
        """Returns the expression for the effects that a row of a stage must have, by its video's traits."""
        there = traits_there(self.database) if node.effects else []
        return case_of(traits, {one: node.effects_in(one) for one in there})

    def _windows(self, num_frames: int) -> int:
        if num_frames not in self._num_windows:
            self._num_windows[num_frames] = self.plan.num_windows(num_frames)
        return self._num_windows[num_frames]

    def _passed(self, ids: pa.Array) -> np.ndarray | None:
        if self.passed is None:
            return None
        return np.array([clip_id in self.passed for clip_id in ids.to_pylist()], bool)


def _owners(node: Node) -> str:
    """Returns the condition that a row may belong to one of the clips, or of the videos.

    Rows that clear windows name no clip.
    """
    if node.stage.grain == "video":
        return "id IN (SELECT id FROM videos)"
    if node.stage.grain == "window":
        return "clip_id IS NULL OR clip_id IN (SELECT id FROM clips)"
    return "id IN (SELECT id FROM clips)"


def _columns(plan: Plan, node: Node) -> list[str]:
    """Returns the columns of a stage that decide what is missing: its light ones where a rule reads it."""
    if node.stage.grain == "window":
        return ["id", "clip_id", "outcome", "run_id", "effects"]
    readers = (other for other in plan.nodes if other.may_reject)
    read = {ref.key for other in readers for ref in other.inputs}
    if node.may_reject or node.key in read:
        return [name for name in light_columns(node) if name != "stage_digest"]
    kept = ("id", "outcome", "run_id", "effects", SEEN_CLIPS)
    return [name for name in schema_of(node).names if name in kept]
